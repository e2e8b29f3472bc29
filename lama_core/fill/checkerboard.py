"""Taking the network's own lattice out of a prediction.

A generator draws from features that are an eighth of the window's size. Where it does not know what belongs
into a hole, each of them may draw the same small figure: a honeycomb of 8x8 pixels. Such figures are the
means of cells at the same place of each, and are told from what is in the picture by how much of the energy
around them they hold: an eighth is no period that pictures have.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.filters import blurred, filtered
from lama_core.image.mask_ops import around
from lama_core.image.pixels import Floats, Mask

PERIOD = 8
"""Pixels of the window that a feature stands for, in either direction."""

SPREAD = 2.0
"""Cells are averaged by a Gaussian of so many cells."""

TEXTURE, LATTICE = 0.2, 0.5
"""With less of the detail's energy than the first share in the figure all cells have in common, the detail is
the picture's; with more than the second it is the lattice's."""


def without_lattice(prediction: Floats, unknown: Mask) -> Floats:
    """A prediction without what repeats itself from feature to feature.

    Args:
        prediction: (3, H, W) float32, 1 is white.
        unknown: (H, W), True in the hole, of at least one pixel.

    Returns:
        (3, H, W) float32: the prediction, with something taken out of it in the hole.
    """
    rows, columns = around(unknown, 0)
    hole = torch.from_numpy(np.ascontiguousarray(unknown[rows, columns]))
    part = torch.from_numpy(np.ascontiguousarray(prediction[:, rows, columns])).clamp(0, 1)
    height, width = hole.shape
    inside = hole.float()[None]
    smooth = _mean_of_a_period(part * inside) / _mean_of_a_period(inside).clamp(min=1e-3)
    room = (0, -width % PERIOD, 0, -height % PERIOD)
    weights = _cells(F.pad(inside, room))
    detail = _cells(F.pad((part - smooth) * inside, room))

    count = _spread(weights, SPREAD).clamp(min=1e-3)
    figure = _spread(detail, SPREAD).view(3, *weights.shape) / count  # what the cells around have in common
    energy = _spread(detail.square().sum(dim=0, keepdim=True), SPREAD) / count.sum(dim=0, keepdim=True) / 3
    share = figure.square().mean(dim=(0, 1))[None] / energy.clamp(min=1e-9)
    # Of so few cells one has something in common with the others by chance; the squares of a Gaussian are one
    # that is narrower.
    cells = weights.mean(dim=0, keepdim=True)
    narrow = SPREAD / 2**0.5
    chance = (
        _spread(cells, narrow) / (4 * torch.pi * SPREAD**2) / _spread(cells, SPREAD).square().clamp(min=1e-6)
    )
    chance = chance.clamp(max=0.999)
    share = (share - chance) / (1 - chance)
    trust = ((share - TEXTURE) / (LATTICE - TEXTURE)).clamp(0, 1)
    trusted = F.interpolate(trust[None], scale_factor=PERIOD, mode="bilinear")[0]
    lattice = F.pixel_shuffle(figure.flatten(0, 1)[None], PERIOD)[0] * trusted
    cleaned: Floats = prediction.copy()
    cleaned[:, rows, columns] -= (lattice[:, :height, :width] * inside).numpy()
    return cleaned


def _mean_of_a_period(x: Tensor) -> Tensor:
    """(C, H, W): the mean of a period around each pixel, without any lattice; 0 beyond the edge."""
    half, whole = 0.5 / PERIOD, 1 / PERIOD
    return filtered(x, (half, *(whole,) * (PERIOD - 1), half), "constant")


def _cells(x: Tensor) -> Tensor:
    """(C, H, W) to (C * 64, H / 8, W / 8): each place of a cell is a plane."""
    return F.pixel_unshuffle(x[None], PERIOD)[0]


def _spread(x: Tensor, cells: float) -> Tensor:
    """(C, H, W) through a Gaussian of so many pixels, with nothing beyond the edge."""
    return blurred(x, cells, "constant")
