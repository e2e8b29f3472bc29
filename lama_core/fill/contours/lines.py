"""Straight edges that the picture shows on both sides of the hole, each found as one line.

Where lines cross each other in the hole, or one hides another beside it, ends of contours say too little
about which belongs to which. But a line that is fitted to what is seen of it on both sides is exact to a
fraction of a pixel: that two edges lie on one line by chance is all but impossible. They are found by a
Hough transform (Duda and Hart, 1972).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lama_core.fill.common.sampling import Reals, sample
from lama_core.fill.contours.ends import (
    LEAST_STRENGTH,
    LONGEST,
    NEAREST,
    PROFILED,
    ContourEnds,
    Places,
    described,
    left_of,
)
from lama_core.fill.contours.gradients import Gradients, edge_of
from lama_core.fill.contours.pairing import MOST_CONNECTIONS, STEP, Connection, colour_costs, sides_of
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats, Mask

AROUND = 96
"""Edges are looked at so far around the hole, pixels."""

ANGLES = 540
SPREAD = 6
"""Normals of a whole turn are counted in so many bins, and each edge in so many beside its own."""

WIDTH = 1.5
"""Distances from the hole's middle are counted in bins so wide, pixels; two that are beside each other make
one count, so that no line is divided between two."""

LEAST_COUNTED, MOST_TRIED = 8, 200
"""Lines with so many edges on either side of the hole's middle are looked at closely, and so many of them."""

SAME_LINE = (2.5, 1.6, 1.2, 1.2)
SAME_NORMAL = 0.14
"""How far edges may be from their line, pixels, each time that it is fitted to those found anew, and how far
their normals from its own, radians."""

LEAST_SEEN = 16
SEEN_WITHIN = 72
"""A line is seen on so many pixels within so many beside the hole, at either side."""

MOST_HIDDEN, LEAST_SHARE = 40, 0.55
"""It is seen first so near to the hole, pixels, and from there on so much of it: windows above each other
have edges on one line too, but that is no line."""

BESIDE = 0.25
"""The middle of either half of what is seen on one side is so near to the line, pixels, or it is a curve."""

SAME_COLOURS, SAME_STRENGTH = 0.7, 0.35
"""Least cosine of the colours' gradients on both sides, and least share of the stronger one."""

LIKE = 6.0
"""The most that the colours of both sides may cost (`pairing.colour_costs`)."""

SHORTEST = 3.0
"""Lines are drawn where they are longer than this in the hole, pixels."""

