"""Pictures with edges through their centre, and holes there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import Floats, Mask

HEIGHT, WIDTH = 200, 240
CENTRE = (100.0, 120.0)


def offsets_from(angle: float, height: int = HEIGHT, width: int = WIDTH) -> Floats:
    """(H, W): how far each pixel is from a line through the centre, to its one side."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    row, column = CENTRE[0] * height / HEIGHT, CENTRE[1] * width / WIDTH
    return np.asarray(np.sin(angle) * (x - column) - np.cos(angle) * (y - row), np.float32)


def grainy(gray: Floats | NDArray[np.float64]) -> Floats:
    """(H, W) as a picture (3, H, W), with a little noise."""
    noise = np.random.default_rng(3).normal(0, 0.01, (3, *gray.shape))
    return np.asarray((gray + noise).clip(0, 1), np.float32)


def smooth_step(offsets: Floats) -> Floats:
    """From 0 to 1 within two pixels around 0."""
    return np.asarray((offsets / 2 + 0.5).clip(0, 1), np.float32)


def disc(radius: float, height: int = HEIGHT, width: int = WIDTH) -> Mask:
    y, x = np.mgrid[0:height, 0:width]
    row, column = CENTRE[0] * height / HEIGHT, CENTRE[1] * width / WIDTH
    return np.asarray((y - row) ** 2 + (x - column) ** 2 < radius**2)
