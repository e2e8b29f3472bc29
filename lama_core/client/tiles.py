"""The windows of any hole: of a few, as `geometry.plan_windows` says; of many, or of long thin ones, tiles.

A scan has thousands of specks, and a hair or a scratch that crosses it has the bounds of all of the scan.
Such holes are cut along straight lines, and each tile gets a window of its own. A line goes between holes or
across a thin one: what two windows predict there differs little, because both see what is around it.

A hole is given by the cells of a grid that it touches. Nothing but the standard library is imported, because
a plug-in plans what it sends as the core plans what it fills.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

from lama_core.client.geometry import (
    Context,
    Rect,
    Window,
    automatic_feather,
    automatic_grow,
    context_window,
    feather_of,
    grow_of,
    plan_windows,
)

CELL = 32
"""Pixels a side of a cell. Holes nearer to each other than this (twice, at most) are one."""

MAX_HOLES = 96
"""More holes than this are cut into tiles: `plan_windows` weighs every pair of them."""

MAX_TILE = 1 << 20
"""Pixels of a window that thin or scattered holes are cut down to. In windows of this size a 72 MP scan with
4,000 specks takes a third of the time by pixel that it takes in windows of 320 x 320, and 0.4 GB."""

THIN = 96
"""A cut may cross a hole that is at most so many pixels thick at that place."""

THICK = 1024
"""The same in a window of more than `TOO_LARGE` pixels, which takes gigabytes and may not be sent at all."""

TOO_LARGE = 1 << 24

TILE_OVERHEAD = 1 << 17
"""What one more tile costs, as pixels of window: each has to be read, prepared and blended."""

CUT_COST = 1 << 12
"""What each hole that a cut crosses costs, as pixels of window."""

Cell = tuple[int, int]
"""A column and a row."""

_Part = tuple[int, int, int, int, int]
"""Bounds of some cells' holes, grown as they may be: left, top, right, bottom; and how thick the thickest is.
There are many, so they are plain tuples."""


@dataclass(frozen=True)
class Cells:
    """The cells of a grid that a hole touches.

    Attributes:
        x: of the grid's first cell in the canvas.
        y: of the same.
        rects: by column and row, the bounds of the hole's pixels in each cell that has any.
    """

    x: int
    y: int
    rects: Mapping[Cell, Rect]

    def holes(self) -> list[list[Cell]]:
        """The cells of each separate hole: of cells that touch, corners included."""
        left_over = set(self.rects)
        groups = []
        while left_over:
            waiting = [left_over.pop()]
            group = list(waiting)
            while waiting:
                x, y = waiting.pop()
                near = {(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} & left_over
                left_over -= near
                group += near
                waiting += near
            groups.append(group)
        return groups

    def bounds(self, cells: Iterable[Cell]) -> Rect:
        """The bounds of the hole's pixels in some cells, at least one."""
        rects = [self.rects[cell] for cell in cells]
        x, y = min(rect.x for rect in rects), min(rect.y for rect in rects)
        right, bottom = max(rect.right for rect in rects), max(rect.bottom for rect in rects)
        return Rect(x, y, right - x, bottom - y)


def hole_bounds(cells: Cells) -> list[Rect]:
    """The bounds of each separate hole, from the top left."""
    return sorted((cells.bounds(group) for group in cells.holes()), key=lambda hole: (hole.y, hole.x))


