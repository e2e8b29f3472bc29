"""Which contours are the two edges of one bar, and which bar is in front of which.

Where bars cross each other in the hole one passes in front of the other as a whole. If each pixel showed its
nearest contour, both would end at the crossing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lama_core.fill.common.sampling import Reals
from lama_core.fill.contours.ends import WIDEST, ContourEnds, left_of
from lama_core.fill.contours.pairing import Connection

WIDEST_BAR = 26.0
"""Edges of one bar are at most so far apart, pixels, ..."""

TAPERS = 0.3
"""... and their distance changes by this share of it at most, from one end to the other, or by a pixel."""

COMPARED = np.linspace(0, 1, 5)
"""Where distances of two contours are measured, as shares of their length."""

UNLIKE = 0.5
"""The colours that two edges of a bar have between them differ by this share of their contrast at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """How a contour is part of a bar.

    Attributes:
        side: where the bar is of who goes along the contour: -1 left, 1 right; 0 if it is part of none.
        half: half the width of the bar, pixels.
        depth: how many bars are in front of it.
    """

    side: int = 0
    half: float = 0.0
    depth: int = 0


def edges_of_bars(ends: ContourEnds, connections: Sequence[Connection]) -> list[Edge]:
    """Say of each contour which bar it is an edge of.

    Args:
        ends: of contours at a hole.
        connections: of these ends.
    """
    count = len(connections)
    widths = np.full((count, count), np.inf)
    sides = np.zeros((count, count), np.intp)
    for one in range(count):
        for other in range(count):
            if one != other:
                widths[one, other], sides[one, other] = _between(ends, connections[one], connections[other])
    widths = np.maximum(widths, widths.T)
    unseen = np.array([ends.unseen[list(one.ends)].sum() for one in connections])
    edges = [Edge()] * count
    pairs = []
    for place in np.argsort(widths, axis=None, kind="stable").tolist():
        one, other = divmod(place, count)
        if widths[one, other] == np.inf:
            break
        if edges[one].side == edges[other].side == 0:
            half = float(widths[one, other]) / 2
            edges[one] = Edge(side=int(sides[one, other]), half=half)
            edges[other] = Edge(side=int(sides[other, one]), half=half)
            pairs.append((one, other))
    # What is seen up to the hole is not hidden beside it.
    pairs.sort(key=lambda pair: int(unseen[list(pair)].sum()))
    for depth, pair in enumerate(pairs):
        for number in pair:
            edges[number] = Edge(side=edges[number].side, half=edges[number].half, depth=depth)
    return edges


def _between(ends: ContourEnds, one: Connection, other: Connection) -> tuple[float, int]:
    """How far apart two contours are, and on which side of the first the second is; infinite if no bar."""
    curve, opposite = _sampled(one.curve), _sampled(other.curve)
    turned = bool((curve[-1] - curve[0]) @ (opposite[-1] - opposite[0]) < 0)
    if turned:
        opposite = opposite[::-1]
    tangents = np.gradient(curve, axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=-1, keepdims=True), 1e-6)
    # The ends of both may be at other places of the hole's boundary.
    beside = ((opposite - curve) * left_of(tangents)).sum(axis=-1)
    width = float(np.abs(beside).mean())
    same_side = (beside > 0).all() or (beside < 0).all()
    if not same_side or width > WIDEST_BAR or np.ptp(beside) > max(1.0, TAPERS * width):
        return np.inf, 0
    side = -1 if beside[0] > 0 else 1
    mine = _colours(ends, one, side, width)
    theirs = _colours(ends, other, side if turned else -side, width)
    contrast = ends.contrasts[[*one.ends, *other.ends]].min()
    if np.abs(mine - theirs).max() > UNLIKE * contrast:
        return np.inf, 0
    return width, side


def _sampled(curve: Reals) -> Reals:
    return curve[np.rint(COMPARED * (len(curve) - 1)).astype(np.intp)]


def _colours(ends: ContourEnds, connection: Connection, side: int, width: float) -> Reals:
    """The mean colours on one side of a contour, up to half a bar's width from it: (3,)."""
    reach = int(np.clip(width / 2, 1, WIDEST))
    first, last = (ends.profiles[end] for end in connection.ends)
    right = slice(WIDEST + 1, WIDEST + 1 + reach)
    left = slice(WIDEST - reach, WIDEST)
    # Who comes from the other end has the sides the other way round.
    parts = (first[right], last[left]) if side > 0 else (first[left], last[right])
    return np.asarray(np.concatenate(parts).mean(axis=0))
