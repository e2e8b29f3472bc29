"""Pixel formats: from a picture's own numbers to the planes that the network works on, and back.

A picture here is an array (H, W) or (H, W, C): 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; alpha is straight,
not premultiplied. Unsigned integers go from 0 to their largest value, floats from 0 to 1 by convention, and
beyond it in pictures of high dynamic range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client.errors import LamaFillError
from lama_core.client.options import Transfer
from lama_core.image.transfer import decode, encode

Pixels = NDArray[Any]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

WHITE: dict[np.dtype[np.generic], float] = {
    np.dtype(np.uint8): 255.0,
    np.dtype(np.uint16): 65535.0,
    np.dtype(np.float16): 1.0,
    np.dtype(np.float32): 1.0,
    np.dtype(np.float64): 1.0,
}
"""The value of full light (and of opaque), by type. float64 is taken for the convenience of numpy's users."""

OUTLIERS = 0.001
"""Of float pictures that leave 0..1, this share of the values at either end may be clipped for the
network, so that a few glaring pixels do not take the whole range."""


class PixelError(LamaFillError):
    """The picture is in a form that cannot be filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """What the numbers of a picture mean."""

    channels: int
    dtype: np.dtype[np.generic]

    @property
    def has_alpha(self) -> bool:
        return self.channels in (2, 4)

    @property
    def colours(self) -> int:
        """Channels without alpha: 1 or 3."""
        return self.channels - self.has_alpha

    @property
    def white(self) -> float:
        return WHITE[self.dtype]

    @property
    def is_float(self) -> bool:
        return self.dtype.kind == "f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """A picture as the network takes it.

    `colour` is (3, H, W) float32 in 0..1; gray is there three times. `usable` is (H, W): False where a
    pixel has no colour that means anything, because it is fully transparent or not a number; `colour` is 0
    there. A value v of `colour` stands for v * scale + offset of white, or in a linear picture for the light
    that `transfer.decode` makes of that.
    """

    colour: Floats
    usable: Mask
    scale: float = 1.0
    offset: float = 0.0
    transfer: Transfer = "perceptual"


def pixel_format(image: Pixels) -> PixelFormat:
    """The format of a picture.

    Raises:
        PixelError: the array is not a picture, or has a type that is not one of `WHITE`.
    """
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 2, 3, 4)):
        raise PixelError(
            f"a picture is an array (H, W) or (H, W, 1 to 4), not {image.shape}: "
            "convert it to gray or RGB, with or without alpha"
        )
    if image.dtype not in WHITE:
        raise PixelError(
            f"pixels of type {image.dtype} cannot be filled: "
            "convert them to uint8, uint16, float16 or float32"
        )
    if image.shape[0] == 0 or image.shape[1] == 0:
        raise PixelError("the picture has no pixels")
    return PixelFormat(channels=1 if image.ndim == 2 else image.shape[2], dtype=image.dtype)


def as_channels(image: Pixels) -> Pixels:
    """(H, W, C) without a copy, whatever the picture came as."""
    return image[:, :, None] if image.ndim == 2 else image


def has_colour(pixels: Pixels, pixel: PixelFormat) -> Mask:
    """(H, W), False where a pixel has no colour that means anything: fully transparent, or not a number.

    Args:
        pixels: (H, W, C) of that format.
        pixel: its format.
    """
    usable = np.ones(pixels.shape[:2], np.bool_)
    if pixel.has_alpha:
        # What colour a fully transparent pixel has is an accident of the editor.
        usable &= pixels[:, :, -1] > 0
    if pixel.is_float:
        with np.errstate(over="ignore", invalid="ignore"):
            usable &= np.isfinite(pixels[:, :, : pixel.colours].astype(np.float32)).all(axis=2)
    return usable


def to_planes(pixels: Pixels, pixel: PixelFormat, hole: Mask, transfer: Transfer = "perceptual") -> Planes:
    """What the network sees of a picture, or of a window of it.

    Args:
        pixels: (H, W, C) of that format.
        pixel: its format.
        hole: (H, W), True where the colour is not known; it is not looked at there, and 0 in the result.
        transfer: how the picture's numbers stand for light; linear ones are encoded first.

    A float picture with known values outside of 0..1 is mapped linearly into 0..1, all but a few outliers
    of it, and the result says how to get back. Pixels with a value that is not finite are not usable, so
    that it cannot spread.
    """
    usable = ~hole & has_colour(pixels, pixel)
    numbers = pixels[:, :, : pixel.colours]
    scale, offset = 1.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        colour = numbers.astype(np.float32)
    if not pixel.is_float:
        colour /= np.float32(pixel.white)
    if transfer == "linear":
        colour = encode(np.where(usable[:, :, None], colour, np.float32(0)))
    if pixel.is_float:
        known = colour[usable]
        if known.size and (known.min() < 0 or known.max() > 1):
            low, high = np.quantile(known.astype(np.float64), (OUTLIERS, 1 - OUTLIERS))
            offset = min(0.0, float(low))
            scale = max(1.0, float(high)) - offset
            # In float64: the range between two float32 may be more than a float32.
            known_only = np.where(usable[:, :, None], colour, 0).astype(np.float64)
            colour = ((known_only - offset) / scale).astype(np.float32)
    colour = np.where(usable[:, :, None], colour, np.float32(0)).clip(0, 1)
    planes = np.repeat(colour, 3, axis=2) if pixel.colours == 1 else colour
    return Planes(
        colour=np.ascontiguousarray(planes.transpose(2, 0, 1)),
        usable=usable,
        scale=scale,
        offset=offset,
        transfer=transfer,
    )


def from_planes(
    colour: Floats,
    pixel: PixelFormat,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    transfer: Transfer = "perceptual",
) -> Pixels:
    """The picture that planes of the network stand for, opaque everywhere.

    Args:
        colour: (3, H, W) float32; values outside of 0..1 are clipped.
        pixel: the format to return.
        scale, offset, transfer: as in `Planes`.

    Returns:
        (H, W, C) of that format. Integers are rounded to the nearest; gray is the mean of the three planes.
    """
    values: NDArray[np.floating[Any]] = colour.transpose(1, 2, 0).clip(0, 1)
    if pixel.colours == 1:
        values = values.mean(axis=2, keepdims=True, dtype=np.float32)
    if (scale, offset) != (1.0, 0.0):
        values = values.astype(np.float64) * scale + offset
    if transfer == "linear":
        values = decode(values)
    pixels = np.empty((*values.shape[:2], pixel.channels), pixel.dtype)
    pixels[:, :, : pixel.colours] = to_values(values, pixel)
    if pixel.has_alpha:
        pixels[:, :, -1] = pixel.white
    return pixels


def to_values(fractions: NDArray[np.floating[Any]], pixel: PixelFormat) -> Pixels:
    """Fractions of white to the numbers of a format, integers rounded to the nearest and kept in range."""
    if not pixel.is_float:
        fractions = np.rint(fractions * fractions.dtype.type(pixel.white)).clip(0, pixel.white)
    return fractions.astype(pixel.dtype)