SAME_PLACE = 2.5
"""Lines of the same colours whose ends are nearer to each other than this, pixels, are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """Places of edges, from the hole's middle.

    Attributes:
        places: (N, 2) float32.
        normals: (N, 2), unit vectors to the brighter side.
        down, across: (3, N), derivatives of the colours.
        middle: (2,), of the hole.
        radius: of a circle around the hole, pixels.
    """

    places: Reals
    normals: Reals
    down: Floats
    across: Floats
    middle: Reals
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crossing:
    """A line through the hole.

    Attributes:
        ends: (2, 2), where it enters and leaves the hole.
        direction: (2,), from the first to the second.
        colours: (3,), how they change across it.
        seen: (2, `LONGEST` + 1), how far from either end it is seen, pixels.
        strength: derivative across it where it is weaker.
        pixels: on how many it is seen, on the side where it is fewer.
    """

    ends: Reals
    direction: Reals
    colours: Reals
    seen: Mask
    strength: float
    pixels: int


def find_lines(
    image: Floats, unknown: Mask, distance: Floats, gradients: Gradients
) -> tuple[ContourEnds, list[Connection]] | None:
    """Find the straight edges that a hole interrupts.

    Args:
        image: (3, H, W) float32 in 0..1, smooth in the hole.
        unknown: (H, W), True in the hole.
        distance: (H, W), from it, pixels.
        gradients: of the image.

    Returns:
        Their ends, and what joins these, the longest seen first; None where there are none.
    """
    edges = _edges_around(unknown, distance, gradients)
    crossings: list[_Crossing] = []
    for angle, offset in _likely_lines(edges):
        for crossing in _crossings(edges, angle, offset, unknown):
            if not any(_is_same(crossing, before) for before in crossings):
                crossings.append(crossing)
    crossings = sorted(crossings, key=lambda one: -one.pixels)[:MOST_CONNECTIONS]
    return _joined(crossings, image, distance) if crossings else None


def _edges_around(unknown: Mask, distance: Floats, gradients: Gradients) -> _Edges:
    """Where edges are strongest across themselves."""
    part = rows, columns = bounding_slices(unknown, AROUND)
    strength, normal = edge_of(gradients.down[:, rows, columns], gradients.across[:, rows, columns])
    likely = (strength >= LEAST_STRENGTH) & (distance[part] >= NEAREST)
    likely[:2] = likely[-2:] = False
    likely[:, :2] = likely[:, -2:] = False
    row, column = np.nonzero(likely)
    places = np.stack((row, column), axis=-1).astype(np.float32)
    here, normals = strength[likely], normal[likely].astype(np.float32)
    before, behind = (sample(strength[None], places + side * normals)[0] for side in (-1, 1))
    top = (here >= before) & (here > behind)
    # The vertex of a parabola through the three.
    bend = np.maximum(2 * here - before - behind, 1e-9)
    places += normals * ((behind - before) / (2 * bend)).clip(-0.5, 0.5)[:, None]
    down, across = (one.sum(axis=0)[part][likely] for one in (gradients.down, gradients.across))
    normals[down * normals[:, 0] + across * normals[:, 1] < 0] *= -1
    row, column = row[top] + part[0].start, column[top] + part[1].start
    corner = np.array([side.start for side in part], np.float32)
    hole = bounding_slices(unknown, 0)
    middle = np.array([(side.start + side.stop - 1) / 2 for side in hole], np.float32)
    return _Edges(
        places=places[top] + corner - middle,
        normals=normals[top],
        down=gradients.down[:, row, column],
        across=gradients.across[:, row, column],
        middle=middle,
        radius=float(np.hypot(*((side.stop - side.start) / 2 for side in hole))),
    )


def _likely_lines(edges: _Edges) -> list[tuple[float, float]]:
    """Angles of normals and distances from the hole's middle of the lines that many edges are on."""
    half = int(np.ceil(edges.radius / WIDTH)) + 1
    shape = (ANGLES, 2 * half + 1)
    own = (np.arctan2(edges.normals[:, 1], edges.normals[:, 0]) * (ANGLES / (2 * np.pi))).astype(np.intp)
    angles = (np.arange(ANGLES) + 0.5) * (2 * np.pi / ANGLES)
    counts = np.zeros(2 * ANGLES * shape[1], np.int64)
    for spread in range(-SPREAD, SPREAD + 1):
        number = (own + spread) % ANGLES
        down, across = np.cos(angles)[number], np.sin(angles)[number]
        column = (
            np.rint((edges.places[:, 0] * down + edges.places[:, 1] * across) / WIDTH).astype(np.intp) + half
        )
        side = edges.places[:, 1] * down - edges.places[:, 0] * across > 0
        inside = (column >= 0) & (column < shape[1])
        flat = ((side * ANGLES + number) * shape[1] + column)[inside]
        counts += np.bincount(flat, minlength=counts.size)
    single = counts.reshape(2, *shape)
    fewer = (single[..., 1:] + single[..., :-1]).min(axis=0)
    height, width = fewer.shape
    padded = np.pad(fewer, 1)
    around = [
        padded[1 + down : 1 + down + height, 1 + across : 1 + across + width]
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    ]
    likely = (fewer >= LEAST_COUNTED) & (fewer >= np.max(around, axis=0))
    row, column = np.nonzero(likely)
    order = np.argsort(-fewer[row, column], kind="stable")[:MOST_TRIED]
    return [(angles[row[at]], (column[at] + 0.5 - half) * WIDTH) for at in order]


def _crossings(edges: _Edges, angle: float, offset: float, unknown: Mask) -> list[_Crossing]:
    """Where a line of about this normal and distance goes through the hole, seen on both sides."""
    for tolerance in SAME_LINE:
        normal = np.array((np.cos(angle), np.sin(angle)), np.float32)
        beside = edges.places @ normal - offset
        mine = np.flatnonzero(np.abs(beside) < tolerance)
        mine = mine[edges.normals[mine] @ normal > np.cos(SAME_NORMAL)]
        if len(mine) < 2 * LEAST_SEEN:
            return []
        slope, shift = np.polyfit(edges.places[mine] @ left_of(normal), beside[mine], 1)
        # The line with this normal turned back by the slope passes through its edges.
        angle, offset = angle - np.arctan(slope), (offset + shift) / np.hypot(1, slope)
    normal = np.array((np.cos(angle), np.sin(angle)), np.float32)
    direction = left_of(normal)
    beside = edges.places[mine] @ normal - offset
    along = edges.places[mine] @ direction
    return _parts(edges, mine, along, beside, normal, offset, unknown)


