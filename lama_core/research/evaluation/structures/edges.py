"""Edges of a picture: where its smoothed colours change most, and in which way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lama_core.research.evaluation.metrics import Hole, Picture

SIGMA = 1.5
"""Of the Gaussian, pixels, before gradients are taken: noise and fine texture are no edges."""

CONTRAST = 8.0
"""From this gradient on, levels of 255 a pixel in the smoothed picture, there is an edge: a step of 30."""

SAME_CONTRAST = 0.5
"""An edge goes on where the other picture has this share of its gradient, or more."""

SAME_DIRECTION = 0.7
"""The least cosine between two gradients, over both directions and all channels, of one and the same edge."""

TOLERANCE = 2
"""Pixels between an edge and the place where it is found."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges of a picture.

    Attributes:
        gradient: (H, W, 6), across and down, of three channels.
        strength: (H, W), the root of the mean square over channels of the gradient's length.
        ridge: (H, W) bool: the strength is largest here along the direction in which it changes most.
    """

    gradient: Floats
    strength: Floats
    ridge: Hole

    @classmethod
    def of(cls, picture: Picture) -> Edges:
        """Find them in a picture, (H, W, 3) uint8."""
        smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), SIGMA, borderType=cv2.BORDER_REFLECT)
        across, down = (
            np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1 - axis, axis, ksize=1, scale=0.5), np.float32)
            for axis in (0, 1)
        )
        gradient = np.concatenate([across, down], axis=2)
        strength = np.sqrt(np.square(gradient).sum(axis=2) / 3)
        return cls(gradient, strength, _ridge(across, down, strength))

    def are(self, weakest: float = CONTRAST) -> Hole:
        """Where there are edges at least as strong as this: (H, W) bool."""
        return np.asarray(self.ridge & (self.strength >= weakest))

    def found_in(self, other: Edges) -> Hole:
        """Which places have, within `TOLERANCE` pixels, an edge of another picture that is like their own.

        Args:
            other: edges of a picture of the same size.

        Returns:
            (H, W) bool.
        """
        found = np.zeros(self.ridge.shape, bool)
        for here, there in _neighbours(self.ridge.shape):
            strength, others = self.strength[here], other.strength[there]
            product = (self.gradient[here] * other.gradient[there]).sum(axis=2) / 3
            alike = (others >= SAME_CONTRAST * strength) & (product >= SAME_DIRECTION * strength * others)
            found[here] |= other.ridge[there] & alike
        return found


def _ridge(across: Floats, down: Floats, strength: Floats) -> Hole:
    """Where strength is largest along the direction, of four, in which the channels together change most."""
    xx, yy, xy = ((a * b).sum(axis=2) for a, b in ((across, across), (down, down), (across, down)))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    sector = np.round(angle / (np.pi / 4)).astype(int) % 4
    padded = np.pad(strength, 1)
    height, width = strength.shape
    ridge = np.zeros(strength.shape, bool)
    for number, (x, y) in enumerate(((1, 0), (1, 1), (0, 1), (-1, 1))):
        after = padded[1 + y : 1 + y + height, 1 + x : 1 + x + width]
        before = padded[1 - y : 1 - y + height, 1 - x : 1 - x + width]
        ridge |= (sector == number) & (strength > before) & (strength >= after)
    return ridge


def _neighbours(
    shape: tuple[int, ...],
) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """All shifts within `TOLERANCE`: the part of a plane, and of a plane shifted by that, that overlap."""
    height, width = shape
    for y in range(-TOLERANCE, TOLERANCE + 1):
        for x in range(-TOLERANCE, TOLERANCE + 1):
            if x * x + y * y <= TOLERANCE * TOLERANCE:
                here = slice(max(0, -y), height - max(0, y)), slice(max(0, -x), width - max(0, x))
                there = slice(max(0, y), height - max(0, -y)), slice(max(0, x), width - max(0, -x))
                yield here, there
