"""Which ends of contours belong together, and the curve between them.

Two ends go on in each other where a short smooth curve joins them and where they have the same colours on
their sides (Cao et al., 2011, "Geometrically guided exemplar-based inpainting", join level lines by Euler
spirals; here cubic Hermite curves do).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lama_core.fill.common.sampling import Reals
from lama_core.fill.contours.ends import (
    LONGEST,
    NEAR,
    NEAREST,
    SAME_DIRECTION,
    SAME_STRENGTH,
    WIDEST,
    ContourEnds,
    Places,
    left_of,
)
from lama_core.fill.contours.gradients import Gradients, edge_of
from lama_core.image.pixels import Floats, Mask

ANGLE = 0.22
"""Angle between an end and the line to the other end that is usual, radians."""

UNSURE = 0.05
"""How exactly the direction of an end is known, radians."""

BESIDE = 1.2
"""How exactly an end's place is known, pixels."""

UNLIKE = 0.16
"""Difference between the colours of two ends that is usual, as a share of the contrast."""

ONE_SIDE = 1.5
"""Colours that are alike on one side alone have to be so much more so."""

SIDES = ((True, True), (True, False), (False, True))
"""Which sides are alike, left and right."""

FAR = 1.5
"""Gaps that are usual, as a multiple of the length over which both ends are seen."""

ENDLESS = 4
"""An end that is seen as far as it is looked at counts as so many times as long."""

UNSEEN = 0.12
"""What a pixel costs over which an end is not seen: what hides it there may be where it ends."""

MOST = 3.2
"""Pairs that cost more do not belong together."""

MOST_CONNECTIONS = 40
"""So many contours are drawn, those that are surest."""

BESIDE_OTHER = 8.0
"""Ends so near to each other, in pixels, may be the two edges of one line."""

MARGIN = 0.4
"""Where an end could as well belong to another one, at a cost that is higher by less than this, it is joined
to none: among parallel lines one cannot tell them apart."""

SHORTEST_GAP = 3.0
"""Ends nearer than this to each other, pixels, are one contour that touches the hole."""

LEAST_INSIDE = 0.5
LEAST_SEEN = 0.6
FEW_OUTSIDE = 8
"""The shares of a curve that must be in the hole; and of the rest of it, where there must be an edge, unless
the rest is no more than so many places: another line may cross there."""

STEP = 0.5
"""Between places of a curve, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A contour through the hole.

    Attributes:
        ends: numbers of its two ends.
        curve: (P, 2) float32, rows and columns from the one to the other, `STEP` apart.
        sides: whether the colours on its left, and on its right, are alike at both ends.
        cost: of the pair, 0 to `MOST`.
    """

    ends: tuple[int, int]
    curve: Reals
    sides: tuple[bool, bool]
    cost: float


def pair_ends(
    ends: ContourEnds,
    joined: Sequence[Connection],
    unknown: Mask,
    distance: Floats,
    gradients: Gradients,
) -> list[Connection]:
    """Join ends of contours.

    Args:
        ends: of contours at a hole.
        joined: some of them, already.
        unknown: (H, W), True in the hole.
        distance: (H, W), from it, pixels.
        gradients: of the picture.

    Returns:
        All connections; each end is part of one at most. The surest are first.
    """
    costs, alike = _costs(ends)
    taken = [end for connection in joined for end in connection.ends]
    costs[taken] = costs[:, taken] = np.inf
    costs[costs + MARGIN > _rivals(costs)] = np.inf
    order = np.argsort(costs, axis=None, kind="stable")
    connections = list(joined)
    free = np.ones(len(ends), np.bool_)
    for place in order.tolist():
        one, other = divmod(place, len(ends))
        cost = float(costs[one, other])
        if cost > MOST or len(connections) >= MOST_CONNECTIONS:
            break
        if not (free[one] and free[other]):
            continue
        if any(_parts_from(ends, one, other, before) for before in connections):
            continue
        curve = _curve(ends, one, other)
        if not _is_possible(curve, ends.strengths[[one, other]].min(), unknown, distance, gradients):
            continue
        free[one] = free[other] = False
        connections.append(
            Connection(ends=(one, other), curve=curve, sides=sides_of(alike[one, other]), cost=cost)
        )
    return connections


def _parts_from(ends: ContourEnds, one: int, other: int, before: Connection) -> bool:
    """Whether a pair begins beside another one, as the other edge of a line does, and ends elsewhere."""
    near = []
    for mine in (one, other):
        theirs = list(before.ends)
        close = np.linalg.norm(ends.places[mine] - ends.places[theirs], axis=-1) < BESIDE_OTHER
        close &= ends.directions[theirs] @ ends.directions[mine] > SAME_DIRECTION
        near.append(bool(close.any()))
    return near[0] != near[1]


def _is_possible(
    curve: Reals, strength: float, unknown: Mask, distance: Floats, gradients: Gradients
) -> bool:
    """Whether a curve is in the hole, and where it is not, an edge of the picture."""
    row, column = (curve.round().astype(np.intp).clip(0, np.array(unknown.shape) - 1)).T
    if unknown[row, column].mean() < LEAST_INSIDE:
        return False
    outside = distance[row, column] >= NEAREST
    if outside.sum() <= FEW_OUTSIDE:
        return True
    tangents = np.gradient(curve, axis=0)[outside]
    tangents /= np.maximum(np.linalg.norm(tangents, axis=-1, keepdims=True), 1e-6)
    steps = np.linspace(-2, 2, 5, dtype=np.float32)
    tried = curve[outside][:, None] + steps[None, :, None] * left_of(tangents)[:, None]
    seen, _normal = edge_of(*gradients.at(tried))
    return bool((seen.max(axis=1) >= SAME_STRENGTH * strength).mean() >= LEAST_SEEN)