def _parts(
    edges: _Edges, mine: Places, along: Reals, beside: Reals, normal: Reals, offset: float, unknown: Mask
) -> list[_Crossing]:
    """The parts of a line that are in the hole, where it is seen well enough on both sides.

    Args:
        edges: all edges.
        mine: (N,), which of them are the line's.
        along, beside: (N,), where they are along the line, and how far from it.
        normal, offset: of the line.
        unknown: (H, W), True in the hole.
    """
    start = int(np.floor(along.min()))
    number = np.arange(start, int(np.ceil(along.max())) + 1)
    foot = edges.middle + offset * normal
    places = foot + number[:, None] * left_of(normal)
    row, column = np.moveaxis(places.round().astype(np.intp), -1, 0)
    hole = unknown[row.clip(0, unknown.shape[0] - 1), column.clip(0, unknown.shape[1] - 1)]
    known = np.cumsum(~hole)
    at = (np.rint(along).astype(np.intp) - start).clip(0, len(number) - 1)
    change = np.flatnonzero(np.diff(np.concatenate(([False], hole, [False]))))
    parts = []
    for begin, end in change.reshape(-1, 2):
        if end - begin <= SHORTEST:
            continue
        # What is known beyond another part of the hole counts as well.
        before, behind = known[begin] - known[at], known[at] - known[begin]
        first, last = (
            _seen(edges, mine[where], known_between[where], away[where], beside[where], normal)
            for known_between, away, where in (
                (before, begin - at, at < begin),
                (behind, at - end + 1, at >= end),
            )
        )
        if first is None or last is None:
            continue
        strengths = [float(np.linalg.norm(side.colours)) for side in (first, last)]
        if float(first.colours @ last.colours) < SAME_COLOURS * strengths[0] * strengths[1]:
            continue
        if min(strengths) < SAME_STRENGTH * max(strengths):
            continue
        parts.append(
            _Crossing(
                ends=places[[begin, end - 1]],
                direction=left_of(normal),
                colours=first.colours + last.colours,
                seen=np.stack((first.where, last.where)),
                strength=min(strengths),
                pixels=min(first.pixels, last.pixels),
            )
        )
    return parts


class _Side(NamedTuple):
    """What is seen of a line on one side of the hole."""

    colours: Floats
    """(3,), the mean derivative of the colours across it."""
    where: Mask
    """(`LONGEST` + 1,), how far from the hole it is, pixels."""
    pixels: int
    """On how many it is seen."""


def _seen(
    edges: _Edges, mine: Places, known_between: Places, away: Places, beside: Reals, normal: Reals
) -> _Side | None:
    """What is seen of a line on one side of the hole, if that is enough.

    Args:
        edges: all edges.
        mine: (N,), which of them are the line's.
        known_between, away: (N,), how many known pixels, and how many in all, are between them and the hole.
        beside: (N,), how far they are from the line, pixels.
        normal: of the line.
    """
    near = known_between <= SEEN_WITHIN
    pixels = np.unique(known_between[near])
    if len(pixels) < LEAST_SEEN:
        return None
    further = known_between[near] > np.median(pixels)
    if max(abs(float(beside[near][half].mean())) for half in (further, ~further)) > BESIDE:
        return None
    where = np.zeros(LONGEST + 1, np.bool_)
    where[away[near & (away <= LONGEST)]] = True
    distances = np.flatnonzero(where)
    if len(distances) < LEAST_SEEN // 2 or distances[0] > MOST_HIDDEN:
        return None
    if len(distances) < LEAST_SHARE * (distances[-1] - distances[0] + 1):
        return None
    down, across = edges.down[:, mine[near]].mean(axis=1), edges.across[:, mine[near]].mean(axis=1)
    return _Side(colours=down * normal[0] + across * normal[1], where=where, pixels=len(pixels))


def _is_same(one: _Crossing, other: _Crossing) -> bool:
    """Whether two lines are one that was found twice."""
    turned = one.direction @ other.direction < 0
    ends = other.ends[::-1] if turned else other.ends
    near = np.linalg.norm(one.ends - ends, axis=-1).max() < SAME_PLACE
    return bool(near and one.colours @ other.colours > 0)


def _joined(
    crossings: list[_Crossing], image: Floats, distance: Floats
) -> tuple[ContourEnds, list[Connection]] | None:
    """The ends of lines, and what joins them, where what is beside them is alike at both."""
    inwards = np.concatenate([(one.direction, -one.direction) for one in crossings]).astype(np.float32)
    places = np.concatenate([one.ends for one in crossings]).astype(np.float32)
    back = np.arange(LONGEST + 1, dtype=np.float32)
    seen = np.concatenate([one.seen for one in crossings])
    nearest = seen.argmax(axis=1)
    ends, distinct = described(
        image,
        distance,
        seen & (seen.cumsum(axis=1) <= PROFILED),
        places=places,
        directions=inwards,
        paths=places[:, None] - back[None, :, None] * inwards[:, None],
        lengths=LONGEST + 1 - seen[:, ::-1].argmax(axis=1),
        strengths=np.repeat([one.strength for one in crossings], 2),
        unseen=np.where(nearest <= NEAREST + 1, 0, nearest),
    )
    costs, alike = colour_costs(ends)
    kept = [
        number
        for number in range(0, len(ends), 2)
        if distinct[number : number + 2].all() and costs[number, number + 1] <= LIKE
    ]
    if not kept:
        return None
    connections = [
        Connection(
            ends=(2 * new, 2 * new + 1),
            curve=_straight(*places[old : old + 2]),
            sides=sides_of(alike[old, old + 1]),
            cost=0.0,
        )
        for new, old in enumerate(kept)
    ]
    which = np.zeros(len(ends), np.bool_)
    which[kept] = which[[number + 1 for number in kept]] = True
    return ends.those(which), connections


def _straight(start: Reals, end: Reals) -> Reals:
    count = max(2, round(float(np.linalg.norm(end - start)) / STEP) + 1)
    return np.linspace(start, end, count, dtype=np.float32)
