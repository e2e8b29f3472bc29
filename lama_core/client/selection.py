"""Where the hole is, and what may be copied into it, from masks of which only what is needed is read.

A mask is given by a function that reads a rectangle of it: one byte for each pixel, 0 for known, 255 for
hole, row by row. No part of this looks at single pixels: rows are put on top of each other as long numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lama_core.client import tiles
from lama_core.client.geometry import Context, Rect, Window, context_window, plan_windows, with_source
from lama_core.client.tiles import CELL, Cell, Cells

ReadMask = Callable[[Rect], bytes]

#: A hole that fits in a window of so many pixels, surroundings included, is sent in one piece.
ONE_PIECE = 1 << 21

#: A mask is read in bands of about so many pixels where all of it is looked at.
BAND = 1 << 21

INVERTED = bytes(range(255, -1, -1))

_WHERE_ANY = bytes([0, *[255] * 255])


@dataclass(frozen=True)
class Piece:
    """What is sent at once: the window, and the part of it that the answer is taken for."""

    window: Rect
    written: Rect


@dataclass(frozen=True)
class Source:
    """What a fill may be copied from; what is in the hole may not, whatever is said here.

    Attributes:
        bounds: all of it is inside.
        read: the mask: not 0 where it may be copied from.
    """

    bounds: Rect
    read: ReadMask

    def within(self, canvas: Rect) -> Source:
        """The same with its tightest bounds; with empty ones where there is nothing of it."""
        tight = Rect(canvas.x, canvas.y, 0, 0)
        for band in _bands(self.bounds.clipped(canvas)):
            tight = tight.union(_tight(band, self.read))
        return Source(tight, self.read)

    def count(self, rect: Rect, read_hole: ReadMask) -> int:
        """How many pixels of a rectangle may be copied."""
        found = 0
        for band in _bands(rect.intersect(self.bounds)):
            allowed, hole = (read(band).translate(_WHERE_ANY) for read in (self.read, read_hole))
            known = int.from_bytes(allowed, "little") & ~int.from_bytes(hole, "little")
            found += known.to_bytes(band.area, "little").count(255)
        return found


def plan(
    bounds: Rect,
    canvas: Rect,
    read: ReadMask,
    *,
    grow: int | None = None,
    feather: int | None = None,
    context: Context = "auto",
    join_islands: bool = False,
    source: Source | None = None,
) -> list[Piece]:
    """The windows to send for a hole; no two of them are written to at the same place.

    Args:
        bounds: the hole is inside, and may be smaller.
        canvas: all there is to see.
        read: the mask of the hole.
        grow: by how many pixels the hole is dilated; None: by the size of the hole.
        feather: over how many pixels the fill is blended in; None: by the size of the hole.
        context: "auto", "whole" or pixels.
        join_islands: whether islands of any size are filled too, so that no hole may be cut.
        source: what the fill may be copied from, `within` the canvas; None: all that is known.

    Returns:
        No piece at all when the mask is 0 everywhere.
    """
    whole = bounds.clipped(canvas)
    if whole.is_empty:
        return []
    around = context_window(whole, canvas, grow=grow or 0, feather=feather or 0, context=context)
    if around.area > ONE_PIECE:
        cells = hole_cells(whole, read)
        windows = tiles.plan(
            cells, canvas, grow=grow, feather=feather, context=context, may_cut=not join_islands
        )
    else:
        holes = [hole for hole in [_tight(whole, read)] if not hole.is_empty]
        windows = plan_windows(holes, canvas, grow=grow, feather=feather, context=context)
    if source is not None:
        windows = _with_source(windows, source, canvas, read)
    return [Piece(window.rect, window.written) for window in windows]


def _with_source(windows: list[Window], source: Source, canvas: Rect, read: ReadMask) -> list[Window]:
    return with_source(windows, source.bounds, canvas, lambda rect: source.count(rect, read))


def _bands(rect: Rect) -> Iterator[Rect]:
    """A rectangle from top to bottom in parts of whole rows; none where it is empty."""
    if rect.is_empty:
        return
    rows = max(1, BAND // rect.width)
    for top in range(rect.y, rect.bottom, rows):
        yield Rect(rect.x, top, rect.width, min(rows, rect.bottom - top))


def hole_cells(bounds: Rect, read: ReadMask) -> Cells:
    """The cells that a hole touches.

    They are counted from the hole's own bounds, as `lama_core.image.mask_ops.hole_cells` counts them, so that
    a client and the core tell the same holes apart.

    Args:
        bounds: the hole is inside, and may be smaller.
        read: the mask of the hole.
    """
    tight, rects = _occupied(bounds, read)
    if (tight.x, tight.y) != (bounds.x, bounds.y) and rects:
        tight, rects = _occupied(tight, read)
    return Cells(tight.x, tight.y, rects)


def _occupied(bounds: Rect, read: ReadMask) -> tuple[Rect, dict[Cell, Rect]]:
    """The bounds of what is not 0, and those in each cell, counted from the given bounds, that has any."""
    rects: dict[Cell, Rect] = {}
    tight = Rect(bounds.x, bounds.y, 0, 0)
    for row, top in enumerate(range(bounds.y, bounds.bottom, CELL)):
        band = Rect(bounds.x, top, bounds.width, min(CELL, bounds.bottom - top))
        mask = read(band)
        seen = _flattened(mask, band.width)
        tight = tight.union(_tight_of(mask, seen, band))
        for column, left in enumerate(range(0, band.width, CELL)):
            columns = seen[left : left + CELL]
            if not columns.strip(b"\0"):
                continue
            side = len(columns)
            lines = [mask[at : at + side] for at in range(left, len(mask), band.width)]
            cell = Rect(band.x + left, top, side, band.height)
            rects[column, row] = _tight_of(b"".join(lines), columns, cell)
    return tight, rects


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
