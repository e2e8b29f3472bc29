"""Between a fill's raw bytes and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client.protocol.messages import CHANNELS, Depth, Fill, Preview
from lama_core.fill import Preview as FillPreview

DTYPES: dict[Depth, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
}


def picture_of(fill: Fill) -> NDArray[Any]:
    """(height, width, channels) in the fill's depth, RGB order. A view of the bytes, but for bgra."""
    values: NDArray[Any] = np.frombuffer(fill.pixels, DTYPES[fill.depth])
    values = values.reshape(fill.height, fill.width, CHANNELS[fill.format])
    return swap_red_and_blue(values) if fill.format == "bgra" else values


def hole_of(fill: Fill) -> NDArray[np.float32]:
    """(height, width), 0 known to 1 hole."""
    # As floats, because a mask of small integers may be taken for one of 0 and 1.
    levels = np.frombuffer(fill.hole, np.uint8).reshape(fill.height, fill.width)
    hole: NDArray[np.float32] = np.multiply(levels, np.float32(1 / 255), dtype=np.float32)
    return hole


def source_of(fill: Fill) -> NDArray[np.bool_] | None:
    """(height, width), True where the fill may copy from; None: wherever it is known."""
    if not len(fill.source):
        return None
    return np.asarray(np.frombuffer(fill.source, np.uint8).reshape(fill.height, fill.width) > 0)


def bytes_of(pixels: NDArray[Any], fill: Fill) -> memoryview:
    """The bytes of (h, w, channels) pixels, as the fill's format orders them."""
    ordered = swap_red_and_blue(pixels) if fill.format == "bgra" else pixels
    # A reshape, because a memoryview of an empty array with several dimensions cannot be cast.
    flat: NDArray[np.uint8] = np.ascontiguousarray(ordered, DTYPES[fill.depth]).reshape(-1).view(np.uint8)
    return flat.data


def message_of(preview: FillPreview, job: int) -> Preview:
    """The message that tells of a preview."""
    height, width = preview.pixels.shape[:2]
    return Preview(
        job=job,
        x=preview.rect.x,
        y=preview.rect.y,
        width=width,
        height=height,
        scale=preview.scale,
        pixels=preview.pixels.tobytes(),
    )


def swap_red_and_blue(pixels: NDArray[Any]) -> NDArray[Any]:
    """A copy of (h, w, 4) pixels, BGRA for RGBA and the other way round."""
    swapped: NDArray[Any] = pixels.copy()
    swapped[..., 0] = pixels[..., 2]
    swapped[..., 2] = pixels[..., 0]
    return swapped
