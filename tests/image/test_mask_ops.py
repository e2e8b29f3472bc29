"""Mask work, against its definition pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lama_core.client.geometry import Rect
from lama_core.image.mask_ops import (
    HoleError,
    bounding_slices,
    distance_to,
    feather,
    find_holes,
    grow,
    join_islands,
    read_hole,
    thickness,
)
from lama_core.image.pixels import Floats, Mask

shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=18)
binary = hnp.arrays(np.bool_, shapes)
soft = hnp.arrays(np.float32, shapes, elements=st.sampled_from([0, 0, 0, 0.125, 0.3, 0.5, 0.9, 1.0]))
widths = st.integers(0, 9)


def slow_distance(inside: Mask) -> Floats:
    points = np.argwhere(inside)
    if not len(points):
        return np.full(inside.shape, np.inf, np.float32)
    y, x = np.indices(inside.shape)
    squares = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    return np.sqrt(squares.min(axis=2)).astype(np.float32)


def slow_grow(hole: Floats, pixels: int) -> Floats:
    grown = np.zeros_like(hole)
    for y, x in np.ndindex(hole.shape):
        rows, columns = np.indices(hole.shape)
        near = (rows - y) ** 2 + (columns - x) ** 2 <= pixels**2
        grown[y, x] = hole[near].max()
    return grown


@given(binary, st.integers(0, 30))
def test_distances_are_exact_within_reach(inside: Mask, reach: int) -> None:
    expected = slow_distance(inside)
    expected[expected > reach] = np.inf
    np.testing.assert_allclose(distance_to(inside, reach), expected, rtol=1e-6)


def test_distances_far_beyond_the_mask_are_exact_too() -> None:
    inside = np.zeros((3, 700), np.bool_)
    inside[1, 0] = True
    distance = distance_to(inside, 100_000)
    assert distance[1, 699] == 699
    np.testing.assert_allclose(distance, slow_distance(inside), rtol=1e-6)


@given(st.one_of(binary.map(lambda mask: mask.astype(np.float32)), soft), widths)
def test_growing_takes_the_largest_value_in_a_disc(hole: Floats, pixels: int) -> None:
    np.testing.assert_array_equal(grow(hole, pixels), slow_grow(hole, pixels))


@given(soft, st.data(), widths, widths)
def test_a_larger_selection_never_shows_less_of_the_fill(
    hole: Floats, data: st.DataObject, pixels: int, width: int
) -> None:
    more = hnp.arrays(np.float32, hole.shape, elements=st.sampled_from([0.0, 0.0, 0.4, 1.0]))
    larger = np.maximum(hole, data.draw(more))
    blend = feather(grow(hole, pixels), width)
    assert (feather(grow(larger, pixels), width) >= blend - 1e-6).all()


@given(soft, widths, widths)
def test_the_feather_ends_where_it_has_to(hole: Floats, pixels: int, width: int) -> None:
    grown = grow(hole, pixels)
    blend = feather(grown, width)
    assert (blend >= grown).all()
    assert (blend <= 1).all()
    far = slow_distance(hole > 0) > pixels + width
    assert (blend[far] == 0).all()


@given(binary, widths)
def test_the_feather_of_a_hard_edge_falls_with_the_distance(mask: Mask, width: int) -> None:
    hole = mask.astype(np.float32)
    blend, distance = feather(hole, width), slow_distance(mask)
    assert (blend[mask] == 1).all()
    assert ((blend > 0) == (distance <= width)).all()
    order = np.argsort(distance, axis=None)
    assert (np.diff(blend.ravel()[order]) <= 1e-6).all()


def test_every_step_of_a_feather_is_small() -> None:
    hole = np.zeros((1, 40), np.float32)
    hole[0, :10] = 1
    blend = feather(hole, 12)[0]
    assert np.abs(np.diff(blend)).max() < 0.13


def slow_islands(below: Mask) -> list[set[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in np.argwhere(below)}
    found = []
    while left:
        todo = [left.pop()]
        region = set(todo)
        while todo:
            y, x = todo.pop()
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    region.add(near)
                    todo.append(near)
        height, width = below.shape
        if all(0 < y < height - 1 and 0 < x < width - 1 for y, x in region):
            found.append(region)
    return found


@given(binary, st.one_of(st.none(), st.integers(1, 6)))
def test_islands_are_the_known_regions_that_do_not_reach_the_border(mask: Mask, largest: int | None) -> None:
    expected = mask.astype(np.float32)
    for island in slow_islands(~mask):
        if largest is None or len(island) < largest:
            for y, x in island:
                expected[y, x] = 1
    np.testing.assert_array_equal(join_islands(mask.astype(np.float32), largest=largest), expected)


@given(soft)
def test_in_a_soft_selection_islands_rise_to_what_encloses_them(hole: Floats) -> None:
    expected = hole.copy()
    for share in (0.5, 0.625, 0.75, 0.875, 1):
        for island in slow_islands(hole < np.float32(share)):
            for y, x in island:
                expected[y, x] = max(expected[y, x], share)
    np.testing.assert_array_equal(join_islands(hole), expected)


def test_the_ramp_around_an_island_goes_with_it() -> None:
    y, x = np.indices((60, 60))
    radius = np.hypot(y - 30, x - 30)
    ring = np.clip(np.minimum(radius - 6, 25 - radius) / 4, 0, 1).astype(np.float32)
    joined = join_islands(ring)
    assert (joined[radius < 20] == 1).all()
    np.testing.assert_array_equal(joined[radius > 21], ring[radius > 21])


@given(st.one_of(binary, soft))
def test_bounds_hold_every_pixel_of_the_hole_and_no_more(values: Mask | Floats) -> None:
    bounds = read_hole(values).bounds
    rows, columns = np.nonzero(values)
    if rows.size == 0:
        assert bounds.is_empty
    else:
        assert (bounds.x, bounds.y) == (columns.min(), rows.min())
        assert (bounds.right, bounds.bottom) == (columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[False, True]]), [0, 1]),
        (np.array([[0, 255]], np.uint8), [0, 1]),
        (np.array([[0, 51, 255]], np.uint8), [0, 0.2, 1]),
        (np.array([[0, 1]], np.uint8), [0, 1]),
        (np.array([[0, 65535]], np.uint16), [0, 1]),
        (np.array([[0, 0.25, 1]], np.float64), [0, 0.25, 1]),
        (np.array([[0, 0.25, 1.0001]], np.float32), [0, 0.25, 1]),
        (np.array([[0, 51, 255]], np.float32), [0, 0.2, 1]),
        (np.array([[[0], [255]]], np.uint8), [0, 1]),
    ],
)
def test_every_way_to_write_a_mask(values: np.ndarray, expected: list[float]) -> None:
    mask = read_hole(values)
    np.testing.assert_allclose(mask.window(mask.canvas)[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), "not \\(4, 4, 3\\)"),
        (np.zeros((4, 4), np.int32), "int32"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (np.array([[0, np.nan]], np.float32), "NaN"),
        (np.array([[0, -1]], np.float32), "negative"),
    ],
)
def test_what_is_no_mask_is_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(HoleError, match=message):
        read_hole(values)


def test_only_a_mask_without_a_single_known_pixel_covers_everything() -> None:
    values = np.full((5, 7), 255, np.uint8)
    assert read_hole(values).covers_everything()
    values[2, 3] = 0
    assert not read_hole(values).covers_everything()


def test_holes_far_apart_are_found_with_their_exact_bounds() -> None:
    values = np.zeros((900, 1200), np.uint8)
    expected = [Rect(900, 3, 40, 5), Rect(17, 30, 70, 1), Rect(500, 700, 3, 200)]
    for hole in expected:
        values[hole.y : hole.bottom, hole.x : hole.right] = 9
    assert find_holes(read_hole(values)) == expected


def test_specks_near_each_other_are_one_hole() -> None:
    values = np.zeros((300, 300), np.bool_)
    values[100:140:8, 100:140:8] = True
    assert find_holes(read_hole(values)) == [Rect(100, 100, 33, 33)]


@given(
    st.lists(st.tuples(st.integers(0, 390), st.integers(0, 290)), min_size=1, max_size=7),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_holes_are_the_same_in_any_part_that_holds_them(
    points: list[tuple[int, int]], dx: int, dy: int
) -> None:
    values = np.zeros((300, 400), np.uint8)
    for x, y in points:
        values[y : y + 9, x : x + 5] = 255
    larger = np.zeros((420, 520), np.uint8)
    larger[dy : dy + 300, dx : dx + 400] = values
    holes = find_holes(read_hole(values))
    assert [hole.shifted(dx, dy) for hole in holes] == find_holes(read_hole(larger))
    covered = np.zeros_like(values)
    for hole in holes:
        covered[hole.y : hole.bottom, hole.x : hole.right] = 255
    assert (covered >= values).all()


@pytest.mark.parametrize("width", [3, 9, 30, 100])
def test_the_thickness_of_a_stroke_is_its_width_wherever_it_goes(width: int) -> None:
    stroke = np.zeros((450, 450), np.bool_)
    stroke[100 : 100 + width, 10:440] = True
    stroke[100:440, 10 : 10 + width] = True
    assert 0.8 * width - 1 <= thickness(stroke) <= 1.2 * width + 3


def test_the_thickness_of_a_disc_grows_with_it() -> None:
    y, x = np.indices((301, 301))
    for radius in (10, 50, 150):
        measured = thickness(np.hypot(y - 150, x - 150) <= radius)
        assert 1.2 * radius - 3 < measured < 1.4 * radius + 3


def test_no_hole_has_no_thickness() -> None:
    assert thickness(np.zeros((9, 9), np.bool_)) == 0


@given(height=st.integers(1, 30), width=st.integers(1, 30), margin=st.integers(0, 9), seed=st.integers(0, 99))
def test_the_part_around_a_hole(height: int, width: int, margin: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random((height, width)) < 0.02
    hole[rng.integers(height), rng.integers(width)] = True
    y, x = np.nonzero(hole)
    part = np.zeros_like(hole)
    part[max(0, y.min() - margin) : y.max() + 1 + margin, max(0, x.min() - margin) : x.max() + 1 + margin] = 1
    seen = np.zeros_like(hole)
    seen[bounding_slices(hole, margin)] = 1
    assert np.array_equal(seen, part)
