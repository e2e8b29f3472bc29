"""EXIF's orientations (CIPA DC-008, 4.6.4): how stored pixels are turned to be upright."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_TAKEN_BACK_BY = {6: 8, 8: 6}
"""All others take themselves back."""


def turned(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Stored rows and columns, (H, W) or (H, W, C), as they are to be seen; 5 to 8 swap the two."""
    if orientation >= 5:
        stored = stored.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(stored[::rows, ::columns])


def as_stored(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Upright rows and columns as a file of that orientation stores them."""
    return turned(upright, _TAKEN_BACK_BY.get(orientation, orientation))
