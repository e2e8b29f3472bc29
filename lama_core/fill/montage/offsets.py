"""At which distances a picture looks like itself: the dominant offsets of similar patches.

Patches that look alike lie at few distances from each other: along a bench, a shoreline, a fence. Shifted by
one of these, the picture goes on in its hole (He and Sun, 2012, "Statistics of Patch Offsets for Image
Completion").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import dilate, gaussian_blur
from lama_core.fill.common.patch_search import REACH, descriptors
from lama_core.image.mask_ops import bounding_slices

#: Patches that are asked for, and patches that they are compared with, at most.
MOST_ASKED = 1500
MOST_SOURCES = 16384

#: So many of the former at a time.
CHUNK = 256

#: Patches nearer than this share of the picture's longer side are neighbours: that they look alike says
#: nothing.
NEIGHBOURS = 1 / 15

#: The histogram is smoothed by a Gaussian of so many pixels; of two peaks nearer than this one is kept.
SMOOTHING = 2**0.5
APART = 4

#: Patches are asked for this far around the hole, as a multiple of its own longer side.
SURROUNDINGS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """For some patches the most similar ones that are no neighbours.

    Attributes:
        asked: (N, 2) int64, row and column of each patch's middle.
        found: (N, 2), of the one that is most like it.
        unlike: (N,) float32, how different the two are, 1 for the middling pair.
    """

    asked: Tensor
    found: Tensor
    unlike: Tensor


def find_matches(image: Tensor, unknown: Tensor, allowed: Tensor, rng: torch.Generator) -> Matches | None:
    """Look for what is like the patches around the hole.

    Args:
        image: (3, H, W) float32; what is in the hole is not looked at.
        unknown: (H, W) bool, True in the hole.
        allowed: (H, W) bool, what may be copied.
        rng: the only source of chance.

    Returns:
        None where too little is known.
    """
    height, width = unknown.shape
    inside = torch.zeros_like(unknown)
    inside[REACH : height - REACH, REACH : width - REACH] = True
    inside &= ~dilate(unknown, REACH)
    near = torch.zeros_like(unknown)
    hole = bounding_slices(unknown.numpy(), 0)
    longer = max(axis.stop - axis.start for axis in hole)
    near[bounding_slices(unknown.numpy(), round(SURROUNDINGS * longer))] = True
    sources = _some((inside & allowed).flatten().nonzero()[:, 0], MOST_SOURCES, rng)
    asked = _some((inside & near).flatten().nonzero()[:, 0], MOST_ASKED, rng)
    if not len(sources) or not len(asked):
        return None
    apart = round(max(2.0, max(height, width) * NEIGHBOURS))
    squares, places = _nearest(descriptors(image), asked, sources, width, apart)
    there = squares.isfinite()
    if not there.any():
        return None
    unlike = squares[there].sqrt()
    pairs = (torch.stack((at // width, at % width), dim=1)[there] for at in (asked, sources[places]))
    return Matches(asked=next(pairs), found=next(pairs), unlike=unlike / unlike.median().clamp(min=1e-3))


def finer_matches(matches: Matches, image: Tensor, unknown: Tensor, allowed: Tensor) -> Matches:
    """The same at twice the size: of the nine places around twice the old one the best.

    Args:
        matches: of the picture at half its size.
        image, unknown, allowed: as of `find_matches`.
    """
    height, width = unknown.shape
    described = descriptors(image)
    asked = (2 * matches.asked).clamp(max=torch.tensor((height - 1, width - 1)))
    wanted = described[asked[:, 0] * width + asked[:, 1]]
    whole = ~dilate(unknown, REACH) & allowed
    best = torch.full((len(asked),), torch.inf)
    found = 2 * matches.found
    for down in (0, -1, 1):
        for across in (0, -1, 1):
            row, column = (2 * matches.found + torch.tensor((down, across))).unbind(dim=1)
            there = (row >= REACH) & (row < height - REACH) & (column >= REACH) & (column < width - REACH)
            place = torch.where(there, row * width + column, 0)
            there &= whole.flatten()[place]
            unlike = (described[place] - wanted).square().sum(dim=1)
            better = there & (unlike < best)
            best = torch.where(better, unlike, best)
            found = torch.where(better[:, None], torch.stack((row, column), dim=1), found)
    return Matches(asked=asked, found=found, unlike=matches.unlike)


def dominant_offsets(matches: Matches, shape: tuple[int, ...], count: int) -> Tensor:
    """The offsets that most matches have: (K, 2) int64, down and across, the most frequent first.

    Args:
        matches: of a picture.
        shape: of the picture, height and width.
        count: of offsets, at most.
    """
    height, width = shape
    steps = matches.found - matches.asked
    histogram = torch.zeros(2 * height + 1, 2 * width + 1)
    flat = (steps[:, 0] + height) * (2 * width + 1) + steps[:, 1] + width
    histogram.view(-1).index_add_(0, flat, torch.ones(len(flat)))
    histogram += histogram.flip(0, 1)  # if one is like the other, so is the other like the one
    smooth = gaussian_blur(histogram[None], SMOOTHING)[0]
    highest = smooth[None]
    for side in ((2 * APART + 1, 1), (1, 2 * APART + 1)):
        highest = F.max_pool2d(highest, side, stride=1, padding=(side[0] // 2, side[1] // 2))
    highest = highest[0]
    row, column = ((smooth == highest) & (smooth > 0)).nonzero(as_tuple=True)
    best = smooth[row, column].argsort(descending=True, stable=True)[:count]
    return torch.stack((row[best] - height, column[best] - width), dim=1)


def rarity_of(matches: Matches, shape: tuple[int, ...]) -> Tensor:
    """(H, W): how little what is around a pixel looks like anything else, 1 for the middling place.

    0 where no patch was asked for.
    """
    total, count = torch.zeros(2, shape[0] * shape[1]).unbind()
    place = matches.asked[:, 0] * shape[1] + matches.asked[:, 1]
    total.index_add_(0, place, matches.unlike)
    count.index_add_(0, place, torch.ones(len(place)))
    smooth = gaussian_blur(torch.stack((total, count)).view(2, *shape), float(REACH), "constant")
    return smooth[0] / smooth[1].clamp(min=1e-3)


def _nearest(
    described: Tensor, asked: Tensor, sources: Tensor, width: int, apart: int
) -> tuple[Tensor, Tensor]:
    """The squared distance of each patch to the nearest one that is no neighbour, and its place in `sources`.

    Both in row-major order, so that the rows that some patches have to leave out are beside each other.
    """
    among = described[sources]
    lengths = among.square().sum(dim=1)
    row, column = sources // width, sources % width
    squares, places = [], []
    for some in torch.split(asked, CHUNK):
        wanted = described[some]
        unlike = torch.addmm(lengths[None], wanted, among.T, alpha=-2)
        rows, columns = some // width, some % width
        ends = torch.stack((rows[0] - apart + 1, rows[-1] + apart))
        first, last = torch.searchsorted(row, ends).tolist()
        close = (row[first:last] - rows[:, None]).abs() < apart
        close &= (column[first:last] - columns[:, None]).abs() < apart
        unlike[:, first:last].masked_fill_(close, torch.inf)
        least, place = unlike.min(dim=1)
        squares.append(least + wanted.square().sum(dim=1))
        places.append(place)
    return torch.cat(squares).clamp(min=0), torch.cat(places)


def _some(places: Tensor, most: int, rng: torch.Generator) -> Tensor:
    """So many of them at most, in their order."""
    if len(places) <= most:
        return places
    return places[torch.randperm(len(places), generator=rng)[:most].sort().values]
