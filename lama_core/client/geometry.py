"""Rectangles, and which part of a picture the network gets to see around a hole.

Everything here is arithmetic on a few integers: no pixel is touched, and nothing but the standard library is
imported, because the same code decides in a plug-in what to send and in the server what to fill.

Words: the *canvas* is the whole picture. A *hole* is given by its bounds. *Grow* is by how many pixels the
hole is dilated before the fill, *feather* over how many more pixels the result is blended into the picture.
The *context window* is what the network sees: the grown hole, its feather, and enough known picture around
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Optional, Union

#: "auto": by the hole's size; "whole": all of the canvas; a number: that many pixels around the grown hole.
Context = Union[str, int]

#: Sides of an automatic window are at least this (or the canvas). Around holes of 48 and 96 pixels the
#: compact model's fills were as good in windows of 320 as of 512 (hole L1 within 0.3 %, feature distance
#: within 1.5 %), at a third of the time.
MIN_WINDOW = 320

#: The automatic margin is this share of the hole's side (the geometric mean of its two), within the two
#: limits: a large hole needs more of its surroundings, but each pixel costs the same and those far away say
#: little.
MARGIN_SHARE = 1 / 3
MIN_MARGIN = 96
MAX_MARGIN = 160

#: Whatever was asked for, the network sees at least this much beyond the grown hole.
MIN_CONTEXT = 16

#: Sides of automatic windows are multiples of this where the canvas allows: no padding in the network, and
#: few different shapes for kernels that are prepared by shape.
WINDOW_STEP = 32

MIN_GROW = 2
MAX_GROW = 24
MIN_FEATHER = 2
MAX_FEATHER = 16

#: What starting one more window costs, as pixels of window.
WINDOW_OVERHEAD = 96 * 96


@dataclass(frozen=True)
class Rect:
    """A rectangle of whole pixels: x and y of its top left pixel, width and height (0: it is empty)."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 0 or self.height < 0:
            raise ValueError(f"a rectangle cannot be {self.width} x {self.height}")

    @property
    def right(self) -> int:
        """The first column that is no longer inside."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row that is no longer inside."""
        return self.y + self.height

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def is_empty(self) -> bool:
        return self.width == 0 or self.height == 0

    def union(self, other: Rect) -> Rect:
        """The smallest rectangle that holds both; an empty one adds nothing."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Rect(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def intersect(self, other: Rect) -> Rect:
        """What both hold; of width or height 0 where they have nothing in common."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = max(0, min(self.right, other.right) - x)
        height = max(0, min(self.bottom, other.bottom) - y)
        return Rect(x, y, width, height)

    def clipped(self, to: Rect) -> Rect:
        """The part inside `to`."""
        return self.intersect(to)

    def grow(self, pixels: int) -> Rect:
        """Larger by that many pixels on every side; with a negative number smaller, until it is empty."""
        width, height = max(0, self.width + 2 * pixels), max(0, self.height + 2 * pixels)
        return Rect(self.x - pixels, self.y - pixels, width, height)

    def shifted(self, dx: int, dy: int) -> Rect:
        return Rect(self.x + dx, self.y + dy, self.width, self.height)

    def contains(self, other: Rect) -> bool:
        """Whether all of `other` is inside; an empty one always is."""
        return other.is_empty or self.intersect(other) == other


@dataclass(frozen=True)
class Window:
    """One call of the network: the holes filled by it, and what it sees.

    `hole` is the bounds of `holes`. `grow` and `feather` are the pixels for them, or the most that they will
    be where they are automatic. `rect` is what the network sees; `written` is the part of it that may change.
    """

    holes: tuple[Rect, ...]
    hole: Rect
    rect: Rect
    written: Rect
    grow: int
    feather: int


def _side(hole: Rect) -> int:
    """The side of the square of the hole's area: small where a hole is long and thin."""
    return math.isqrt(max(1, hole.area))


def grow_of(thickness: float) -> int:
    """By how many pixels a hole of that thickness is dilated when nobody says.

    A selection follows the edge of what it removes by eye, so the larger the thing, the more of its soft
    edge, shadow and reflection is left outside; but ten times larger is not ten times less careful.
    """
    return min(MAX_GROW, max(MIN_GROW, round(0.4 * math.sqrt(thickness))))


def feather_of(thickness: float) -> int:
    """Over how many pixels the fill of a hole of that thickness is blended in when nobody says."""
    return min(MAX_FEATHER, max(MIN_FEATHER, round(0.3 * math.sqrt(thickness))))


def automatic_grow(hole: Rect) -> int:
    """The most that a hole of these bounds is dilated when nobody says: it may be thinner than they are."""
    return grow_of(_side(hole))


def automatic_feather(hole: Rect) -> int:
    """The most pixels over which the fill of a hole of these bounds is blended in when nobody says."""
    return feather_of(_side(hole))


