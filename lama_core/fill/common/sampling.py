"""Values of a picture at places between its pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import Floats

Reals = NDArray[np.floating[Any]]


def sample(image: Floats, places: Reals) -> Floats:
    """Bilinear values of (C, H, W) at (..., 2), row and column: (C, ...); beyond the border its own."""
    height, width = image.shape[1:]
    row = places[..., 0].clip(0, height - 1)
    column = places[..., 1].clip(0, width - 1)
    top = np.minimum(row.astype(np.intp), max(height - 2, 0))
    left = np.minimum(column.astype(np.intp), max(width - 2, 0))
    below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    lower, further = (row - top).astype(np.float32), (column - left).astype(np.float32)
    upper = image[:, top, left] * (1 - further) + image[:, top, right] * further
    under = image[:, below, left] * (1 - further) + image[:, below, right] * further
    return np.asarray(upper * (1 - lower) + under * lower, np.float32)


def magnified(values: Floats, cell: int, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Floats:
    """(C, rows, columns) of (C, h, w) cells at these pixels, linear between the centres of the cells."""
    for axis, pixels in ((1, rows), (2, columns)):
        position = ((pixels.astype(np.float32) + 0.5) / cell - 0.5).clip(0, values.shape[axis] - 1)
        before = position.astype(np.intp)
        behind = np.minimum(before + 1, values.shape[axis] - 1)
        share = (position - before).reshape((-1, 1) if axis == 1 else (-1,))
        low, high = values.take(before, axis), values.take(behind, axis)
        high -= low
        high *= share
        high += low
        values = high
    return values
