"""Whether what the picture shows goes on through the hole: edges of a fill beside those of the truth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lama_core.research.evaluation.metrics import Hole, Picture
from lama_core.research.evaluation.structures.edges import TOLERANCE, Edges

RIM = 4
"""Edges this near to the hole's boundary, pixels, do not count: known pixels beside it make them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """How the edges of a fill are like those of the truth."""

    recall: float
    """The share of the truth's edges across the hole that the fill has, within 2 pixels."""
    precision: float
    """The share of the fill's edges that the truth has."""

    @property
    def f1(self) -> float:
        """The harmonic mean of both, 0 to 1."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0

    @property
    def broken(self) -> float:
        """The share of the truth's edges that do not go on."""
        return 1 - self.recall

    @property
    def invented(self) -> float:
        """The share of the fill's edges that are not the truth's."""
        return 1 - self.precision


class Structure:
    """The edges of a scene that cross its hole, to judge fills by."""

    def __init__(self, clean: Picture, hole: Hole) -> None:
        """Find them.

        Args:
            clean: (H, W, 3) uint8, the truth without noise and texture: all its edges are structure.
            hole: (H, W) bool.
        """
        self._edges = Edges.of(clean)
        inner = cv2.distanceTransform(np.pad(hole, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        self._inside = inner[1:-1, 1:-1] > RIM
        self._crossing = _crossing(self._edges.are(), hole) & self._inside

    @property
    def length(self) -> int:
        """Of the edges that cross the hole, pixels."""
        return int(self._crossing.sum())

    def judge(self, filled: Picture) -> Continuation | None:
        """What has become of the edges in a fill, (H, W, 3) uint8; None where none cross the hole."""
        if not self.length:
            return None
        edges = Edges.of(filled)
        theirs = edges.are() & self._inside
        return Continuation(
            recall=float(self._edges.found_in(edges)[self._crossing].mean()),
            precision=float(edges.found_in(self._edges)[theirs].mean()) if theirs.any() else 1.0,
        )


def _crossing(edges: Hole, hole: Hole) -> Hole:
    """Those edges in the hole that hang together, inside of it, with one at its boundary."""
    kernel = np.ones((2 * TOLERANCE + 1,) * 2, np.uint8)
    near = cv2.dilate(hole.astype(np.uint8), kernel) > 0
    # At corners and crossings edges break off for a pixel.
    joined = cv2.dilate((edges & near).astype(np.uint8), np.ones((3, 3), np.uint8))
    _count, labels = cv2.connectedComponents(joined, connectivity=8)
    outside = np.unique(labels[edges & near & ~hole])
    return np.asarray(edges & hole & np.isin(labels, outside[outside > 0]))