def plan(
    cells: Cells,
    canvas: Rect,
    *,
    grow: Optional[int] = None,  # noqa: UP045 - Python 3.9
    feather: Optional[int] = None,  # noqa: UP045
    context: Context = "auto",
    may_cut: bool = True,
    max_tile: int = MAX_TILE,
) -> list[Window]:
    """The windows that fill a hole; no two of them are written to at the same place.

    Args:
        cells: the hole, inside the canvas.
        canvas: the whole picture.
        grow: pixels, None for automatic.
        feather: pixels, None for automatic.
        context: as for `context_window`; with "whole" there is one window.
        may_cut: whether a hole may be filled in several windows. A hole whose islands are to be joined,
            however large they are, has to be seen as a whole.
        max_tile: pixels of a window that thin or scattered holes are cut down to.

    Returns:
        The windows by the place of their holes, from the top left.

    Raises:
        ValueError: as `context_window` does.
    """
    groups: dict[Rect, list[Cell]] = {}
    for group in cells.holes():
        groups.setdefault(cells.bounds(group), []).extend(group)
    few = len(groups) <= MAX_HOLES
    if not may_cut or context == "whole" or few:
        holes = sorted(groups, key=lambda hole: (hole.y, hole.x))
        if not few:  # one window, whatever is between them
            holes = [cells.bounds(cells.rects)]
        windows = plan_windows(holes, canvas, grow=grow, feather=feather, context=context)
        if not may_cut or context == "whole":
            return windows
        parts: list[tuple[Optional[Window], list[Cell], Rect]] = [  # noqa: UP045
            (window, [cell for hole in dict.fromkeys(window.holes) for cell in groups[hole]], window.written)
            for window in windows
        ]
    else:
        parts = [(None, list(cells.rects), canvas)]
    planned = []
    for window, some, region in parts:
        tiler = _Tiler(
            Cells(cells.x, cells.y, {cell: cells.rects[cell] for cell in some}),
            canvas,
            _Wanted(grow, feather, context),
            max_tile,
        )
        tiles = list(tiler.cut(some, region))
        if window is not None and len(tiles) == 1:
            planned.append(window)
        else:
            planned += [tiler.window(tile, where) for tile, where in tiles]
    return sorted(planned, key=lambda window: (window.hole.y, window.hole.x))


@dataclass(frozen=True)
class _Wanted:
    """What a window has to hold around its holes."""

    grow: Optional[int]  # noqa: UP045
    feather: Optional[int]  # noqa: UP045
    context: Context

    def grow_of(self, thickness: int) -> int:
        return grow_of(thickness) if self.grow is None else self.grow

    def feather_of(self, thickness: int) -> int:
        return feather_of(thickness) if self.feather is None else self.feather

    def reach(self, thickness: int) -> int:
        """How far from a hole pixels change."""
        return self.grow_of(thickness) + self.feather_of(thickness)

    def window(self, hole: Rect, canvas: Rect, thickness: int) -> Rect:
        grow, feather = self.grow_of(thickness), self.feather_of(thickness)
        # What grows into the bounds from outside has to be seen too, so twice.
        return context_window(
            hole,
            canvas,
            grow=grow,
            feather=grow + 2 * feather,
            context=self.context,
            thickness=thickness,
        )


@dataclass(frozen=True)
class _Line:
    """A place to cut: across which axis (0: left and right), before which column or row.

    `cost` is what it costs, and `off` how many cells it is from where it would be best.
    """

    axis: int
    before: int
    cost: int
    off: float


