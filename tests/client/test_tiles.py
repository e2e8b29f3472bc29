"""Cutting holes that are many or long into tiles, each of which gets a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.client import tiles
from lama_core.client.geometry import MAX_FEATHER, MAX_GROW, Context, Rect, Window, context_window
from lama_core.client.tiles import MAX_TILE, Cells
from lama_core.image.mask_ops import distance_to, hole_cells, read_hole

SMALL = 1 << 17
"""Pixels of a window, for tests in small pictures."""


def cells_of(mask: np.ndarray) -> Cells:
    return hole_cells(read_hole(mask))


def plan(mask: np.ndarray, **options: object) -> list[Window]:
    canvas = Rect(0, 0, mask.shape[1], mask.shape[0])
    return tiles.plan(cells_of(mask), canvas, **options)  # type: ignore[arg-type]


def area(windows: list[Window]) -> int:
    return sum(window.rect.area for window in windows)


def dust(side: int, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros((side, side), np.uint8)
    for y, x, size in zip(*rng.integers(0, side - 8, (2, count)), rng.integers(1, 9, count), strict=True):
        mask[y : y + size, x : x + size] = 255
    return mask


def hair(side: int, thickness: int = 3) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    along = np.linspace(0, 1, 8 * side)
    x = (along * (side - 1)).astype(int)
    y = ((along + 0.04 * np.sin(9 * along)).clip(0, 1) * (side - 1)).astype(int)
    for step in range(thickness):
        mask[(y + step).clip(0, side - 1), x] = 255
    return mask


def scratches(side: int) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    for place in range(side // 12, side, side // 6):
        mask[:, place : place + 3] = 255
    mask[side // 3 : side // 3 + 4] = 255
    return mask


def check(mask: np.ndarray, windows: list[Window], reach: int) -> None:
    """Every pixel that may change is written by one window, which sees what it needs."""
    canvas = Rect(0, 0, mask.shape[1], mask.shape[0])
    written = np.zeros(mask.shape, np.uint16)
    for window in windows:
        assert canvas.contains(window.rect)
        assert window.rect.contains(window.written)
        at = window.written
        written[at.y : at.bottom, at.x : at.right] += 1
    assert written.max() == 1
    near = distance_to(mask > 0, reach) <= reach
    assert (written[near] == 1).all()


@settings(max_examples=40)
@given(
    st.sampled_from([dust(700, 300), dust(900, 90), hair(1100), scratches(1000), dust(600, 4000)]),
    st.sampled_from([None, 0, 3, 30]),
    st.sampled_from([None, 0, 5, 40]),
    st.sampled_from(["auto", 16, 64, 300]),
    st.integers(0, 3),
    st.booleans(),
)
def test_every_pixel_that_may_change_is_written_by_one_window(
    mask: np.ndarray, grow: int | None, feather: int | None, context: Context, turns: int, mirrored: bool
) -> None:
    mask = np.ascontiguousarray(np.rot90(mask[::-1] if mirrored else mask, turns))
    windows = plan(mask, grow=grow, feather=feather, context=context, max_tile=SMALL)
    # What an automatic grow and feather can be at least, for the thinnest holes.
    reach = (2 if grow is None else grow) + (2 if feather is None else feather)
    check(mask, windows, reach)
    for window in windows:
        assert window.grow == grow if grow is not None else 0 <= window.grow <= MAX_GROW
        assert window.feather == feather if feather is not None else 0 <= window.feather <= MAX_FEATHER


@given(st.integers(0, 2**32 - 1), st.floats(0.00001, 0.02), st.integers(40, 1200), st.integers(40, 1200))
def test_whatever_the_mask(seed: int, density: float, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) < density).astype(np.uint8)
    mask[rng.integers(height), rng.integers(width)] = 1
    check(mask, plan(mask, max_tile=SMALL), 4)


def test_a_scan_with_dust_takes_little_more_than_its_pixels() -> None:
    mask = dust(4096, 1000)
    windows = plan(mask)
    assert max(window.rect.area for window in windows) <= 1.1 * MAX_TILE
    # Each window sees 96 pixels around what it fills.
    assert area(windows) <= 1.6 * mask.size
    alone = sum(
        context_window(hole, Rect(0, 0, 4096, 4096), grow=2, feather=2).area
        for hole in tiles.hole_bounds(cells_of(mask))
    )
    assert area(windows) <= alone


@pytest.mark.parametrize("thickness", [1, 3, 40])
def test_a_hair_takes_the_windows_along_it(thickness: int) -> None:
    windows = plan(hair(6000, thickness))
    assert len(windows) >= 10
    # One window of 320 x 320 every 200 pixels of 8,500 would be 4.4 MP.
    assert area(windows) <= 1.5 * 4.4e6 * (1 + thickness / 60)
    assert max(window.rect.area for window in windows) <= MAX_TILE


def test_scratches_from_edge_to_edge_are_cut_where_they_cross() -> None:
    mask = scratches(6000)
    windows = plan(mask)
    assert max(window.rect.area for window in windows) <= MAX_TILE
    assert area(windows) <= 0.5 * mask.size


def test_dust_beside_something_large_leaves_that_whole() -> None:
    mask = dust(4096, 300)
    mask[1500:2600, 1700:2900] = 255
    windows = plan(mask)
    (around,) = [window for window in windows if window.rect.contains(Rect(1750, 1550, 1100, 1000))]
    assert around.written.contains(Rect(1700, 1500, 1200, 1100))
    assert len(windows) > 10


def test_a_thick_ring_is_not_cut_and_a_thin_one_is() -> None:
    y, x = np.indices((2600, 2600))
    radius = np.hypot(y - 1300, x - 1300)
    assert len(plan(((radius > 1000) & (radius < 1200)).astype(np.uint8))) == 1
    thin = ((radius > 1190) & (radius < 1200)).astype(np.uint8)
    assert len(plan(thin)) > 8
    # What is inside it is to be filled too: it has to be seen as a whole.
    assert len(plan(thin, may_cut=False)) == 1
    assert len(plan(thin, context="whole")) == 1


def test_few_holes_get_the_windows_that_they_always_got() -> None:
    mask = np.zeros((3000, 3000), np.uint8)
    mask[100:200, 100:160] = 255
    mask[2500:2530, 2700:2900] = 255
    holes = tiles.hole_bounds(cells_of(mask))
    canvas = Rect(0, 0, 3000, 3000)
    assert plan(mask) == tiles.plan_windows(holes, canvas)


def test_cutting_stops_where_nothing_is_gained() -> None:
    # All windows would be nearly the picture.
    assert len(plan(hair(1500), context=1400)) == 1
    assert len(plan(hair(1500), grow=1000)) == 1
    assert len(plan(dust(1500, 400), context=1400)) == 1


def test_it_takes_a_moment() -> None:
    """Less than a window of it takes to fill: planning is not what a scan waits for."""
    from time import perf_counter

    cells = cells_of(dust(6000, 2000))
    begin = perf_counter()
    windows = tiles.plan(cells, Rect(0, 0, 6000, 6000))
    assert perf_counter() - begin < 2.0 * len(windows)
