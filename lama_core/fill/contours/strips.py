"""Strips of the picture along contours, continued through the hole.

What is on and beside a contour is taken from the contour itself outside of the hole, mirrored at its end:
the same line, with the same texture along it. In the middle the strip from one end goes over into that from
the other one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lama_core.fill.common.progress import Progress
from lama_core.fill.common.sampling import Reals, sample
from lama_core.fill.contours.bars import Edge, edges_of_bars
from lama_core.fill.contours.ends import WIDEST, ContourEnds, Places, left_of, normals_of
from lama_core.fill.contours.pairing import STEP, Connection, resampled
from lama_core.image.pixels import Floats, Mask

NARROWEST = 3
"""A strip reaches at least so far to either side of its contour, pixels, and at most as far as colours are
known there. It ends where these hardly change: not inside another line."""

FLAT = 0.02
"""Changes of colour this small, of white a pixel, are none."""

FADE = 3.0
"""Width of the zone over which a strip fades, pixels."""

OUTSIDE = 0.7
"""Of a contour whose colours are alike on one side alone, so much of the other side is drawn, pixels."""

IN_FRONT = 0.1
"""Such a contour is that of a thing in front, and so much nearer than it is beside others."""

OTHER = 0.6
"""Colours that differ so much from the mean along a contour, as a share of its contrast, are not its own."""

OTHER_BAR, TEXTURE = 0.25, 0.08
"""The same share where bars cross, whose contrast may be small beside it; and the contrast of texture."""

AROUND = 4
"""The nearest place of a curve is looked for among so many before and behind the one that is near."""

FAR = 1e4
"""More than any distance from a contour, and than there are bars: what is nearer by it is in front."""

TRANSITION = 6.0
"""Length of the transition between the strips of both ends, pixels."""


def paint_strips(
    colour: Floats,
    unknown: Mask,
    ends: ContourEnds,
    connections: Sequence[Connection],
    factor: int,
    progress: Progress,
) -> tuple[Floats, Floats]:
    """Draw contours.

    Args:
        colour: (3, H, W) float32 in 0..1.
        unknown: (H, W), True in the hole.
        ends: of contours, found in the picture at 1 / `factor` of its size.
        connections: of these ends, at the same scale.
        factor: 1 or more.
        progress: asked before each contour whether to go on.

    Returns:
        (3, H, W) float32, colours; and (H, W), how much they count, 0 to 1.
    """
    strips = _Strips(colour, unknown, ends, factor)
    for connection, edge in zip(connections, edges_of_bars(ends, connections), strict=True):
        progress.check()
        strips.paint(connection, edge)
    return strips.picture, strips.cover


class _Strips:
    """A picture in which strips are drawn; of each pixel it shows what the nearest contour says."""

    def __init__(self, colour: Floats, unknown: Mask, ends: ContourEnds, factor: int) -> None:
        self.picture: Floats = np.zeros_like(colour)
        self.cover: Floats = np.zeros(unknown.shape, np.float32)
        self._distance: Floats = np.full(unknown.shape, np.inf, np.float32)
        self._colour, self._unknown, self._ends, self._factor = colour, unknown, ends, factor
        self._hole: Floats = unknown[None].astype(np.float32)

    def paint(self, connection: Connection, edge: Edge) -> None:
        """Draw one contour, and the bar that it is an edge of in front of all that is none."""
        factor, (one, other) = self._factor, connection.ends
        curve = resampled((connection.curve + 0.5) * factor - 0.5)
        row, column, nearest = _pixels_beside(curve, self._unknown, (WIDEST + FADE) * factor)
        if not len(row):
            return
        along, beside = _curve_coordinates(curve, row, column, nearest)
        distance = np.abs(beside)
        if not all(connection.sides):
            distance *= IN_FRONT
        weight = self._weights(connection, beside)
        within = np.zeros(len(row), np.bool_)
        if edge.side:
            inside = beside * edge.side
            weight[inside > (edge.half + 0.5) * factor] = 0
            within = inside >= 0
            distance[within] = edge.depth + distance[within] / FAR - FAR
            within &= weight > 0
        nearer = (weight > 0) & (distance < self._distance[row, column])
        row, column, distance, weight = row[nearer], column[nearer], distance[nearer], weight[nearer]
        within = within[nearer]
        along, beside = along[nearer], beside[nearer]
        length = (len(curve) - 1) * STEP
        along = along.clip(0, length)
        first, there = self._unrolled(one, along, beside, bool(edge.side))
        last, there_too = self._unrolled(other, length - along, -beside, bool(edge.side))
        # The tone goes over all along, so that both strips have the same in the middle.
        tone, part = self._tones(one, other, beside), along / length
        first, last = first + tone * part, last - tone * (1 - part)
        share = ((along - length / 2) / min(TRANSITION * factor, length) + 0.5).clip(0, 1)
        share = np.where(there & there_too, share, there_too)
        usable = there | there_too
        colours = first + (last - first) * share
        # A bar is whole even where another one crosses it outside of the hole.
        hidden = within & ~usable
        colours[:, hidden] = self._means(one, other, beside, part)[:, hidden]
        usable |= hidden
        row, column = row[usable], column[usable]
        self._distance[row, column] = distance[usable]
        self.picture[:, row, column] = colours[:, usable]
        self.cover[row, column] = np.maximum(self.cover[row, column], weight[usable])

    def _unrolled(self, end: int, along: Reals, beside: Reals, of_bar: bool) -> tuple[Reals, Mask]:
        """What is beside a contour, mirrored at the hole.

        Args:
            end: of the contour.
            along: (N,) how far into the hole, pixels.
            beside: (N,) how far to the right of who looks into it.
            of_bar: whether it is an edge of a bar.

        Returns:
            Colours (3, N), and where they can be used.
        """
        ends, factor = self._ends, self._factor
        path = ends.paths[end][: ends.lengths[end] + 1]
        longest, number = len(path) - 1, np.arange(len(path))
        back = longest - np.abs(longest - along / factor % (2 * longest))
        normals = normals_of(path[None])[0]
        place, normal = (
            np.stack([np.interp(back, number, values[:, axis]) for axis in (0, 1)], axis=-1)
            for values in (path, normals)
        )
        places = (place + 0.5) * factor - 0.5 - normal * beside[:, None]
        last = np.array(self._unknown.shape) - 1
        there = ((places >= 0) & (places <= last)).all(axis=-1) & (sample(self._hole, places)[0] == 0)
        colours = sample(self._colour, places)
        # Another contour that crosses this one outside of the hole does not belong to it.
        across = (beside / factor + WIDEST).round().astype(np.intp).clip(0, 2 * WIDEST)
        unlike = np.abs(colours - ends.profiles[end][across].T).max(axis=0)
        contrast = float(ends.contrasts[end])
        most = min(OTHER * contrast, max(OTHER_BAR * contrast, TEXTURE)) if of_bar else OTHER * contrast
        there &= (unlike <= most) | (ends.known[end][across] <= 0.5)
        return colours, there

    def _means(self, one: int, other: int, beside: Reals, part: Reals) -> Floats:
        """The mean colours at a distance from a contour, (3, N): from the one end to the other one."""
        across = (beside / self._factor + WIDEST).round().astype(np.intp).clip(0, 2 * WIDEST)
        first, last = self._ends.profiles[one][across].T, self._ends.profiles[other][::-1][across].T
        return np.asarray(first + (last - first) * part, np.float32)

    def _tones(self, one: int, other: int, beside: Reals) -> Reals:
        """By how much it is brighter at the other end: (3, N)."""
        ends = self._ends
        difference = ends.profiles[other][::-1] - ends.profiles[one]
        known = np.minimum(ends.known[other][::-1], ends.known[one])
        weight = np.where(known > 0.5, known, 1e-6)[:, None]
        left, right = (
            (difference[part] * weight[part]).sum(axis=0) / weight[part].sum()
            for part in (slice(0, WIDEST), slice(WIDEST + 1, None))
        )
        side = (0.5 + beside / (2 * self._factor)).clip(0, 1)
        return np.asarray(left[:, None] * (1 - side) + right[:, None] * side)

    def _weights(self, connection: Connection, beside: Reals) -> Reals:
        """(N,): how much a strip counts, by the distance from its contour."""
        first, last = (self._ends.profiles[end] for end in connection.ends)
        change = np.abs(np.diff(first, axis=0)).max(axis=-1) + np.abs(np.diff(last[::-1], axis=0)).max(
            axis=-1
        )
        reach = np.where(beside < 0, _flat_until(change[::-1]), _flat_until(change)) + FADE
        weight = (reach - np.abs(beside) / self._factor) / FADE
        for alike, outside in zip(connection.sides, (-beside, beside), strict=True):
            if not alike:
                weight[outside > OUTSIDE * self._factor] = 0
        return np.asarray(weight.clip(0, 1))


def _flat_until(change: Reals) -> int:
    """The farthest place on the right of a contour where colours hardly change, pixels from it."""
    steps = change[WIDEST + NARROWEST - 1 :]
    around = np.maximum(steps[:-1], steps[1:])  # the steps before each place and behind it
    return NARROWEST + int(np.flatnonzero(around <= 1.5 * around.min() + FLAT)[-1])


def _curve_coordinates(curve: Reals, row: Places, column: Places, nearest: Places) -> tuple[Reals, Reals]:
    """How far along a curve pixels are, and how far to the right of it.

    Args:
        curve: (P, 2), places `STEP` apart.
        row, column: (N,), of pixels.
        nearest: (N,), numbers of the places nearest to them.
    """
    tangents = np.gradient(curve, axis=0)
    tangents /= np.maximum(np.linalg.norm(tangents, axis=-1, keepdims=True), 1e-6)
    from_place = np.stack((row, column), axis=-1) - curve[nearest]
    along = nearest * STEP + (from_place * tangents[nearest]).sum(axis=-1)
    return along, -(from_place * left_of(tangents[nearest])).sum(axis=-1)


def _pixels_beside(curve: Reals, unknown: Mask, width: float) -> tuple[Places, Places, Places]:
    """Rows and columns of the hole's pixels so near to a curve, and the number of its nearest place."""
    # What normals of the curve pass by, and of each pixel the nearest of these.
    few = curve[::2]
    normals = left_of(np.gradient(few, axis=0)) if len(few) > 1 else np.zeros_like(few)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-6)
    steps = np.arange(-width, width + STEP, STEP)
    steps = steps[np.abs(steps).argsort(kind="stable")]
    row, column = np.moveaxis((few + steps[:, None, None] * normals).round().astype(np.intp), -1, 0)
    inside = (row >= 0) & (row < unknown.shape[0]) & (column >= 0) & (column < unknown.shape[1])
    inside[inside] = unknown[row[inside], column[inside]]
    _pixels, first = np.unique((row * unknown.shape[1] + column)[inside], return_index=True)
    number = np.broadcast_to(np.arange(0, len(curve), 2), row.shape)
    row, column, nearest = row[inside][first], column[inside][first], number[inside][first]
    tried = (nearest[:, None] + np.arange(-AROUND, AROUND + 1)).clip(0, len(curve) - 1)
    squares = (row[:, None] - curve[tried, 0]) ** 2 + (column[:, None] - curve[tried, 1]) ** 2
    best = squares.argmin(axis=1)
    return row, column, tried[np.arange(len(row)), best]
