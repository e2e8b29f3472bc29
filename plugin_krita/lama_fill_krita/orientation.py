"""Whether a picture was turned or mirrored since it was last looked at.

Krita does not tell a plug-in that it turns a picture. A half turn and a mirror keep the picture's size, and a
quarter turn keeps that of a square. So the colours of some pixels are remembered, and with each of them those
of all places that a turn could bring it to. When nearly all changes are explained by one turn, the picture
was turned.

What is painted meanwhile makes no difference: a painted pixel has neither its old colour nor the one that a
turn would bring there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lama_core.client.geometry import Rect

Point = tuple[int, int]
Colors = Mapping[Point, bytes]

HOLE_GRID = 20
"""Rows and columns of pixels that are looked at across the hole."""

PICTURE_GRID = 12
"""The same across the picture."""

UNEXPLAINED = 0.25
"""The share of the changes that a turn need not explain."""


def points(size: tuple[int, int], hole: Rect) -> set[Point]:
    """The pixels to remember: in and around the hole, all over the picture, and where a turn brings these."""
    picture = Rect(0, 0, *size)
    margin = max(hole.width, hole.height) // 4
    around = Rect(
        hole.x - margin, hole.y - margin, hole.width + 2 * margin, hole.height + 2 * margin
    ).clipped(picture)
    chosen = [*_grid(around, HOLE_GRID), *_grid(picture, PICTURE_GRID)]
    return {*chosen, *(turn(point) for turn in _turns(size) for point in chosen)}


def was_turned(size: tuple[int, int], before: Colors, now: Colors) -> bool:
    """Whether the colours of `points(size, ...)` show a turn."""
    changed = sum(now[point] != colour for point, colour in before.items())
    return any(
        sum(now[turn(point)] != colour for point, colour in before.items()) < UNEXPLAINED * changed
        for turn in _turns(size)
    )


def _turns(size: tuple[int, int]) -> list[Callable[[Point], Point]]:
    """Where each turn and mirror that keeps the size brings a pixel."""
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
