"""Translations of a plane that is seen in perspective.

A floor, a wall or a fence looks like itself after a step along it, but in the picture that step is longer
near the camera than far away. With the plane's vanishing line known, 1 + a x + b y = 0, places of the picture
divided by that number are those of the plane up to an affine map, which changes nothing about translations
(Hartley and Zisserman, 2004, "Multiple View Geometry", section 2.7).

Places are (N, 2), x and y, as a share of the picture's longer side, from its middle, so that they mean the
same at every scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lama_core.fill.common.sampling import Reals

NEAREST = 0.15
"""Places nearer to the vanishing line than this are not looked at; the picture's middle is 1 away."""

NOWHERE = 9.0
"""The coordinates of what a translation moves behind the vanishing line: outside of any picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How places lie in a picture of some size.

    Attributes:
        height, width: of the picture, pixels.
    """

    height: int
    width: int

    @property
    def side(self) -> int:
        """The longer side, pixels."""
        return max(self.height, self.width)

    def places(self, pixels: NDArray[np.intp] | Reals) -> Reals:
        """Rows and columns, (N, 2), to places."""
        middle = np.array((self.height - 1, self.width - 1)) / 2
        return np.asarray((pixels.astype(np.float64) - middle)[:, ::-1] / self.side)

    def pixels(self, places: Reals) -> Reals:
        """Places to rows and columns, (N, 2), between pixels too."""
        middle = np.array((self.height - 1, self.width - 1)) / 2
        return np.asarray(places[:, ::-1] * self.side + middle)

    def holds(self, pixels: Reals) -> NDArray[np.bool_]:
        """(N,): which rows and columns are in the picture."""
        last = np.array((self.height - 1, self.width - 1))
        return np.asarray(((pixels >= 0) & (pixels <= last)).all(axis=1))


def depths(places: Reals, vanishing: Reals) -> Reals:
    """(N,): how near to the vanishing line (2,) places are; 1 in the picture's middle, 0 on it."""
    return np.asarray(1 + places @ vanishing)


def rectified(places: Reals, vanishing: Reals) -> Reals:
    """Places of the picture to those of the plane, (N, 2)."""
    return np.asarray(places / depths(places, vanishing)[:, None])


def translated(places: Reals, vanishing: Reals, step: Reals) -> Reals:
    """Where places are seen after a step of the plane.

    Args:
        places: (N, 2).
        vanishing: (2,), the plane's vanishing line.
        step: (2,), along the plane.

    Returns:
        (N, 2); `NOWHERE` for places behind the vanishing line.
    """
    depth = depths(places, vanishing)
    moved = places / np.maximum(depth, NEAREST)[:, None] + step
    back = 1 - moved @ vanishing
    found = moved / np.maximum(back, NEAREST)[:, None]
    found[(depth < NEAREST) | (back < NEAREST)] = NOWHERE
    return np.asarray(found)
