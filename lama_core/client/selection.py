"""Where the hole is, from a mask of which only what is needed is read.

A mask is given by a function that reads a rectangle of it: one byte for each pixel, 0 for known, 255 for
hole, row by row. No part of this looks at single pixels: rows are put on top of each other as long numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lama_core.client.geometry import Context, Rect, context_window, plan_windows

ReadMask = Callable[[Rect], bytes]

#: A hole that fits in a window of so many pixels, surroundings included, is sent in one piece.
ONE_PIECE = 1 << 21

#: Holes nearer to each other than this (twice, at most) are one when windows are planned.
CELL = 32

#: More holes than this are taken together by their neighbourhood: planning windows is quadratic in them.
MAX_PARTS = 96

INVERTED = bytes(range(255, -1, -1))


@dataclass(frozen=True)
class Piece:
    """What is sent at once: the window, and the part of it that the answer is taken for."""

    window: Rect
    written: Rect


def plan(
    bounds: Rect,
    canvas: Rect,
    read: ReadMask,
    *,
    grow: int | None = None,
    feather: int | None = None,
    context: Context = "auto",
) -> list[Piece]:
    """The windows to send for a hole; no two of them are written to at the same place.

    Args:
        bounds: the hole is inside, and may be smaller.
        canvas: all there is to see.
        read: the mask of the hole.
        grow: by how many pixels the hole is dilated; None: by the size of the hole.
        feather: over how many pixels the fill is blended in; None: by the size of the hole.
        context: "auto", "whole" or pixels.

    Returns:
        No piece at all when the mask is 0 everywhere.
    """
    whole = bounds.clipped(canvas)
    if whole.is_empty:
        return []
    around = context_window(whole, canvas, grow=grow or 0, feather=feather or 0, context=context)
    if around.area > ONE_PIECE:
        holes = parts(whole, read)
    else:
        holes = [hole for hole in [_tight(whole, read)] if not hole.is_empty]
    windows = plan_windows(holes, canvas, grow=grow, feather=feather, context=context)
    return [Piece(window.rect, window.written) for window in windows]


def parts(bounds: Rect, read: ReadMask) -> list[Rect]:
    """The bounds of each separate hole of a mask, from the top left.

    Separate means some tens of pixels apart: nearer ones would share a window anyway. Cells are counted from
    the hole's own bounds, as `lama_core.image.mask_ops.find_holes` counts them, so that a client and the core
    tell the same holes apart.

    Args:
        bounds: the hole is inside, and may be smaller.
        read: the mask of the hole.
    """
    tight, cells = _occupied(bounds, read)
    if (tight.x, tight.y) != (bounds.x, bounds.y):
        tight, cells = _occupied(tight, read)
    side, groups = CELL, _joined(cells)
    while len(groups) > MAX_PARTS:
        side *= 2
        cells = {(column // 2, row // 2) for column, row in cells}
        groups = _joined(cells)
    holes = [_bounds(group, side, tight, read) for group in groups]
    return sorted(holes, key=lambda hole: (hole.y, hole.x))


def _occupied(bounds: Rect, read: ReadMask) -> tuple[Rect, set[tuple[int, int]]]:
    """The bounds of what is not 0, and the cells, counted from the given bounds, with something in them."""
    cells: set[tuple[int, int]] = set()
    tight = Rect(bounds.x, bounds.y, 0, 0)
    for row, top in enumerate(range(bounds.y, bounds.bottom, CELL)):
        band = Rect(bounds.x, top, bounds.width, min(CELL, bounds.bottom - top))
        mask = read(band)
        seen = _flattened(mask, band.width)
        cells.update(
            (column, row)
            for column, left in enumerate(range(0, band.width, CELL))
            if any(seen[left : left + CELL])
        )
        tight = tight.union(_tight_of(mask, seen, band))
    return tight, cells


def _bounds(group: set[tuple[int, int]], side: int, tight: Rect, read: ReadMask) -> Rect:
    """The bounds of what is not 0 in a group of cells: of its outermost cells, which alone are read."""
    columns, rows = {column for column, _ in group}, {row for _, row in group}
    outermost = [
        Rect(tight.x + column * side, tight.y + row * side, side, side).clipped(tight)
        for column, row in group
        if column in (min(columns), max(columns)) or row in (min(rows), max(rows))
    ]
    found = Rect(0, 0, 0, 0)
    for cell in outermost:
        found = found.union(_tight(cell, read))
    return found


def _tight(rect: Rect, read: ReadMask) -> Rect:
    """The bounds of what is not 0 in a rectangle of the mask."""
    mask = read(rect)
    return _tight_of(mask, _flattened(mask, rect.width), rect)


def _tight_of(mask: bytes, columns: bytes, rect: Rect) -> Rect:
    """The same, of a mask that has been read: `columns` is all its rows on top of each other."""
    left = rect.width - len(columns.lstrip(b"\0"))
    right = len(columns.rstrip(b"\0"))
    if right == 0:
        return Rect(rect.x, rect.y, 0, 0)
    above = (len(mask) - len(mask.lstrip(b"\0"))) // rect.width
    below = -(-len(mask.rstrip(b"\0")) // rect.width)
    return Rect(rect.x + left, rect.y + above, right - left, below - above)


def _flattened(mask: bytes, width: int) -> bytes:
    """All rows of a mask on top of each other: not 0 where any row is not 0."""
    seen = 0
    for begin in range(0, len(mask), width):
        seen |= int.from_bytes(mask[begin : begin + width], "little")
    return seen.to_bytes(width, "little")


def _joined(cells: Iterable[tuple[int, int]]) -> list[set[tuple[int, int]]]:
    """The groups of cells that touch, corners included."""
    left_over = set(cells)
    groups = []
    while left_over:
        waiting = [left_over.pop()]
        group = set(waiting)
        while waiting:
            x, y = waiting.pop()
            near = {(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} & left_over
            left_over -= near
            group |= near
            waiting.extend(near)
        groups.append(group)
    return groups
