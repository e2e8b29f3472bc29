"""Whether a picture was turned or mirrored while nobody looked.

Krita tells no plug-in that it turns a picture, and one that is turned by half or mirrored keeps its size; a
square keeps it in a quarter turn, too. So the colours of some pixels are remembered, and with each of them
those of all the places that it could come to. When nearly all that changed is found again where a turn would
bring it, the picture was turned.

What is painted meanwhile makes no difference: a pixel that is no longer what it was is not what could have
come there either, unless it was given just that colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lama_core.client.geometry import Rect

Point = tuple[int, int]
Colours = Mapping[Point, bytes]

#: Pixels are looked at in so many rows and columns across the hole, and across the picture.
HOLE_GRID = 20
PICTURE_GRID = 12

#: The share of what changed that need not come of a turn.
UNEXPLAINED = 0.25


def points(size: tuple[int, int], hole: Rect) -> set[Point]:
    """The pixels to remember: in and around the hole, all over the picture, and wherever these may come."""
    picture = Rect(0, 0, *size)
    margin = max(hole.width, hole.height) // 4
    around = Rect(
        hole.x - margin, hole.y - margin, hole.width + 2 * margin, hole.height + 2 * margin
    ).clipped(picture)
    chosen = [*_grid(around, HOLE_GRID), *_grid(picture, PICTURE_GRID)]
    return {*chosen, *(turn(point) for turn in _turns(size) for point in chosen)}


def was_turned(size: tuple[int, int], before: Colours, now: Colours) -> bool:
    """Whether the colours of `points(size, ...)` speak of a turn."""
    changed = sum(now[point] != colour for point, colour in before.items())
    return any(
        sum(now[turn(point)] != colour for point, colour in before.items()) < UNEXPLAINED * changed
        for turn in _turns(size)
    )


def _turns(size: tuple[int, int]) -> list[Callable[[Point], Point]]:
    """Where a pixel comes to by each way to turn a picture that keeps its size."""
    right, bottom = size[0] - 1, size[1] - 1
    turns: list[Callable[[Point], Point]] = [
        lambda point: (right - point[0], bottom - point[1]),
        lambda point: (right - point[0], point[1]),
        lambda point: (point[0], bottom - point[1]),
    ]
    if right == bottom:
        turns += [
            lambda point: (right - point[1], point[0]),
            lambda point: (point[1], right - point[0]),
            lambda point: (point[1], point[0]),
            lambda point: (right - point[1], right - point[0]),
        ]
    return turns


def _grid(rect: Rect, count: int) -> Iterable[Point]:
    for row in range(count):
        for column in range(count):
            yield (
                rect.x + (2 * column + 1) * rect.width // (2 * count),
                rect.y + (2 * row + 1) * rect.height // (2 * count),
            )
