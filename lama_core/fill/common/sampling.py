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
