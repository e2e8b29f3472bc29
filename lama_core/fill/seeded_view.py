"""The view of a window that a seed gives: another one, which the network fills in another way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import Floats, Mask

MAX_TRIM = 1 / 6
"""At most this share of a window's side is left out at either end ..."""
MIN_KNOWN = 24
"""... and this much of what is known stays around the hole, pixels."""

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededView:
    """A view of a window: a part of it that holds all of the hole, flipped or not, at some scale.

    Attributes:
        top, bottom, left, right: the part, bottom and right exclusive.
        flip: whether left and right change places.
        halvings: how often the window is halved, at least, for the coarse pass of `balanced`.
    """

    top: int
    bottom: int
    left: int
    right: int
    flip: bool
    halvings: int

    @classmethod
    def of(cls, unknown: Mask, seed: int) -> SeededView:
        """The view for a seed: the window itself for 0, the same one for the same seed always.

        Args:
            unknown: (H, W), True in the hole, of at least one pixel.
            seed: 0 or more.
        """
        height, width = unknown.shape
        if seed == 0:
            return cls(top=0, bottom=height, left=0, right=width, flip=False, halvings=0)
        rng = np.random.default_rng(seed)
        top, bottom = _trimmed(np.flatnonzero(unknown.any(axis=1)), height, rng)
        left, right = _trimmed(np.flatnonzero(unknown.any(axis=0)), width, rng)
        # An odd seed flips: the first other try is as different as can be.
        return cls(
            top=top,
            bottom=bottom,
            left=left,
            right=right,
            flip=seed % 2 == 1,
            halvings=int(rng.integers(0, 2)),
        )

    def apply(self, values: NDArray[Kind]) -> NDArray[Kind]:
        """The view of (..., H, W)."""
        part = values[..., self.top : self.bottom, self.left : self.right]
        seen: NDArray[Kind] = np.ascontiguousarray(part[..., ::-1] if self.flip else part)
        return seen

    def undo(self, filled: Floats, colour: Floats) -> Floats:
        """The window, (3, H, W), with a filled view in its place."""
        if self.flip:
            filled = filled[..., ::-1]
        if filled.shape == colour.shape:
            return np.ascontiguousarray(filled)
        whole: Floats = colour.copy()
        whole[..., self.top : self.bottom, self.left : self.right] = filled
        return whole


def _trimmed(at: NDArray[np.intp], length: int, rng: np.random.Generator) -> tuple[int, int]:
    """A stretch of an axis without some of what is known at its ends: begin and end.

    `at` is where the hole is, at least one place, in ascending order.
    """
    longest = round(MAX_TRIM * length)
    begin, end = (
        int(rng.integers(0, max(0, min(longest, room - MIN_KNOWN)) + 1))
        for room in (int(at[0]), length - 1 - int(at[-1]))
    )
    return begin, length - end
