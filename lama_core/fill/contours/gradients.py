"""Colour gradients of a picture at places between its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lama_core.fill.common.filters import gaussian_blur
from lama_core.fill.common.sampling import Reals, sample
from lama_core.image.pixels import Floats

SIGMA = 1.2
"""Standard deviation of the Gaussian before gradients are taken, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """Of a smoothed picture.

    Attributes:
        down, across: (3, H, W) float32, derivatives along columns and rows, a pixel.
    """

    down: Floats
    across: Floats

    @classmethod
    def of(cls, image: Tensor) -> Gradients:
        """Of (3, H, W) float32."""
        smooth = gaussian_blur(image, SIGMA).numpy()
        down, across = np.gradient(smooth, axis=(1, 2))
        return cls(down=np.ascontiguousarray(down), across=np.ascontiguousarray(across))

    def at(self, places: Reals) -> tuple[Floats, Floats]:
        """(..., 2), row and column, to two of (3, ...): derivatives down and across."""
        return sample(self.down, places), sample(self.across, places)


def edge_of(down: Floats, across: Floats) -> tuple[Floats, Floats]:
    """The strongest edge that colour gradients make (Di Zenzo, 1986).

    Args:
        down, across: (3, ...) derivatives.

    Returns:
        Strength (...), the derivative across the edge; and its unit normal (..., 2), row and column, of
        either sign.
    """
    rows, columns = (down * down).sum(axis=0), (across * across).sum(axis=0)
    both = (down * across).sum(axis=0)
    angle = np.arctan2(2 * both, rows - columns) / 2
    largest = (rows + columns + np.hypot(rows - columns, 2 * both)) / 2
    return np.sqrt(largest), np.stack((np.cos(angle), np.sin(angle)), axis=-1)
