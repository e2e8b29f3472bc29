"""Where a picture looks like itself: for patches around the hole the most similar ones elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lama_core.fill.common.filters import dilate
from lama_core.fill.common.patch_search import REACH, descriptors
from lama_core.fill.common.scale import Scale
from lama_core.image.mask_ops import bounding_slices

#: Patches that are asked for, and patches that they are compared with, at most.
MOST_ASKED = 1500
MOST_SOURCES = 16384

#: So many of the former at a time.
CHUNK = 256

#: Patches nearer than this share of the picture's longer side are neighbours: that they look alike says
#: nothing.
NEIGHBOURS = 1 / 15

#: Patches are asked for this far around the hole, as a multiple of its own longer side.
SURROUNDINGS = 1.0

#: The longest side of the picture at the scale where offsets are measured, pixels.
OFFSET_SIDE = 400


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledMatches:
    """Matches of the same patches at two scales.

    Attributes:
        coarse: at the coarsest.
        fine: at the one where offsets are measured.
        level: which that is; 0 is the finest.
        levels: how many scales there are.
    """

    coarse: Matches
    fine: Matches
    level: int
    levels: int


def scaled_matches(scales: Sequence[Scale], rng: torch.Generator) -> ScaledMatches | None:
    """Look for matches at the coarsest scale, and follow them to a finer one.

    Args:
        scales: the finest first.
        rng: the only source of chance.

    Returns:
        None where too little is known.
    """
    coarsest, last = scales[-1], len(scales) - 1
    sides = [max(scale.unknown.shape) for scale in scales]
    level = next((level for level, side in enumerate(sides) if side <= OFFSET_SIDE), last)
    coarse = find_matches(coarsest.painted[0], coarsest.unknown, coarsest.allowed, rng)
    if coarse is None:
        return None
    fine = coarse
    for scale in reversed(scales[level:last]):
        fine = finer_matches(fine, scale.painted[0], scale.unknown, scale.allowed)
    return ScaledMatches(coarse=coarse, fine=fine, level=level, levels=len(scales))


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
