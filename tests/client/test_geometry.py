"""Rectangles and context windows: what holds for every hole, by hypothesis, and the sizes that users see."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.geometry import (
    MAX_FEATHER,
    MAX_GROW,
    MIN_CONTEXT,
    MIN_WINDOW,
    Rect,
    automatic_feather,
    automatic_grow,
    context_window,
    plan_windows,
    with_source,
)

sides = st.integers(1, 4000)
pixels = st.integers(0, 60)
contexts = st.one_of(st.just("auto"), st.just("whole"), st.integers(0, 600))


@st.composite
def canvases(draw: st.DrawFn) -> Rect:
    return Rect(draw(st.integers(-50, 50)), draw(st.integers(-50, 50)), draw(sides), draw(sides))


@st.composite
def holes_in(draw: st.DrawFn, canvas: Rect) -> Rect:
    width, height = draw(st.integers(1, canvas.width)), draw(st.integers(1, canvas.height))
    x = draw(st.integers(canvas.x, canvas.right - width))
    y = draw(st.integers(canvas.y, canvas.bottom - height))
    return Rect(x, y, width, height)


@st.composite
def canvas_and_hole(draw: st.DrawFn) -> tuple[Rect, Rect]:
    canvas = draw(canvases())
    return canvas, draw(holes_in(canvas))


@st.composite
def rects(draw: st.DrawFn) -> Rect:
    place, size = st.integers(-30, 30), st.integers(0, 30)
    return Rect(draw(place), draw(place), draw(size), draw(size))


def cells(rect: Rect) -> set[tuple[int, int]]:
    return {(x, y) for x in range(rect.x, rect.right) for y in range(rect.y, rect.bottom)}


@given(rects(), rects())
def test_intersection_is_that_of_the_pixels(one: Rect, other: Rect) -> None:
    assert cells(one.intersect(other)) == cells(one) & cells(other)
    assert cells(one.clipped(other)) == cells(one) & cells(other)


@given(rects(), rects())
def test_union_is_the_smallest_rectangle_around_both(one: Rect, other: Rect) -> None:
    union = one.union(other)
    both = cells(one) | cells(other)
    assert union.contains(one)
    assert union.contains(other)
    if both:
        assert union.x == min(x for x, _ in both)
        assert union.right == max(x for x, _ in both) + 1
        assert union.y == min(y for _, y in both)
        assert union.bottom == max(y for _, y in both) + 1


@given(rects(), st.integers(-20, 20), st.integers(-20, 20))
def test_shifting_moves_every_pixel(rect: Rect, dx: int, dy: int) -> None:
    assert cells(rect.shifted(dx, dy)) == {(x + dx, y + dy) for x, y in cells(rect)}


@given(rects(), st.integers(0, 20))
def test_growing_and_shrinking_are_inverse(rect: Rect, by: int) -> None:
    assert rect.grow(by).grow(-by) == rect


def test_a_rectangle_shrinks_to_nothing_and_not_further() -> None:
    assert Rect(0, 0, 4, 9).grow(-3).is_empty
    with pytest.raises(ValueError, match="cannot be -1 x 4"):
        Rect(0, 0, -1, 4)


@given(canvas_and_hole(), pixels, pixels, contexts)
def test_a_window_lies_in_the_canvas_and_holds_what_is_written(
    pair: tuple[Rect, Rect], grow: int, feather: int, context: str | int
) -> None:
    canvas, hole = pair
    window = context_window(hole, canvas, grow=grow, feather=feather, context=context)
    assert canvas.contains(window)
    assert window.contains(hole.grow(grow + feather).clipped(canvas))


@given(canvas_and_hole(), pixels, pixels, contexts)
def test_a_hole_planned_in_its_own_window_gets_that_window(
    pair: tuple[Rect, Rect], grow: int, feather: int, context: str | int
) -> None:
    canvas, hole = pair
    window = context_window(hole, canvas, grow=grow, feather=feather, context=context)
    assert context_window(hole, window, grow=grow, feather=feather, context=context) == window


@given(canvas_and_hole(), pixels, pixels, st.one_of(st.just("auto"), st.integers(0, 600)))
def test_at_the_border_a_window_shifts_and_keeps_its_size(
    pair: tuple[Rect, Rect], grow: int, feather: int, context: str | int
) -> None:
    canvas, hole = pair
    window = context_window(hole, canvas, grow=grow, feather=feather, context=context)
    free = context_window(hole, canvas.grow(20_000), grow=grow, feather=feather, context=context)
    assert window.width == min(free.width, canvas.width)
    assert window.height == min(free.height, canvas.height)
    if canvas.contains(free):
        assert window == free


@given(canvas_and_hole())
def test_more_context_never_means_a_smaller_window(pair: tuple[Rect, Rect]) -> None:
    canvas, hole = pair
    windows = [
        context_window(hole, canvas, grow=4, feather=3, context=margin) for margin in (0, 40, 200, 900)
    ]
    for smaller, larger in itertools.pairwise(windows):
        assert larger.contains(smaller)


@pytest.mark.parametrize("side", [1, 20, 100])
def test_a_small_hole_is_seen_in_the_smallest_window(side: int) -> None:
    hole, canvas = Rect(3000, 2000, side, side), Rect(0, 0, 10_000, 10_000)
    window = context_window(hole, canvas, grow=automatic_grow(hole), feather=automatic_feather(hole))
    assert (window.width, window.height) == (MIN_WINDOW, MIN_WINDOW)


def test_the_window_of_a_larger_hole_is_a_little_larger_than_the_hole() -> None:
    hole, canvas = Rect(1000, 600, 1481, 781), Rect(0, 0, 3000, 2000)
    window = context_window(hole, canvas, grow=automatic_grow(hole), feather=automatic_feather(hole))
    assert window.area < 2.1 * hole.area
    assert min(hole.x - window.x, window.right - hole.right) >= 150


def test_a_long_thin_hole_does_not_get_a_square_window() -> None:
    hole = Rect(100, 1000, 2400, 20)
    window = context_window(hole, Rect(0, 0, 3000, 2000), grow=4, feather=4)
    assert window.height == MIN_WINDOW


def test_a_margin_in_pixels_is_taken_around_the_grown_hole() -> None:
    window = context_window(Rect(500, 500, 50, 30), Rect(0, 0, 2000, 2000), grow=7, feather=3, context=100)
    assert window == Rect(500 - 107, 500 - 107, 50 + 214, 30 + 214)
    least = context_window(Rect(500, 500, 50, 30), Rect(0, 0, 2000, 2000), grow=0, feather=0, context=0)
    assert least == Rect(500, 500, 50, 30).grow(MIN_CONTEXT)


def test_what_cannot_be_planned_is_refused() -> None:
    canvas = Rect(0, 0, 100, 100)
    with pytest.raises(ValueError, match="not in the canvas"):
        context_window(Rect(200, 0, 5, 5), canvas, grow=0, feather=0)
    with pytest.raises(ValueError, match="0 or more"):
        context_window(Rect(2, 0, 5, 5), canvas, grow=-1, feather=0)
    with pytest.raises(ValueError, match="'all'"):
        context_window(Rect(2, 0, 5, 5), canvas, grow=0, feather=0, context="all")
    with pytest.raises(ValueError, match="-5"):
        context_window(Rect(2, 0, 5, 5), canvas, grow=0, feather=0, context=-5)


@given(canvas_and_hole(), st.data())
def test_grow_and_feather_scale_with_the_hole_up_to_a_cap(
    pair: tuple[Rect, Rect], data: st.DataObject
) -> None:
    _, hole = pair
    part = data.draw(holes_in(hole))
    assert 1 <= automatic_grow(part) <= automatic_grow(hole) <= MAX_GROW
    assert 1 <= automatic_feather(part) <= automatic_feather(hole) <= MAX_FEATHER


@st.composite
def canvas_and_holes(draw: st.DrawFn) -> tuple[Rect, list[Rect]]:
    canvas = Rect(0, 0, draw(st.integers(64, 6000)), draw(st.integers(64, 6000)))
    small = st.builds(
        lambda x, y, w, h: Rect(x, y, w, h).clipped(canvas),
        st.integers(0, canvas.width - 1),
        st.integers(0, canvas.height - 1),
        st.integers(1, 300),
        st.integers(1, 300),
    )
    return canvas, draw(st.lists(small, min_size=1, max_size=8))


optional_pixels = st.one_of(st.none(), st.integers(0, 50))


@given(canvas_and_holes(), optional_pixels, optional_pixels, contexts)
def test_every_hole_is_filled_by_one_window(
    pair: tuple[Rect, list[Rect]], grow: int | None, feather: int | None, context: str | int
) -> None:
    canvas, holes = pair
    windows = plan_windows(holes, canvas, grow=grow, feather=feather, context=context)
    planned = [hole for window in windows for hole in window.holes]
    assert sorted(planned, key=repr) == sorted(holes, key=repr)
    for window in windows:
        assert canvas.contains(window.rect)
        assert window.rect.contains(window.written)
        assert window.written.contains(window.hole)
        for hole in window.holes:
            assert window.hole.contains(hole)
        if grow is not None:
            assert window.grow == grow
        if feather is not None:
            assert window.feather == feather


@given(canvas_and_holes(), optional_pixels, optional_pixels, contexts)
def test_no_pixel_is_written_by_two_windows(
    pair: tuple[Rect, list[Rect]], grow: int | None, feather: int | None, context: str | int
) -> None:
    canvas, holes = pair
    windows = plan_windows(holes, canvas, grow=grow, feather=feather, context=context)
    for index, one in enumerate(windows):
        for other in windows[index + 1 :]:
            assert one.written.intersect(other.written).is_empty


def test_far_apart_holes_get_their_own_windows_and_their_own_grow() -> None:
    canvas = Rect(0, 0, 3000, 2000)
    holes = [Rect(x, y, 100, 110) for x in (200, 1400, 2700) for y in (150, 1700)]
    windows = plan_windows(holes, canvas)
    assert len(windows) == 6
    assert sum(window.rect.area for window in windows) == 6 * MIN_WINDOW**2
    assert {window.grow for window in windows} == {automatic_grow(holes[0])}


def test_near_holes_share_a_window() -> None:
    holes = [Rect(1000 + 60 * n, 1000, 20, 20) for n in range(5)]
    (window,) = plan_windows(holes, Rect(0, 0, 4000, 4000))
    assert (window.rect.width, window.rect.height) == (480, MIN_WINDOW)
    assert window.hole == Rect(1000, 1000, 260, 20)


def test_sharing_a_window_is_never_dearer() -> None:
    holes = [Rect(200 * n, 100 * n, 30, 30) for n in range(12)]
    canvas = Rect(0, 0, 5000, 5000)
    alone = sum(plan_windows([hole], canvas)[0].rect.area for hole in holes)
    windows = plan_windows(holes, canvas)
    assert 1 < len(windows) < len(holes)
    assert sum(window.rect.area for window in windows) <= alone + 96 * 96 * len(holes)


def test_the_whole_canvas_is_one_window() -> None:
    canvas = Rect(0, 0, 5000, 3000)
    (window,) = plan_windows([Rect(0, 0, 9, 9), Rect(4900, 2900, 20, 20)], canvas, context="whole")
    assert window.rect == canvas
    assert window.grow == automatic_grow(Rect(0, 0, 20, 20))


def test_no_holes_need_no_window() -> None:
    assert plan_windows([], Rect(0, 0, 10, 10)) == []


def test_many_holes_are_planned_in_a_moment() -> None:
    holes = [Rect((n * 613) % 9000, (n * 1481) % 9000, 12, 9) for n in range(128)]
    windows = plan_windows(holes, Rect(0, 0, 9100, 9100))
    assert sum(len(window.holes) for window in windows) == 128


@given(
    source=st.tuples(st.integers(0, 900), st.integers(0, 700), st.integers(1, 400), st.integers(1, 400)),
    hole=st.tuples(st.integers(0, 900), st.integers(0, 700), st.integers(1, 90), st.integers(1, 90)),
)
def test_a_window_sees_enough_of_its_source(
    source: tuple[int, int, int, int], hole: tuple[int, int, int, int]
) -> None:
    canvas = Rect(0, 0, 1000, 800)
    (window,) = plan_windows([Rect(*hole).clipped(canvas)], canvas)
    bounds = Rect(*source).clipped(canvas)

    def count(rect: Rect) -> int:
        return rect.intersect(bounds).area

    (seeing,) = with_source([window], bounds, canvas, count)
    assert canvas.contains(seeing.rect)
    assert seeing.rect.contains(window.rect)
    assert replace(seeing, rect=window.rect) == window
    seen = seeing.rect.intersect(bounds).area
    assert seen == bounds.area or seen >= window.hole.area
    assert with_source([seeing], bounds, canvas, count) == [seeing]


def test_a_window_that_sees_enough_stays() -> None:
    canvas = Rect(0, 0, 4000, 3000)
    (window,) = plan_windows([Rect(2000, 1500, 100, 80)], canvas)
    assert with_source([window], canvas, canvas, lambda rect: rect.area) == [window]
    far = Rect(10, 20, 50, 60)
    (seeing,) = with_source([window], far, canvas, lambda rect: rect.intersect(far).area)
    assert seeing.rect == window.rect.union(far)


def test_a_window_between_two_corners_that_may_be_copied_sees_both() -> None:
    """Their bounds hold the window, and it holds nothing of them."""
    canvas = Rect(0, 0, 4000, 3000)
    corners = (Rect(0, 0, 90, 90), Rect(3900, 2900, 90, 90))
    (window,) = plan_windows([Rect(2000, 1500, 100, 80)], canvas)
    bounds = corners[0].union(corners[1])
    (seeing,) = with_source(
        [window], bounds, canvas, lambda rect: sum(rect.intersect(corner).area for corner in corners)
    )
    assert seeing.rect == bounds
