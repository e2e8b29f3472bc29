"""Which contours are the two edges of a bar."""

from __future__ import annotations

import numpy as np
import pytest

from lama_core.fill.contours.bars import Edge, edges_of_bars
from lama_core.fill.contours.ends import LONGEST, WIDEST, ContourEnds
from lama_core.fill.contours.pairing import Connection

Line = tuple[tuple[float, float], tuple[float, float]]
"""From where to where a contour goes through the hole, row and column."""


def ends_of(lines: list[Line], left: list[float], right: list[float], unseen: list[int]) -> ContourEnds:
    """Both ends of each line, with gray of these values on the left and on the right of who goes along it."""
    count = 2 * len(lines)
    places = np.array(lines, np.float32).reshape(count, 2)
    profiles = np.empty((count, 2 * WIDEST + 1, 3), np.float32)
    for number, (one, other) in enumerate(zip(left, right, strict=True)):
        profiles[2 * number, :WIDEST], profiles[2 * number, WIDEST:] = one, other
        profiles[2 * number + 1, :WIDEST], profiles[2 * number + 1, WIDEST:] = other, one
    return ContourEnds(
        places=places,
        directions=np.zeros((count, 2), np.float32),
        paths=np.zeros((count, LONGEST + 1, 2), np.float32),
        lengths=np.full(count, 20),
        profiles=profiles,
        known=np.ones((count, 2 * WIDEST + 1), np.float32),
        contrasts=np.full(count, 0.5, np.float32),
        strengths=np.full(count, 0.1, np.float32),
        unseen=np.repeat(unseen, 2),
    )


def edges_of(
    lines: list[Line], left: list[float], right: list[float], unseen: list[int] | None = None
) -> list[Edge]:
    connections = [
        Connection(
            ends=(2 * number, 2 * number + 1),
            curve=np.linspace(*line, 60, dtype=np.float32),
            sides=(True, True),
            cost=0.0,
        )
        for number, line in enumerate(lines)
    ]
    return edges_of_bars(ends_of(lines, left, right, unseen or [0] * len(lines)), connections)


ABOVE, BELOW = ((20.0, 0.0), (20.0, 60.0)), ((28.0, 0.0), (28.0, 60.0))


def test_two_parallel_edges_with_the_same_between_them_are_a_bar() -> None:
    # From left to right the left side is above.
    above, below = edges_of([ABOVE, BELOW], left=[0.2, 0.9], right=[0.9, 0.2])
    assert (above.side, below.side) == (1, -1)
    assert above.half == below.half == pytest.approx(4)


def test_an_edge_that_goes_the_other_way_has_the_bar_on_its_other_side() -> None:
    above, below = edges_of([ABOVE, BELOW[::-1]], left=[0.2, 0.2], right=[0.9, 0.9])
    assert (above.side, below.side) == (1, 1)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (BELOW, 0.5),
        (((60.0, 0.0), (60.0, 60.0)), 0.9),
        (((24.0, 0.0), (40.0, 60.0)), 0.9),
        (((30.0, 0.0), (14.0, 60.0)), 0.9),
    ],
    ids=["other colours", "far apart", "not parallel", "crossing"],
)
def test_others_are_none(line: Line, left: float) -> None:
    assert edges_of([ABOVE, line], left=[0.2, left], right=[0.9, 0.2]) == [Edge(), Edge()]


def test_an_edge_is_part_of_the_narrowest_bar_alone() -> None:
    third = ((48.0, 0.0), (48.0, 60.0))
    edges = edges_of([ABOVE, BELOW, third], left=[0.2, 0.9, 0.2], right=[0.9, 0.2, 0.9])
    assert [edge.side for edge in edges] == [1, -1, 0]


def test_the_bar_that_is_seen_up_to_the_hole_is_in_front() -> None:
    upright = [((0.0, 20.0), (60.0, 20.0)), ((0.0, 28.0), (60.0, 28.0))]
    # From top to bottom the left side is on the right.
    left, right = [0.2, 0.9, 0.6, 0.2], [0.9, 0.2, 0.2, 0.6]
    edges = edges_of([ABOVE, BELOW, *upright], left=left, right=right, unseen=[9, 9, 0, 0])
    assert [edge.depth for edge in edges] == [1, 1, 0, 0]
    assert [edge.side for edge in edges] == [1, -1, -1, 1]
