"""Finding the parts of a hole, and planning what is sent, from a mask that is read in rectangles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client import tiles
from lama_core.client.geometry import Context, Rect, context_window
from lama_core.client.selection import ONE_PIECE, ReadMask, hole_cells, plan
from lama_core.client.tiles import CELL, hole_bounds
from lama_core.image import mask_ops
from lama_core.image.mask_ops import find_holes, read_hole


def reader(mask: np.ndarray, x: int = 0, y: int = 0) -> ReadMask:
    """Reads from a mask whose first pixel is at (x, y)."""

    def read(rect: Rect) -> bytes:
        rows = slice(rect.y - y, rect.bottom - y)
        part = mask[rows, rect.x - x : rect.right - x]
        assert part.shape == (rect.height, rect.width), "outside of the mask"
        return bytes(part.tobytes())

    return read


def mask_of(width: int, height: int, *holes: Rect) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    for hole in holes:
        mask[hole.y : hole.bottom, hole.x : hole.right] = 200
    return mask


def counted(read: ReadMask) -> tuple[ReadMask, Callable[[], int]]:
    total = 0

    def counting(rect: Rect) -> bytes:
        nonlocal total
        total += rect.area
        return read(rect)

    return counting, lambda: total


def test_a_small_hole_is_read_once_and_sent_in_one_piece() -> None:
    canvas, hole = Rect(0, 0, 5000, 4000), Rect(2000, 1500, 60, 40)
    read, total = counted(reader(mask_of(5000, 4000, hole)))
    (piece,) = plan(hole, canvas, read, grow=4, feather=3, context="auto")
    assert piece.window == context_window(hole, canvas, grow=4, feather=3)
    assert piece.written == hole.grow(7)
    assert total() == hole.area


def test_bounds_that_are_larger_than_the_hole() -> None:
    canvas, hole = Rect(-50, -20, 900, 800), Rect(100, 200, 30, 50)
    mask = np.zeros((800, 900), np.uint8)
    mask[220:270, 150:180] = 255
    (piece,) = plan(canvas, canvas, reader(mask, -50, -20), grow=0, feather=0, context=64)
    assert piece.written == hole
    assert piece.window == hole.grow(64)


def test_nothing_in_the_mask() -> None:
    canvas = Rect(0, 0, 3000, 3000)
    assert plan(canvas, canvas, reader(mask_of(3000, 3000)), context="auto") == []
    beside = Rect(4000, 0, 10, 10)
    assert plan(beside, canvas, reader(mask_of(1, 1)), context="auto") == []


def test_the_whole_canvas_is_one_piece_when_it_is_asked_for() -> None:
    canvas = Rect(0, 0, 3000, 2000)
    mask = mask_of(3000, 2000, Rect(5, 5, 20, 20), Rect(2900, 1900, 50, 50))
    (piece,) = plan(canvas, canvas, reader(mask), context="whole")
    assert piece.window == canvas


@given(
    st.lists(
        st.tuples(st.integers(0, 2300), st.integers(0, 1900), st.integers(1, 190), st.integers(1, 90)),
        min_size=1,
        max_size=7,
    )
)
def test_every_pixel_of_the_hole_is_written_by_exactly_one_piece(
    places: list[tuple[int, int, int, int]],
) -> None:
    holes = [Rect(*place) for place in places]
    mask = mask_of(2500, 2000, *holes)
    canvas = Rect(0, 0, 2500, 2000)
    pieces = plan(canvas, canvas, reader(mask), context="auto")
    written = np.zeros_like(mask)
    for piece in pieces:
        assert canvas.contains(piece.window)
        assert piece.window.contains(piece.written)
        at = piece.written
        written[at.y : at.bottom, at.x : at.right] += 1
    assert written.max() == 1
    assert (written[mask > 0] == 1).all()


@given(
    st.lists(
        st.tuples(st.integers(0, 2300), st.integers(0, 1900), st.integers(1, 190), st.integers(1, 90)),
        min_size=1,
        max_size=9,
    ),
    st.sampled_from(["auto", 64]),
    st.sampled_from([None, 6]),
)
def test_a_client_plans_the_windows_that_the_core_plans(
    places: list[tuple[int, int, int, int]], context: Context, grow: int | None
) -> None:
    mask = mask_of(2500, 2000, *(Rect(*place) for place in places))
    canvas = Rect(0, 0, 2500, 2000)
    found = read_hole(mask)
    assert hole_cells(canvas, reader(mask)) == mask_ops.hole_cells(found)
    pieces = plan(canvas, canvas, reader(mask), grow=grow, context=context)
    windows = tiles.plan(mask_ops.hole_cells(found), canvas, grow=grow, context=context)
    if context_window(found.bounds, canvas, grow=grow or 0, feather=0, context=context).area > ONE_PIECE:
        assert [piece.window for piece in pieces] == [window.rect for window in windows]


@given(st.integers(0, 2**32 - 1), st.floats(0.0001, 0.01))
def test_many_specks_are_the_same_holes_for_a_client_and_the_core(seed: int, density: float) -> None:
    mask = (np.random.default_rng(seed).random((700, 900)) < density).astype(np.uint8)
    holes = [hole.shifted(7, 9) for hole in find_holes(read_hole(mask))]
    assert hole_bounds(hole_cells(Rect(7, 9, 900, 700), reader(mask, 7, 9))) == holes


@given(st.integers(0, 2**32 - 1), st.floats(0.0001, 0.01))
def test_the_bounds_of_holes_hold_every_pixel(seed: int, density: float) -> None:
    mask = (np.random.default_rng(seed).random((1100, 1300)) < density).astype(np.uint8)
    bounds = Rect(7, 9, 1300, 1100)
    found = hole_bounds(hole_cells(bounds, reader(mask, 7, 9)))
    left = mask.copy()
    for rect in found:
        assert bounds.contains(rect)
        left[rect.y - 9 : rect.bottom - 9, rect.x - 7 : rect.right - 7] = 0
    assert not left.any()


def test_the_bounds_of_holes_are_nearly_as_small_as_what_is_in_them() -> None:
    first, second = Rect(100, 100, 300, 20), Rect(1000, 900, 10, 10)
    found = hole_bounds(hole_cells(Rect(0, 0, 2000, 2000), reader(mask_of(2000, 2000, first, second))))
    assert len(found) == 2
    for hole, rect in zip((first, second), found, strict=True):
        assert rect.contains(hole)
        assert hole.grow(CELL).contains(rect)
