"""Associated alpha: colours that are stored multiplied by it (TIFF 6.0, section 18)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import WHITE

#: Rows that are worked on at a time, so that little memory is needed beside the picture.
_ROWS: Final = 128


def unassociate(stored: NDArray[Any]) -> NDArray[Any]:
    """Colours divided by alpha.

    Args:
        stored: (H, W, C), alpha last. Where it is 0 colours stay as they are stored.

    Returns:
        (H, W, C) of the same dtype.
    """
    pixels: NDArray[Any] = np.empty_like(stored)
    for top in range(0, len(stored), _ROWS):
        pixels[top : top + _ROWS] = _divided(stored[top : top + _ROWS])
    return pixels


def associate(pixels: NDArray[Any], stored: NDArray[Any]) -> NDArray[Any]:
    """Colours multiplied by alpha where they were changed; elsewhere the stored values, bit for bit.

    Args:
        pixels: (H, W, C), alpha last, as `unassociate` gave them and then changed in part.
        stored: (H, W, C), what they were made of.
    """
    associated: NDArray[Any] = stored.copy()
    bits = f"u{stored.dtype.itemsize}"
    for top in range(0, len(stored), _ROWS):
        part = np.ascontiguousarray(pixels[top : top + _ROWS])
        before = _divided(stored[top : top + _ROWS])
        changed = (part.view(bits) != before.view(bits)).any(axis=2)
        associated[top : top + _ROWS][changed] = _multiplied(part[changed])
    return associated


def _divided(stored: NDArray[Any]) -> NDArray[Any]:
    alpha = stored[:, :, -1:].astype(np.float64) / float(WHITE[stored.dtype])
    visible = alpha > 0
    pixels: NDArray[Any] = stored.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        colours = stored[:, :, :-1] / np.where(visible, alpha, 1)
        pixels[:, :, :-1] = np.where(visible, _as_dtype(colours, stored.dtype), stored[:, :, :-1])
    return pixels


def _multiplied(pixels: NDArray[Any]) -> NDArray[Any]:
    alpha = pixels[:, -1:].astype(np.float64) / float(WHITE[pixels.dtype])
    associated: NDArray[Any] = pixels.copy()
    with np.errstate(invalid="ignore", over="ignore"):
        associated[:, :-1] = _as_dtype(pixels[:, :-1] * alpha, pixels.dtype)
    return associated


def _as_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind != "f":
        values = values.round().clip(0, np.iinfo(dtype).max)
    converted: NDArray[Any] = values.astype(dtype)
    return converted
