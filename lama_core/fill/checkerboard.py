"""Removing the network's checkerboard from a prediction.

A generator draws from features that stand for cells of the window, of 8x8 pixels in the published models.
Where it does not know what belongs into a hole, every feature may draw the same small pattern, and the
pattern repeats with the period of the cells (Odena et al., 2016, "Deconvolution and Checkerboard Artifacts").
The pattern is the mean of the cells around. It is told from texture of the picture by its share of the energy
there: pictures rarely have exactly this period.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import gaussian_blur, separable_filter
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats, Mask

SPREAD = 2.0
"""Standard deviation of the Gaussian that averages cells, in cells."""

TEXTURE, CHECKERBOARD = 0.2, 0.5
"""Shares of the detail's energy that the pattern common to all cells holds. Below the first the detail is the
picture's; above the second it is the checkerboard's; between them it is taken out in part."""


def remove_checkerboard(prediction: Floats, unknown: Mask, period: int) -> Floats:
    """A prediction without what repeats from feature to feature.

    Args:
        prediction: (3, H, W) float32, 1 is white.
        unknown: (H, W), True in the hole, of at least one pixel.
        period: of the checkerboard, pixels, 2 or more and even: the network's output stride.

    Returns:
        (3, H, W) float32: the prediction, with the checkerboard subtracted in the hole.
    """
    rows, columns = bounding_slices(unknown, 0)
    hole = torch.from_numpy(np.ascontiguousarray(unknown[rows, columns]))
    part = torch.from_numpy(np.ascontiguousarray(prediction[:, rows, columns])).clamp(0, 1)
    height, width = hole.shape
    inside = hole.float()[None]
    smooth = _mean_of_period(part * inside, period) / _mean_of_period(inside, period).clamp(min=1e-3)
    room = (0, -width % period, 0, -height % period)
    weights = _cells(F.pad(inside, room), period)
    detail = _cells(F.pad((part - smooth) * inside, room), period)

    count = _spread(weights, SPREAD).clamp(min=1e-3)
    pattern = _spread(detail, SPREAD).view(3, *weights.shape) / count  # what the cells around have in common
    energy = _spread(detail.square().sum(dim=0, keepdim=True), SPREAD) / count.sum(dim=0, keepdim=True) / 3
    share = pattern.square().mean(dim=(0, 1))[None] / energy.clamp(min=1e-9)
    # A mean of few cells holds some of the energy by chance: the sum of the squares of their weights. The
    # square of a Gaussian is a Gaussian that is narrower by sqrt(2).
    cells = weights.mean(dim=0, keepdim=True)
    narrow = SPREAD / 2**0.5
    chance = (
        _spread(cells, narrow) / (4 * torch.pi * SPREAD**2) / _spread(cells, SPREAD).square().clamp(min=1e-6)
    )
    chance = chance.clamp(max=0.999)
    share = (share - chance) / (1 - chance)
    trust = ((share - TEXTURE) / (CHECKERBOARD - TEXTURE)).clamp(0, 1)
    trusted = F.interpolate(trust[None], scale_factor=period, mode="bilinear")[0]
    checkerboard = F.pixel_shuffle(pattern.flatten(0, 1)[None], period)[0] * trusted
    cleaned: Floats = prediction.copy()
    cleaned[:, rows, columns] -= (checkerboard[:, :height, :width] * inside).numpy()
    return cleaned


def _mean_of_period(x: Tensor, period: int) -> Tensor:
    """(C, H, W): the mean of a period around each pixel, which holds no checkerboard; 0 beyond the edge."""
    # An even number of pixels has no middle: the two at the ends count half.
    half, whole = 0.5 / period, 1 / period
    return separable_filter(x, (half, *(whole,) * (period - 1), half), "constant")


def _cells(x: Tensor, period: int) -> Tensor:
    """(C, H, W) to (C * period², H / period, W / period): each place of a cell is a plane."""
    return F.pixel_unshuffle(x[None], period)[0]


def _spread(x: Tensor, cells: float) -> Tensor:
    """(C, H, W) through a Gaussian of that many cells, with 0 beyond the edge."""
    return gaussian_blur(x, cells, "constant")
