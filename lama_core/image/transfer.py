"""How a picture's numbers stand for light.

In a *perceptual* picture they follow a curve like sRGB's, as most files have it and as networks are trained
on; in a *linear* one they are in proportion to the light itself. Which colours red, green and blue are does
not matter here and is never changed.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating[Any])

WHITE_SLOPE: Final = 1.055 / 2.4
"""The curve's slope at white, where it goes on as a logarithm."""


def encode(linear: NDArray[Real]) -> NDArray[Real]:
    """From linear light to perceptual numbers, in the same type and shape.

    sRGB's curve (IEC 61966-2-1) from 0 to 1. Above 1 it goes on as a logarithm of the same slope, so that a
    sky ten times as bright as white is at 2 and not at 2.6; below 0 it is mirrored, as numbers are that lie
    outside of the colours that their red, green and blue can mix.
    """
    size = np.abs(linear)
    dark = size * 12.92
    middle = 1.055 * np.minimum(size, 1) ** (1 / 2.4) - 0.055
    bright = 1 + WHITE_SLOPE * np.log(np.maximum(size, 1))
    encoded = np.where(size <= 0.0031308, dark, np.where(size <= 1, middle, bright))
    signed: NDArray[Real] = np.copysign(encoded, linear).astype(linear.dtype, copy=False)
    return signed


def decode(perceptual: NDArray[Real]) -> NDArray[Real]:
    """From perceptual numbers to linear light, in the same type and shape: the inverse of `encode`."""
    size = np.abs(perceptual)
    dark = size / 12.92
    middle = ((np.minimum(size, 1) + 0.055) / 1.055) ** 2.4
    with np.errstate(over="ignore"):
        bright = np.exp((np.maximum(size, 1) - 1) / WHITE_SLOPE)
    decoded = np.where(size <= 0.04045, dark, np.where(size <= 1, middle, bright))
    signed: NDArray[Real] = np.copysign(decoded, perceptual).astype(perceptual.dtype, copy=False)
    return signed
