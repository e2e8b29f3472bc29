"""EXIF's orientations (CIPA DC-008, 4.6.4): how stored pixels are turned to be upright."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def turned(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Stored rows and columns, (H, W) or (H, W, C), as they are to be seen; 5 to 8 swap the two."""
    if orientation >= 5:
        stored = stored.swapaxes(0, 1)
    rows = -1 if orientation in (3, 4, 7, 8) else 1
    columns = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(stored[::rows, ::columns])
