"""Evening out offsets of colour between a prediction and what is known around the hole.

A network also predicts the known region, and its error there continues into the hole. Beside that the colour
inside the hole may be off on its own. Both offsets are measured in cells along the hole's boundary, weighted
by how far they exceed the variation of the texture there, and spread over the hole by a harmonic fill
(Laplace's equation, as in Pérez et al., 2003, "Poisson image editing") on the grid of the cells: what is
spread is smooth, so a coarse grid loses nothing, and it costs little whatever the size of the hole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lama_core.fill.common.filters import dilate
from lama_core.fill.common.sampling import magnified
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import harmonic_fill

CELL = 8
"""Side of a cell, pixels."""

MAX_CELLS = 192
"""Cells along the longer side of a window; in larger windows the cells are larger."""

REACH = 6
"""Pixels around the hole in which the prediction is compared with the known region."""

SLOPE = 3
"""Pixels over which the slope at either side of the boundary is measured."""

ALIKE = 12
"""Neighbouring differences are correlated, because texture is not white noise: of this many one counts as
independent."""

MAX_OFFSET = 0.1
"""Offsets of colour are smaller than this, of 1; a larger difference is an edge in the picture."""

STRIP = 256
"""Rows that are corrected at a time, so that a large window takes little memory beside its pixels."""


def correct_seam(prediction: Floats, colour: Floats, unknown: Mask) -> Floats:
    """Take offsets of colour at the hole's boundary out of a prediction.

    Args:
        prediction: (3, H, W) float32, 1 is white.
        colour: (3, H, W) float32 in 0..1, 0 where nothing is known.
        unknown: (H, W), True where nothing is known.

    Returns:
        (3, H, W) float32: the prediction with something smooth added to it, in the hole and near it.
    """
    if not unknown.any():
        return prediction
    height, width = unknown.shape
    cells = _Cells(height, width)
    known, guess = colour.reshape(3, -1), prediction.reshape(3, -1)
    ring = np.flatnonzero(dilate(torch.from_numpy(unknown), REACH).numpy() & ~unknown)
    outer, inward = _boundary(unknown)
    around = cells.offsets(ring, known[:, ring] - _clipped(guess, ring))
    # The step from the known side to the other, beside the slope that both have.
    inner, behind, beyond = outer + inward, outer - SLOPE * inward, outer + (1 + SLOPE) * inward
    near = _clipped(guess, inner)
    slope = (known[:, outer] - known[:, behind] + _clipped(guess, beyond) - near) / (2 * SLOPE)
    step = known[:, outer] + slope - near
    across = cells.offsets(outer, step - around.reshape(3, -1)[:, cells.index(outer)])
    unmeasured = np.ones(cells.rows * cells.columns, np.float32)
    unmeasured[cells.index(ring)] = 0
    surface = _harmonic(around + across, unmeasured.reshape(cells.rows, cells.columns))
    corrected: Floats = prediction.copy()
    for top in range(0, height, STRIP):
        rows = np.arange(top, min(top + STRIP, height))
        corrected[:, rows[0] : rows[-1] + 1] += magnified(surface, cells.side, rows, np.arange(width))
    return corrected


def _clipped(guess: Floats, place: NDArray[np.intp]) -> Floats:
    """What of a prediction can be seen at these places."""
    seen: Floats = guess[:, place].clip(0, 1)
    return seen


def _boundary(unknown: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Known pixels with the hole beside them, and the step in the flat picture that leads into it.

    Only those that have `SLOPE` more pixels of their own kind behind either side.
    """
    width = unknown.shape[1]
    flat = unknown.reshape(-1)
    outers, steps = [], []
    for axis, step in ((1, 1), (0, width)):
        length = unknown.shape[axis]
        first, second = unknown[:, :-1] if axis else unknown[:-1], unknown[:, 1:] if axis else unknown[1:]
        for crossing, inward in ((second & ~first, step), (first & ~second, -step)):
            y, x = np.nonzero(crossing)
            along = x if axis else y
            room = (along >= SLOPE) & (along < length - 1 - SLOPE)
            outer = (y * width + x)[room] + (step if inward < 0 else 0)
            pure = ~flat[outer - SLOPE * inward] & flat[outer + (1 + SLOPE) * inward]
            outers.append(outer[pure])
            steps.append(np.full(len(outers[-1]), inward))
    return np.concatenate(outers), np.concatenate(steps)


class _Cells:
    """The square cells of a window."""

    def __init__(self, height: int, width: int) -> None:
        self.side = max(CELL, -(-max(height, width) // MAX_CELLS))
        self.rows, self.columns = -(-height // self.side), -(-width // self.side)
        self._width = width

    def index(self, place: NDArray[np.intp]) -> NDArray[np.intp]:
        """Which cell each of these pixels is in."""
        index: NDArray[np.intp] = place // self._width // self.side * self.columns
        return index + place % self._width // self.side

    def offsets(self, place: NDArray[np.intp], difference: NDArray[np.floating[Any]]) -> Floats:
        """Mean differences of each cell and its neighbours, shrunk to what stands out from their variation.

        The shrinkage is that of James and Stein (1961): by 1 - variance of the mean / square of the mean,
        at least 0. What is far more than `MAX_OFFSET` is left out: an edge of something that happens to be
        where the hole ends.

        Args:
            place: (n) indices of pixels.
            difference: (3, n) there.

        Returns:
            (3, rows, columns); 0 where there is nothing.
        """
        index, size = self.index(place), self.rows * self.columns

        def summed(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
            sums = np.bincount(index, values, size).astype(np.float64, copy=False)
            return _neighbourhood(sums.reshape(self.rows, self.columns))

        count = np.maximum(summed(np.ones(place.size, np.float32)), 1e-9)
        mean = np.stack([summed(channel) for channel in difference]) / count
        signal = (mean * mean).sum(axis=0)
        variance = np.maximum(summed((difference * difference).sum(axis=0)) / count - signal, 0)
        trust = (1 - variance * ALIKE / (count * np.maximum(signal, 1e-12))).clip(0, 1)
        trust /= 1 + (signal / (3 * MAX_OFFSET**2)) ** 4
        offsets: Floats = (mean * trust).astype(np.float32)
        return offsets


def _neighbourhood(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each cell and its neighbours, weighed by 1 2 1 in both directions."""
    for axis in (0, 1):
        padded = np.pad(values, [(1, 1) if axis == side else (0, 0) for side in (0, 1)])
        size = values.shape[axis]
        values = 2 * values + padded.take(range(size), axis) + padded.take(range(2, size + 2), axis)
    return values / 4


def _harmonic(offsets: Floats, unmeasured: Floats) -> Floats:
    """(3, rows, columns): the offsets spread smoothly over the cells without a measurement.

    Args:
        offsets: (3, rows, columns).
        unmeasured: (rows, columns), 1 where there is no measurement.
    """
    spread = harmonic_fill(torch.from_numpy(offsets)[None], torch.from_numpy(unmeasured)[None, None])
    surface: Floats = spread[0].numpy()
    return surface
