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

#: Parts of a hole are told apart at this resolution.
CELL = 64

#: More parts than this are put together by neighbourhood: planning is quadratic in them.
MOST_PARTS = 48

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
    whole = Rect(bounds.x, bounds.y, bounds.width, bounds.height).clipped(canvas)
    holes = [whole]
    if whole.is_empty:
        return []
    around = context_window(whole, canvas, grow=grow or 0, feather=feather or 0, context=context)
    if around.area > ONE_PIECE:
        holes = parts(whole, read)
    exact = [tight for hole in holes for tight in [_tight(hole, read)] if not tight.is_empty]
    windows = plan_windows(exact, canvas, grow=grow, feather=feather, context=context)
    return [Piece(window.rect, window.written) for window in windows]


def parts(bounds: Rect, read: ReadMask) -> list[Rect]:
    """Rectangles around the parts of a mask, about `CELL` pixels larger than they have to be."""
    cells: set[tuple[int, int]] = set()
    for row, top in enumerate(range(bounds.y, bounds.bottom, CELL)):
        band = Rect(bounds.x, top, bounds.width, min(CELL, bounds.bottom - top))
        seen = _flattened(read(band), band.width)
        cells.update(
            (column, row)
            for column, left in enumerate(range(0, band.width, CELL))
            if any(seen[left : left + CELL])
        )
    side, found = CELL, _joined(cells)
    while len(found) > MOST_PARTS:
        side *= 2
        cells = {(column // 2, row // 2) for column, row in cells}
        found = _joined(cells)
    return [
        Rect(bounds.x + x * side, bounds.y + y * side, (right - x) * side, (bottom - y) * side).clipped(
            bounds
        )
        for x, y, right, bottom in found
    ]


def _tight(rect: Rect, read: ReadMask) -> Rect:
    """The bounds of what is not 0 in a rectangle of the mask."""
    mask = read(rect)
    columns = _flattened(mask, rect.width)
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


def _joined(cells: Iterable[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Cells that touch, corners included, as left, top, right and bottom of each group, from the top left."""
    left_over = set(cells)
    groups = []
    while left_over:
        waiting = [left_over.pop()]
        x, y = waiting[0]
        group = (x, y, x + 1, y + 1)
        while waiting:
            x, y = waiting.pop()
            group = (min(group[0], x), min(group[1], y), max(group[2], x + 1), max(group[3], y + 1))
            near = {(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} & left_over
            left_over -= near
            waiting.extend(near)
        groups.append(group)
    return sorted(groups, key=lambda group: (group[1], group[0]))