def context_window(
    hole: Rect,
    canvas: Rect,
    *,
    grow: int,
    feather: int,
    context: Context = "auto",
    thickness: Optional[int] = None,  # noqa: UP045 - Python 3.9
) -> Rect:
    """What the network has to see to fill a hole, and so what a client has to send.

    The window never leaves the canvas. At the canvas's border it shifts inward and keeps its size; where
    the canvas is smaller than the window should be, it is all of the canvas. Planned again inside its own
    window, the same hole gets the same window, so the server sees what the client meant.

    Args:
        hole: the bounds of the hole before it is grown; the part outside the canvas does not count.
        canvas: the whole picture.
        grow: by how many pixels the hole is dilated, 0 or more.
        feather: over how many pixels more it is blended, 0 or more.
        context: "auto", "whole", or how many pixels around the grown hole.
        thickness: of what is to be filled, in pixels, where its bounds do not say it: an automatic margin is
            by that then.

    Raises:
        ValueError: the hole is not in the canvas, or a number is negative.
    """
    if grow < 0 or feather < 0:
        raise ValueError(f"grow and feather are 0 or more, not {grow} and {feather}")
    hole = hole.clipped(canvas)
    if hole.is_empty:
        raise ValueError("the hole is not in the canvas")
    if context == "whole":
        return canvas
    if context == "auto":
        grown_side = (_side(hole) if thickness is None else min(thickness, _side(hole))) + 2 * grow
        margin = min(MAX_MARGIN, max(MIN_MARGIN, round(MARGIN_SHARE * grown_side)))
        around = grow + max(feather, margin)
        width = _stepped(max(MIN_WINDOW, hole.width + 2 * around))
        height = _stepped(max(MIN_WINDOW, hole.height + 2 * around))
    elif isinstance(context, int) and context >= 0:
        around = grow + max(context, feather, MIN_CONTEXT)
        width, height = hole.width + 2 * around, hole.height + 2 * around
    else:
        raise ValueError(f'context is "auto", "whole" or a number of pixels, not {context!r}')
    x, width = _placed(hole.x, hole.right, width, canvas.x, canvas.right)
    y, height = _placed(hole.y, hole.bottom, height, canvas.y, canvas.bottom)
    return Rect(x, y, width, height)


def with_source(
    windows: Sequence[Window], source: Rect, canvas: Rect, count: Callable[[Rect], int]
) -> list[Window]:
    """Windows that see enough of what their fills may be copied from.

    Where one holds as much of it as its hole is large, or all, it stays as it is; else it is enlarged to hold
    all. What is written stays the same.

    Args:
        windows: as planned.
        source: the bounds of what may be copied.
        canvas: the whole picture.
        count: how many pixels in a rectangle may be copied; what is in a hole may not.
    """
    source = source.clipped(canvas)
    whole = count(source)

    def seeing(window: Window) -> Window:
        enough = min(whole, window.hole.area)
        if count(window.rect.intersect(source)) >= enough:
            return window
        return replace(window, rect=window.rect.union(source))

    return [seeing(window) for window in windows]


def _stepped(side: int) -> int:
    return -(-side // WINDOW_STEP) * WINDOW_STEP


def _placed(start: int, end: int, length: int, low: int, high: int) -> tuple[int, int]:
    """A stretch of `length` around start..end, moved (then cut) into low..high: its begin and its length."""
    length = min(length, high - low)
    begin = start - (length - (end - start)) // 2
    return min(max(begin, low), high - length), length


def plan_windows(
    holes: Sequence[Rect],
    canvas: Rect,
    *,
    grow: int | None = None,
    feather: int | None = None,
    context: Context = "auto",
) -> list[Window]:
    """The windows that fill these holes, each hole in exactly one.

    Holes are put into one window when that takes fewer pixels than two windows, or when their grown and
    feathered bounds touch (a pixel is then written by one window only). An automatic grow and feather are
    the most that the largest hole in the window may get.

    Args:
        holes: the bounds of each hole, none of them empty, all inside the canvas.
        canvas: the whole picture.
        grow: pixels, None for automatic.
        feather: pixels, None for automatic.
        context: as for `context_window`; with "whole" there is one window.

    Returns:
        The windows by the place of their holes, from the top left.

    Raises:
        ValueError: as `context_window` does.
    """

    def planned(some: tuple[Rect, ...]) -> Window:
        hole = some[0]
        for other in some[1:]:
            hole = hole.union(other)
        pixels = max(automatic_grow(each) for each in some) if grow is None else grow
        soft = max(automatic_feather(each) for each in some) if feather is None else feather
        rect = context_window(hole, canvas, grow=pixels, feather=soft, context=context)
        return Window(some, hole, rect, hole.grow(pixels + soft).clipped(canvas), pixels, soft)

    if not holes:
        return []
    if context == "whole":
        return [planned(tuple(holes))]
    windows: dict[int, Window] = {number: planned((hole,)) for number, hole in enumerate(holes)}
    # The union of every pair and what it saves; only those of a new window are worked out again.
    gains: dict[tuple[int, int], tuple[float, Window]] = {}

    def weigh(one: int, other: int) -> None:
        first, second = windows[one], windows[other]
        both = planned(first.holes + second.holes)
        gain: float = first.rect.area + second.rect.area + WINDOW_OVERHEAD - both.rect.area
        if not first.written.intersect(second.written).is_empty:
            gain = math.inf
        if gain > 0:
            gains[(one, other)] = (gain, both)

    numbers = list(windows)
    for index, one in enumerate(numbers):
        for other in numbers[index + 1 :]:
            weigh(one, other)
    number = len(numbers)
    while gains:
        pair = max(gains, key=lambda key: (gains[key][0], key))
        merged = gains[pair][1]
        gains = {key: value for key, value in gains.items() if not set(key) & set(pair)}
        for old in pair:
            del windows[old]
        windows[number] = merged
        for old in list(windows):
            if old != number:
                weigh(old, number)
        number += 1
    return sorted(windows.values(), key=lambda window: (window.hole.y, window.hole.x))
