"""At which distances a picture looks like itself: the dominant offsets of similar patches.

Patches that look alike lie at few distances from each other: along a bench, a shoreline, a fence. Shifted by
one of these, the picture goes on in its hole (He and Sun, 2012, "Statistics of Patch Offsets for Image
Completion").
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import gaussian_blur
from lama_core.fill.common.matches import Matches
from lama_core.fill.common.patch_search import REACH

#: The histogram is smoothed by a Gaussian of so many pixels; of two peaks nearer than this one is kept.
SMOOTHING = 2**0.5
APART = 4


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