class _Tiler:
    """Cuts the cells of a hole by straight lines, one after the other, each across a part that is there."""

    def __init__(self, cells: Cells, canvas: Rect, wanted: _Wanted, max_tile: int) -> None:
        self._cells, self._canvas, self._wanted = cells, canvas, wanted
        self._thickness = _thickness(cells)
        self._reach = {cell: wanted.reach(thick) for cell, thick in self._thickness.items()}
        self._most_reach = max(self._reach.values())
        self._parts = {
            cell: _part_of(cells.rects[cell].grow(reach).clipped(canvas), self._thickness[cell])
            for cell, reach in self._reach.items()
        }
        # Nothing is gained by tiles that are little more than the surroundings of one cell.
        everywhere = Rect(-(1 << 20), -(1 << 20), 1 << 21, 1 << 21)
        self._around = wanted.window(Rect(0, 0, 1, 1), everywhere, CELL).width
        self._max_tile = max(max_tile, 2 * self._around**2)

    def cut(self, cells: list[Cell], region: Rect) -> Iterator[tuple[list[Cell], Rect]]:
        """The cells of each tile, and the part of the canvas that is the tile's; these parts are disjoint."""
        waiting = [(cells, region)]
        while waiting:
            cells, region = waiting.pop()
            line = self._best_line(cells)
            if line is None:
                yield cells, region
                continue
            first = [cell for cell in cells if cell[line.axis] < line.before]
            second = [cell for cell in cells if cell[line.axis] >= line.before]
            at = self._place(line.axis, line.before)
            if line.axis == 0:
                before = Rect(region.x, region.y, at - region.x, region.height)
                behind = Rect(at, region.y, region.right - at, region.height)
            else:
                before = Rect(region.x, region.y, region.width, at - region.y)
                behind = Rect(region.x, at, region.width, region.bottom - at)
            waiting += [(second, behind), (first, before)]

    def window(self, cells: list[Cell], region: Rect) -> Window:
        """The window of a tile: it writes whatever of any hole, grown and feathered, lies in its region."""
        hole = self._cells.bounds(cells)
        own = _joined([self._parts[cell] for cell in cells])
        written, thickness = _bounds(own), own[4]
        for cell in self._around_region(region):
            part = _bounds(self._parts[cell]).intersect(region)
            if not part.is_empty:
                written, hole = written.union(part), hole.union(part)
                thickness = max(thickness, self._thickness[cell])
        rect = self._wanted.window(hole, self._canvas, thickness)
        grow, feather = self._wanted.grow_of(thickness), self._wanted.feather_of(thickness)
        if self._wanted.grow is None:
            grow = min(grow, automatic_grow(hole))
        if self._wanted.feather is None:
            feather = min(feather, automatic_feather(hole))
        return Window((hole,), hole, rect, written.intersect(region), grow, feather)

    def _place(self, axis: int, number: int) -> int:
        """Where a column or row of cells begins."""
        return (self._cells.y if axis else self._cells.x) + number * CELL

    def _around_region(self, region: Rect) -> Iterator[Cell]:
        """The cells around a region that may grow into it."""
        cells = self._cells
        outer = region.grow(-(-self._most_reach // CELL) * CELL).clipped(self._canvas)
        columns = range((outer.x - cells.x) // CELL, -(-(outer.right - cells.x) // CELL))
        for row in range((outer.y - cells.y) // CELL, -(-(outer.bottom - cells.y) // CELL)):
            y = self._place(1, row)
            inside_rows = region.y <= y and y + CELL <= region.bottom
            for column in columns:
                x = self._place(0, column)
                if not (inside_rows and region.x <= x and x + CELL <= region.right):
                    cell = (column, row)
                    if cell in cells.rects and self._cells.rects[cell].intersect(region).is_empty:
                        yield cell

    def _cost(self, part: _Part) -> int:
        x, y, right, bottom, thickness = part
        # As it is before it grows; of what only grows into the part, a pixel.
        reach = min(self._wanted.reach(thickness), (min(right - x, bottom - y) - 1) // 2)
        hole = Rect(x + reach, y + reach, right - x - 2 * reach, bottom - y - 2 * reach)
        return self._wanted.window(hole, self._canvas, thickness).area + TILE_OVERHEAD

    def _best_line(self, cells: list[Cell]) -> Optional[_Line]:  # noqa: UP045
        """Where to cut, None where nothing is gained by it."""
        now = self._cost(_joined([self._parts[cell] for cell in cells]))
        thick = THIN if now <= TOO_LARGE else THICK
        lines = [line for axis in (0, 1) for line in self._lines(cells, axis, thick)]
        best = min(lines, key=lambda line: (line.cost, line.off), default=None)
        if best is None or best.cost < now:
            return best
        if now <= self._max_tile + TILE_OVERHEAD:
            return None
        # It has to be cut even so: where tiles of the largest size end, or there would be many narrow ones.
        side = math.isqrt(self._max_tile) / CELL
        return min(lines, key=lambda line: (line.off > side / 8, line.cost + line.off * CELL * CELL))

    def _lines(self, cells: list[Cell], axis: int, thick: int) -> Iterator[_Line]:
        """The lines across an axis that may be cut along."""
        across: dict[int, list[Cell]] = {}
        for cell in cells:
            across.setdefault(cell[axis], []).append(cell)
        places = sorted(across)
        own = [_joined([self._parts[cell] for cell in across[place]]) for place in places]
        reached = -(-self._most_reach // CELL)
        before, behind = _joined_so_far(own), _joined_so_far(own[::-1])[::-1]
        low, length = places[0], places[-1] + 1 - places[0]
        # So many tiles of the largest size lie side by side here: half of them on each side.
        inner = max(CELL, math.isqrt(self._max_tile) - self._around)
        count = max(2, -(-length * CELL // inner))
        target = low + length * (count // 2) / count
        for number, (place, following) in enumerate(zip(places, places[1:])):
            # In the middle of a gap nothing grows across the line.
            line = (place + 1 + following) // 2
            crossing = 0
            if following == place + 1:
                crossing, longest = self._crossing(across[place], across[following], axis)
                if longest > thick:
                    continue
            at = self._place(axis, line)
            first = self._with_strays(before[number], across, range(line, line + reached), axis, at)
            second = self._with_strays(behind[number + 1], across, range(line - reached, line), axis, at)
            cost = self._cost(first) + self._cost(second) + crossing * CUT_COST
            yield _Line(axis, line, cost, abs(line - target))

    def _with_strays(
        self, part: _Part, across: Mapping[int, list[Cell]], places: range, axis: int, at: int
    ) -> _Part:
        """A part with what grows into it from the cells behind the line."""
        strays = [self._parts[cell] for place in places for cell in across.get(place, ())]
        return _joined([part, *(stray for stray in strays if stray[axis] < at < stray[axis + 2])])

    def _crossing(self, first: list[Cell], second: list[Cell], axis: int) -> tuple[int, int]:
        """How many holes go on behind a line, and how thick they are at most where it crosses them."""
        rects = self._cells.rects
        stretches: list[tuple[int, int]] = []
        behind = set(second)
        for cell in first:
            rect = rects[cell]
            for step in (-1, 0, 1):
                other = (cell[0] + 1, cell[1] + step) if axis == 0 else (cell[0] + step, cell[1] + 1)
                if other not in behind:
                    continue
                beyond = rects[other]
                if axis == 0 and rect.right == beyond.x:
                    stretches.append((max(rect.y, beyond.y) - 1, min(rect.bottom, beyond.bottom) + 1))
                elif axis == 1 and rect.bottom == beyond.y:
                    stretches.append((max(rect.x, beyond.x) - 1, min(rect.right, beyond.right) + 1))
        count = longest = 0
        begin = end = -math.inf
        for low, high in sorted(stretch for stretch in stretches if stretch[0] < stretch[1]):
            if low > end:
                count, begin = count + 1, low
            end = max(end, high)
            longest = max(longest, int(end - begin) - 2)
        return count, longest


def _part_of(rect: Rect, thickness: int) -> _Part:
    return (rect.x, rect.y, rect.right, rect.bottom, thickness)


def _bounds(part: _Part) -> Rect:
    x, y, right, bottom, _ = part
    return Rect(x, y, right - x, bottom - y)


def _joined(parts: list[_Part]) -> _Part:
    """What holds all of some parts, at least one."""
    if len(parts) == 1:
        return parts[0]
    x, y, right, bottom, thickness = zip(*parts)
    return (min(x), min(y), max(right), max(bottom), max(thickness))


def _joined_so_far(parts: list[_Part]) -> list[_Part]:
    """The first part, the first two joined, and so on."""
    joined: list[_Part] = []
    for part in parts:
        joined.append(_joined([part, joined[-1]]) if joined else part)
    return joined


def _thickness(cells: Cells) -> dict[Cell, int]:
    """For each cell how thick its hole is at most, in pixels.

    A disc touches all cells of a square whose side is its diameter by the square root of 2; so it is at most
    as thick as the largest square of cells that the hole touches says.
    """
    thickness: dict[Cell, int] = {}
    for hole in cells.holes():
        # The side of the largest square of cells that ends at each one.
        squares: dict[Cell, int] = {}
        for x, y in sorted(hole):
            ends = [squares.get(cell, 0) for cell in ((x - 1, y), (x, y - 1), (x - 1, y - 1))]
            squares[x, y] = 1 + min(ends)
        bounds = cells.bounds(hole)
        thick = min(max(squares.values()) * CELL * 3 // 2, max(bounds.width, bounds.height))
        thickness.update(dict.fromkeys(hole, thick))
    return thickness
