"""A window that takes more memory than a fill may: all of it from further away, then part by part.

The window is halved until it fits, and filled at that size, which says what belongs where. Then its parts
are filled at the picture's own scale, each with that as its large structure. A part sees those before it as
known, so what one shows goes on in the next; their last pixels are filled once more and cross-faded, so that
no two parts meet with a step. Next is always the part that has the most known pixels around it, so parts go
from the hole's edge inwards.

At any time there are in memory the pixels of one part, and, of the whole window, only what is written and a
few masks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client.geometry import MAX_MARGIN, MIN_WINDOW, Rect, Window
from lama_core.client.tiles import TILE_OVERHEAD
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.sampling import magnified
from lama_core.fill.filled_region import FilledRegion
from lama_core.fill.multiscale import Guide, predict_window
from lama_core.fill.plan import TILE_PIXEL_BYTES, FillPlan
from lama_core.fill.window import cut, finished
from lama_core.image.blend import blend_into
from lama_core.image.mask_ops import enclosed_regions, feather, grow
from lama_core.image.pixels import Floats, Mask, Pixels, from_planes, has_colour, to_planes, to_values
from lama_core.model.predictor import Predictor

MIN_PART = 2 * MIN_WINDOW * MIN_WINDOW
"""Pixels that a part may always have: smaller ones would see too little."""

BAND = 1 << 20
"""Pixels that are looked at at a time where all of a window is."""

OVERLAP = 32
"""Pixels over which a part is cross-faded into those before it."""

OPEN_MARGIN = 48
"""Pixels that a part sees beyond what it fills, where nothing is known there."""


def takes_too_much(window: Window, memory: int | None) -> bool:
    """Whether a window is to be filled by parts.

    Args:
        window: as planned.
        memory: bytes that the fill may take; None: as many as it needs.
    """
    return memory is not None and window.rect.area > _most_pixels(memory) + TILE_OVERHEAD


def fill_by_parts(
    predictor: Predictor, plan: FillPlan, window: Window, progress: Progress
) -> FilledRegion | None:
    """Fill a window of a plan whose options name a memory that all of it does not fit into.

    Returns:
        What the window writes; None where nothing in it is known.

    Raises:
        PredictionError: the predictor returned no picture.
        FillCancelled: `progress` said so.
    """
    assert plan.options.memory is not None
    most = _most_pixels(plan.options.memory)
    preparing = progress.part(0.0, 0.05, "preparing")
    preparing.check()
    preparing.report(0.0)
    hole = _Hole.of(plan, window)
    seen, halvings = _from_further_away(plan, window, most)
    far = _fill_from_further_away(predictor, plan, hole, seen, halvings, progress.part(0.05, 0.15, "filling"))
    if far is None:
        return None
    parts = _Parts(plan, window, hole, far)
    left_over = _grid(window.written, most)
    count = len(left_over)
    for number in range(count):
        part = max(left_over, key=lambda each: far.known_in(each.grow(_margin(math.isqrt(most)))))
        left_over.remove(part)
        begin, end = (0.15 + 0.85 * share / count for share in (number, number + 1))
        progress.part(begin, end, "preparing").report(0.0)
        parts.fill(predictor, part, progress.part(begin, end, "filling"))
        far.mark_known(part)
    progress.part(0.0, 1.0, "blending").report(1.0)
    return parts.region


def _most_pixels(memory: int) -> int:
    return max(memory // TILE_PIXEL_BYTES, MIN_PART)


def _from_further_away(plan: FillPlan, window: Window, most: int) -> tuple[Rect, int]:
    """What is looked at at first, and how often it is halved for that: at least once.

    With automatic context it is as many pixels around the hole, counted after that, as any window has.
    """
    halvings = 0
    while True:
        halvings += 1
        seen = window.rect
        if plan.options.context == "auto":
            seen = seen.union(window.hole.grow(MAX_MARGIN << halvings).clipped(plan.mask.canvas))
        if seen.area >> 2 * halvings <= most:
            return seen, halvings


def _grid(written: Rect, most: int) -> list[Rect]:
    """The parts of what is written, row by row."""
    side = math.isqrt(most)
    own = side - 2 * _margin(side)
    columns, rows = -(-written.width // own), -(-written.height // own)
    x = [written.x + written.width * column // columns for column in range(columns + 1)]
    y = [written.y + written.height * row // rows for row in range(rows + 1)]
    return [
        Rect(x[column], y[row], x[column + 1] - x[column], y[row + 1] - y[row])
        for row in range(rows)
        for column in range(columns)
    ]


def _margin(side: int) -> int:
    """How far a part of that side sees beyond what it fills."""
    return min(MAX_MARGIN, side // 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Far:
    """A part of the picture as it looks from further away.

    Attributes:
        rect: in the picture.
        halvings: how often it is halved.
        pixels: (h, w, C), filled.
        is_known: (h, w), True where the picture shows it, or a part that is filled.
    """

    rect: Rect
    halvings: int
    pixels: Pixels
    is_known: Mask

    def _cells(self, rect: Rect) -> Mask:
        """`is_known` in the squares that a rectangle touches."""
        x, y = rect.x - self.rect.x, rect.y - self.rect.y
        columns = slice(max(0, x) >> self.halvings, -(-max(0, x + rect.width) >> self.halvings))
        rows = slice(max(0, y) >> self.halvings, -(-max(0, y + rect.height) >> self.halvings))
        return self.is_known[rows, columns]

    def known_in(self, rect: Rect) -> int:
        """How much of a rectangle is known, in squares."""
        return int(np.count_nonzero(self._cells(rect)))

    def mark_known(self, rect: Rect) -> None:
        """Note that a rectangle is filled."""
        self._cells(rect)[...] = True

    def magnified(self, rect: Rect) -> Floats:
        """(height, width, C): a part of the pixels at its full size, linear between them."""
        cell = 1 << self.halvings
        x, y = rect.x - self.rect.x, rect.y - self.rect.y
        # A pixel more on each side, where there is one.
        left, top = max(0, x // cell - 1), max(0, y // cell - 1)
        right, bottom = (x + rect.width) // cell + 2, (y + rect.height) // cell + 2
        values = self.pixels[top:bottom, left:right].astype(np.float32).transpose(2, 0, 1)
        rows = np.arange(y - top * cell, y - top * cell + rect.height)
        columns = np.arange(x - left * cell, x - left * cell + rect.width)
        large: Floats = magnified(values, cell, rows, columns).transpose(1, 2, 0)
        return large


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hole:
    """The hole of a window, grown, with what it encloses where that is wanted.

    Attributes:
        plan: of the fill.
        window: of the plan.
        islands: (H, W) of the window, what is enclosed; None: nothing.
    """

    plan: FillPlan
    window: Window
    islands: Mask | None

    @classmethod
    def of(cls, plan: FillPlan, window: Window) -> _Hole:
        """Find out what the hole encloses."""
        bare = cls(plan=plan, window=window, islands=None)
        join = plan.options.join_islands
        if join is False or (join is None and plan.options.grow == 0):
            return bare
        rect = window.rect
        inside = np.zeros((rect.height, rect.width), np.bool_)
        size = 0
        for band in _bands(rect, 1):
            hole = bare.inside(band)
            inside[band.y - rect.y : band.bottom - rect.y] = hole >= 1
            size += int(np.count_nonzero(hole >= 0.5))
        islands = enclosed_regions(inside, largest=None if join else size)
        return cls(plan=plan, window=window, islands=islands)

    def inside(self, rect: Rect) -> Floats:
        """(height, width) in 0..1, in a rectangle of the picture."""
        mask, window = self.plan.mask, self.window
        around = rect.grow(window.grow).clipped(mask.canvas)
        hole: Floats = cut(grow(mask.window(around), window.grow), rect.shifted(-around.x, -around.y))
        if self.islands is None:
            return hole
        hole = hole.copy()
        part = rect.intersect(window.rect)
        islands = cut(self.islands, part.shifted(-window.rect.x, -window.rect.y))
        cut(hole, part.shifted(-rect.x, -rect.y))[islands] = 1
        return hole


def _fill_from_further_away(
    predictor: Predictor, plan: FillPlan, hole: _Hole, seen: Rect, halvings: int, progress: Progress
) -> _Far | None:
    """A part of the picture halved, and filled at that size; None where nothing in it is known."""
    small, unknown, source = _reduced(plan, hole, seen, halvings)
    planes = to_planes(small, plan.pixel, unknown, plan.options.transfer)
    if not planes.usable.any():
        return None
    progress.check()
    progress.report(0.0)
    prediction = predict_window(
        predictor, planes.colour, ~planes.usable, plan.options, progress, source=source
    )
    prediction = finished(prediction, planes.colour, ~planes.usable, plan.options)
    filled = from_planes(
        prediction, plan.pixel, scale=planes.scale, offset=planes.offset, transfer=planes.transfer
    )
    np.copyto(filled, small, where=planes.usable[:, :, None])
    return _Far(rect=seen, halvings=halvings, pixels=filled, is_known=planes.usable)


def _reduced(plan: FillPlan, hole: _Hole, seen: Rect, halvings: int) -> tuple[Pixels, Mask, Mask | None]:
    """A part of the picture, the hole in it and what may be copied, all halved; any hole makes a pixel hole.

    A pixel is the mean of those known that it stands for.
    """
    pixel, step = plan.pixel, 1 << halvings
    shape = (-(-seen.height // step), -(-seen.width // step))
    small = np.zeros((*shape, pixel.channels), pixel.dtype)
    unknown = np.zeros(shape, np.bool_)
    source = None if plan.source is None else np.zeros(shape, np.bool_)
    for band in _bands(seen, step):
        rows = slice((band.y - seen.y) // step, -(-(band.bottom - seen.y) // step))
        pixels = cut(plan.picture, band)
        inside = hole.inside(band) > 0
        known = ~inside & has_colour(pixels, pixel)
        count = _sums(known.astype(np.float32), step)[:, :, None]
        kept = np.where(known[:, :, None], pixels, pixel.dtype.type(0)).astype(np.float32)
        mean = _sums(kept, step) / np.maximum(count, 1) / np.float32(pixel.white)
        small[rows] = to_values(mean, pixel)
        if pixel.is_float and not pixel.has_alpha:
            small[rows][count[:, :, 0] == 0] = np.nan  # else it would count as black
        unknown[rows] = _sums(inside.astype(np.float32), step) > 0
        if source is not None and plan.source is not None:
            source[rows] = _sums((plan.source.window(band) < 0.5).astype(np.float32), step) == 0
    return small, unknown, source


def _sums(values: NDArray[Any], step: int) -> NDArray[Any]:
    """The sums of the squares of `step` pixels a side of (H, W, ...)."""
    for axis in (0, 1):
        values = np.add.reduceat(values, np.arange(0, values.shape[axis], step), axis=axis)
    return values


def _bands(rect: Rect, step: int) -> Iterator[Rect]:
    """A rectangle in bands of rows whose heights are multiples of `step`, but for the last."""
    height = max(1, BAND // (rect.width * step)) * step
    for top in range(rect.y, rect.bottom, height):
        yield Rect(rect.x, top, rect.width, min(height, rect.bottom - top))


class _Parts:
    """The parts of a window that are filled one after the other, each seeing those before it."""

    def __init__(self, plan: FillPlan, window: Window, hole: _Hole, far: _Far) -> None:
        self._plan, self._window, self._hole, self._far = plan, window, hole, far
        written = window.written
        shape = (written.height, written.width)
        self._is_done = np.zeros(shape, np.bool_)
        self.region = FilledRegion(
            rect=written, pixels=cut(plan.picture, written).copy(), blend=np.zeros(shape, np.float32)
        )

    def fill(self, predictor: Predictor, part: Rect, progress: Progress) -> None:
        """Fill a rectangle of what the window writes.

        Raises:
            PredictionError, FillCancelled: as `fill_by_parts`.
        """
        progress.check()
        progress.report(0.0)
        options, pixel = self._plan.options, self._plan.pixel
        written = self._window.written
        at = part.shifted(-written.x, -written.y)
        cut(self.region.blend, at)[...] = self._blend(part)
        seen = self._seen(part)
        is_open = self._open(seen, part)
        if is_open.any():
            pixels, unknown = self._look(seen, is_open)
            planes = to_planes(pixels, pixel, np.zeros_like(unknown), options.transfer)
            colour = np.where(unknown, np.float32(0), planes.colour)
            prediction = planes.colour  # all that there is where nothing is known
            if not unknown.all():
                prediction = predict_window(
                    predictor,
                    colour,
                    unknown,
                    options,
                    progress,
                    source=self._source(seen, is_open),
                    guide=Guide(colour=planes.colour, halvings=self._far.halvings),
                )
                prediction = finished(prediction, colour, unknown, options)
            own = part.grow(OVERLAP).intersect(written)
            inside = own.shifted(-seen.x, -seen.y)
            filled = from_planes(
                prediction[:, inside.y : inside.bottom, inside.x : inside.right],
                pixel,
                scale=planes.scale,
                offset=planes.offset,
                transfer=planes.transfer,
            )
            own_at = own.shifted(-written.x, -written.y)
            blend_into(cut(self.region.pixels, own_at), filled, self._share(part, own))
        cut(self._is_done, at)[...] = True

    def _share(self, part: Rect, own: Rect) -> Floats:
        """How much a part's fill counts in itself and around it, where others are filled already."""
        at = own.shifted(-self._window.written.x, -self._window.written.y)
        ramps = []
        for first, last, begin, end in (
            (part.y, part.bottom - 1, own.y, own.bottom),
            (part.x, part.right - 1, own.x, own.right),
        ):
            place = np.arange(begin, end)
            beyond = np.maximum(np.maximum(first - place, place - last), 0)
            ramps.append((1 - beyond / np.float32(OVERLAP + 1)).astype(np.float32))
        share: Floats = np.minimum(ramps[0][:, None], ramps[1][None])
        is_written = cut(self.region.blend, at) > 0
        share[~is_written | ((share < 1) & ~cut(self._is_done, at))] = 0
        return share

    def _blend(self, part: Rect) -> Floats:
        around = part.grow(self._window.feather).clipped(self._plan.mask.canvas)
        blend: Floats = feather(self._hole.inside(around), self._window.feather)
        return cut(blend, part.shifted(-around.x, -around.y))

    def _seen(self, part: Rect) -> Rect:
        """What is seen for a part: less of it on a side where nothing is known."""
        most = _most_pixels(self._plan.options.memory or 0)
        margin = _margin(math.isqrt(most))
        canvas = self._plan.mask.canvas
        seen = part.grow(margin).clipped(canvas)
        is_open = self._open(seen, part)
        left, top = part.x - seen.x, part.y - seen.y
        right, bottom = left + part.width, top + part.height
        sides = (is_open[:, :left], is_open[:top], is_open[:, right:], is_open[bottom:])
        less = [margin - OPEN_MARGIN if side.size and side.all() else 0 for side in sides]
        x, y = seen.x + less[0], seen.y + less[1]
        smaller = Rect(x, y, seen.right - less[2] - x, seen.bottom - less[3] - y)
        # Never so that nothing known is left.
        return seen if self._open(smaller, part).all() else smaller

    def _open(self, rect: Rect, part: Rect) -> Mask:
        """(height, width), True in the hole where nothing is filled yet, and where `part` overlaps others."""
        written = self._window.written
        is_open: Mask = self._hole.inside(rect) > 0
        both = rect.intersect(written)
        if not both.is_empty:
            is_done = cut(self._is_done, both.shifted(-written.x, -written.y)).copy()
            overlap = part.grow(OVERLAP).intersect(both)
            cut(is_done, overlap.shifted(-both.x, -both.y))[...] = False
            cut(is_open, both.shifted(-rect.x, -rect.y))[is_done] = False
        return is_open

    def _look(self, rect: Rect, is_open: Mask) -> tuple[Pixels, Mask]:
        """The picture with what is filled, and from further away where it is not known; and where that is."""
        written = self._window.written
        pixel = self._plan.pixel
        pixels = cut(self._plan.picture, rect).copy()
        both = rect.intersect(written)
        if not both.is_empty:
            inside = both.shifted(-written.x, -written.y)
            filled = cut(self._is_done, inside) & (self._hole.inside(both) > 0)
            np.copyto(
                cut(pixels, both.shifted(-rect.x, -rect.y)),
                cut(self.region.pixels, inside),
                where=filled[:, :, None],
            )
        unknown: Mask = is_open | ~has_colour(pixels, pixel)
        far = self._far.magnified(rect) / np.float32(pixel.white)
        np.copyto(pixels, to_values(far, pixel), where=unknown[:, :, None])
        return pixels, unknown

    def _source(self, rect: Rect, is_open: Mask) -> Mask | None:
        """Where may be copied from: as was said, and what has been filled from there."""
        source = self._plan.source
        if source is None:
            return None
        allowed: Mask = source.window(rect) >= 0.5
        return allowed | ((self._hole.inside(rect) > 0) & ~is_open)