def _costs(ends: ContourEnds) -> tuple[Reals, Places]:
    """(N, N), of each pair once, infinite elsewhere; and which sides are alike: 0 both, 1 left, 2 right."""
    chord = ends.places[None] - ends.places[:, None]
    gap = np.linalg.norm(chord, axis=-1)
    towards = chord / np.maximum(gap, 1e-6)[..., None]
    leaving = _angle(ends.directions[:, None], towards)
    arriving = _angle(towards, -ends.directions[None])
    bending = leaving**2 - leaving * arriving + arriving**2
    steep = np.maximum(np.abs(leaving), np.abs(arriving)) > np.pi / 3
    usual = ANGLE**2 + (BESIDE / np.maximum(gap, 1)) ** 2
    geometry = bending / usual
    length = np.where(ends.lengths > LONGEST, ENDLESS, 1) * ends.lengths
    seen = length[:, None] + length[None]
    colours, alike = colour_costs(ends)
    costs = geometry + colours + (gap / (FAR * seen)) ** 2
    costs += UNSEEN * (ends.unseen[:, None] + ends.unseen[None])
    costs[steep | (gap < SHORTEST_GAP)] = np.inf
    costs[np.tril_indices(len(ends))] = np.inf
    return costs, alike


def colour_costs(ends: ContourEnds) -> tuple[Reals, Places]:
    """What it costs that colours of two ends are unlike.

    Returns:
        (N, N), that; and (N, N), the numbers of `sides_of` that say on which sides they are alike.
    """
    both, sides = _unlike(ends)
    # A thing in front of what changes behind it has its own colours on one side.
    alone = ONE_SIDE * sides
    colours = (np.stack((both, *alone)) / UNLIKE) ** 2
    colours[1:] += 0.5
    return colours.min(axis=0), colours.argmin(axis=0)


def sides_of(alike: int) -> tuple[bool, bool]:
    """Which sides are alike, left and right, by the number that `colour_costs` gives them."""
    return SIDES[alike]


def _rivals(costs: Reals) -> Reals:
    """(N, N): of each pair, what the next best pair costs that one of its ends is part of."""
    both = np.minimum(costs, costs.T)
    if len(both) < 3:
        return np.full_like(both, np.inf)
    least, second = np.partition(both, 1, axis=1)[:, :2].T
    others = np.where(both == least[:, None], second[:, None], least[:, None])
    return np.asarray(np.minimum(others, others.T))


def _angle(one: Reals, other: Reals) -> Reals:
    """From one unit vector to another, radians, -pi to pi."""
    return np.asarray(np.arctan2((left_of(one) * other).sum(axis=-1), (one * other).sum(axis=-1)))


def _unlike(ends: ContourEnds) -> tuple[Reals, Reals]:
    """How different the colours of two ends are, as a share of the contrast.

    Returns:
        (N, N), on both sides; and (2, N, N), on the left and on the right of who comes from the first.
    """
    contrast = np.maximum(np.minimum(ends.contrasts[:, None], ends.contrasts[None]), 0.02)
    difference = ends.profiles[:, None] - ends.profiles[None, :, ::-1]
    largest = np.abs(difference).max(axis=-1)
    sides = [
        np.einsum("ijp,p->ij", largest[:, :, part], NEAR[part]) / NEAR[part].sum()
        for part in (slice(0, WIDEST - 1), slice(WIDEST + 2, None))
    ]
    # Light may change from one end to the other.
    difference -= 0.5 * np.einsum("ijpc,p->ijc", difference, NEAR)[:, :, None]
    both = np.einsum("ijp,p->ij", np.abs(difference).max(axis=-1), NEAR)
    return both / contrast, np.stack(sides) / contrast


def _curve(ends: ContourEnds, one: int, other: int) -> Reals:
    """The cubic Hermite curve between two ends: (P, 2)."""
    start, end = ends.places[one], ends.places[other]
    gap = float(np.linalg.norm(end - start))
    count = max(2, round(gap / STEP) + 1)
    at = np.linspace(0, 1, 4 * count)[:, None]
    chord = (end - start) / gap
    first = gap * _towards(ends.directions[one], chord)
    last = gap * _towards(-ends.directions[other], chord)
    curve = (
        (1 + 2 * at) * (1 - at) ** 2 * start
        + at * (1 - at) ** 2 * first
        + at**2 * (3 - 2 * at) * end
        + at**2 * (at - 1) * last
    )
    return resampled(curve)


def _towards(direction: Reals, chord: Reals) -> Reals:
    """A direction turned to another one by as much as it may be wrong."""
    angle = float(_angle(direction, chord))
    turn = min(abs(angle), UNSURE) * (1 if angle > 0 else -1)
    return np.asarray(np.cos(turn) * direction + np.sin(turn) * left_of(direction))


def resampled(curve: Reals) -> Reals:
    """A curve, (P, 2), with places `STEP` apart, about."""
    length = np.concatenate(([0], np.linalg.norm(np.diff(curve, axis=0), axis=1).cumsum()))
    wanted = np.linspace(0, length[-1], max(2, round(length[-1] / STEP) + 1))
    return np.stack([np.interp(wanted, length, curve[:, axis]) for axis in (0, 1)], axis=-1)
