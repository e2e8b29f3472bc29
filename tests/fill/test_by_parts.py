"""A hole whose window does not fit into the memory: filled from further away, then part by part."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lama_core.fill import FillCancelled, FillOptions, Progress, by_parts, fill, fill_region, plan_fill
from lama_core.fill.plan import TILE_PIXEL_BYTES
from lama_core.image.pixels import WHITE
from lama_core.model.prefill import harmonic_fill
from tests.fill.test_fill import mean_of_known
from tests.fill.test_tiles import gradient

FAST = FillOptions(quality="fast", memory=1, grain=False)
"""With the smallest parts that there are."""

SIDE = 256


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of 256 x 256 pixels, so that small pictures have many."""
    monkeypatch.setattr(by_parts, "MIN_PART", SIDE * SIDE)
    monkeypatch.setattr(by_parts, "TILE_OVERHEAD", 0)


def disc(height: int, width: int, radius: int) -> np.ndarray:
    y, x = np.indices((height, width))
    return np.where(np.hypot(y - height // 2, x - width // 2) < radius, 255, 0).astype(np.uint8)


class Seeing:
    """Fills by the mean of what is known, and keeps what it was shown."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        self.shapes.append((image.shape[2], image.shape[3]))
        return mean_of_known(image, hole)


def test_no_window_is_larger_than_fits() -> None:
    mask = disc(900, 1000, 330)
    picture = gradient(*mask.shape)
    seeing = Seeing()
    (window,) = plan_fill(picture, mask, FAST).windows
    assert by_parts.takes_too_much(window, FAST.memory)
    fill(picture, mask, seeing, FAST)
    assert len(seeing.shapes) > 9
    assert max(height * width for height, width in seeing.shapes) <= 1.05 * SIDE * SIDE


def test_what_fits_is_one_window() -> None:
    mask = disc(500, 500, 180)
    (window,) = plan_fill(gradient(500, 500), mask, FAST).windows
    pixels = window.rect.area
    assert not by_parts.takes_too_much(window, None)
    assert not by_parts.takes_too_much(window, pixels * TILE_PIXEL_BYTES)
    assert by_parts.takes_too_much(window, (pixels - 1) * TILE_PIXEL_BYTES)


@pytest.mark.parametrize(
    ("dtype", "channels"), [(np.uint8, 3), (np.uint16, 4), (np.float16, 1), (np.float32, 2)]
)
def test_all_of_the_hole_is_filled_and_nothing_else_changes(dtype: type, channels: int) -> None:
    mask = disc(620, 640, 220)
    white = WHITE[np.dtype(dtype)]
    colours = (gradient(620, 640) / 255 * white).astype(dtype)
    picture = colours[:, :, : 3 if channels > 2 else 1]
    if channels in (2, 4):
        picture = np.concatenate([picture, np.full((620, 640, 1), white, dtype)], axis=2)
    damaged = picture.copy()
    damaged[mask > 0] = 0
    filled = fill(damaged, mask, harmonic_fill, FAST)
    (window,) = plan_fill(damaged, mask, FAST).windows
    reach = window.grow + window.feather
    far = disc(620, 640, 221 + reach) == 0
    assert np.array_equal(filled[far], damaged[far])
    inside = mask > 0
    # What is smooth goes on through the hole, in the middle of which no part sees its edge.
    error = np.abs(filled[inside].astype(float) - picture[inside].astype(float)).max() / white
    assert error < 0.05


def test_even_colour_stays_even() -> None:
    mask = disc(700, 700, 260)
    picture = np.full((700, 700, 3), 120, np.uint8)
    picture[mask > 0] = 255
    filled = fill(picture, mask, mean_of_known, FAST)
    assert np.abs(filled.astype(int) - 120).max() <= 1


def test_no_step_where_parts_meet() -> None:
    """Each part is predicted in a brightness of its own, and what shows of that is faded over the overlap."""

    class Unsteady:
        calls = 0

        def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return torch.full_like(image, 0.5) + (0.1 if self.calls % 2 else -0.1)

    mask = disc(800, 800, 300)
    picture = np.full((800, 800), 128, np.uint8)
    options = replace(FAST, seam=False)
    filled = fill(picture, mask, Unsteady(), options).astype(int)
    inside = disc(800, 800, 290) > 0
    for axis in (0, 1):
        steps = np.abs(np.diff(filled, axis=axis))
        both = inside[1:] & inside[:-1] if axis == 0 else inside[:, 1:] & inside[:, :-1]
        assert steps[both].max() <= 4


def test_what_the_hole_encloses_is_filled_too_or_kept() -> None:
    """The island is larger than any part."""
    mask = disc(1000, 1000, 400)
    mask[disc(1000, 1000, 190) > 0] = 0
    picture = gradient(1000, 1000)
    island = disc(1000, 1000, 170) > 0
    joined = fill(picture, mask, mean_of_known, FAST)
    assert (joined[island] != picture[island]).any(axis=1).mean() > 0.9
    kept = fill(picture, mask, mean_of_known, replace(FAST, join_islands=False))
    assert np.array_equal(kept[island], picture[island])


def test_half_a_picture_up_to_its_border() -> None:
    picture = gradient(700, 900)
    mask = np.zeros((700, 900), np.uint8)
    mask[:, :500] = 255
    seeing = Seeing()
    filled = fill(picture, mask, seeing, FAST)
    assert np.array_equal(filled[:, 560:], picture[:, 560:])
    assert (filled[:, :500] != picture[:, :500]).any(axis=2).mean() > 0.9
    # No part was filled of which nothing was known: those beside the known half went first.
    assert np.isfinite(filled.astype(float)).all()


def test_where_nothing_near_is_known_it_is_as_ever() -> None:
    """All of the window is transparent: it has to be enlarged."""
    picture = np.zeros((1500, 1500, 4), np.uint8)
    picture[:20, :20] = 90
    picture[:20, :20, 3] = 255
    mask = disc(1500, 1500, 250)
    filled = fill(picture, mask, mean_of_known, FAST)
    assert (filled[mask > 0] == (90, 90, 90, 255)).all()


def test_what_may_be_copied_is_held() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 100, (600, 700, 3), np.uint8)
    picture[:, 600:] = rng.integers(156, 256, (600, 100, 3), np.uint8)
    mask = disc(600, 700, 180)
    source = np.zeros((600, 700), np.uint8)
    source[:, :150] = 255
    options = replace(FAST, quality="balanced")
    filled = fill(picture, mask, mean_of_known, options, source=source)
    assert (filled[mask > 0] < 150).all()


def test_it_can_be_cancelled_between_parts_and_tells_how_far_it_is() -> None:
    mask = disc(700, 700, 260)
    picture = gradient(700, 700)
    told: list[float] = []
    fill(picture, mask, mean_of_known, FAST, progress=Progress(on_report=lambda _, at: told.append(at)))
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 12
    seeing = Seeing()
    progress = Progress(cancelled=lambda: len(seeing.shapes) >= 3)
    with pytest.raises(FillCancelled):
        fill(picture, mask, seeing, FAST, progress=progress)
    assert len(seeing.shapes) == 3


def test_it_is_the_same_each_time() -> None:
    mask = disc(600, 600, 200)
    picture = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    options = replace(FAST, seed=3, grain=True)
    first = fill(picture, mask, mean_of_known, options)
    assert np.array_equal(first, fill(picture, mask, mean_of_known, options))


def test_memory_is_that_of_a_part_and_of_what_is_written() -> None:
    def peak(options: FillOptions) -> int:
        tracemalloc.start()
        fill_region(picture, mask, mean_of_known, options)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    mask = disc(1100, 1100, 430)
    picture = np.zeros((1100, 1100, 3), np.uint8)
    whole = peak(replace(FAST, memory=None))
    parts = peak(FAST)
    assert parts < whole / 2


@settings(max_examples=3, deadline=None)
@given(
    st.integers(1, 700),
    st.integers(1, 700),
    st.integers(0, 250),
    st.integers(0, 250),
    st.sampled_from([None, 0, 7]),
    st.sampled_from([None, 0, 9]),
    st.booleans(),
)
def test_wherever_the_hole_is(
    width: int, height: int, x: int, y: int, grow: int | None, feather: int | None, soft: bool
) -> None:
    canvas = (560, 640)
    mask = np.zeros(canvas, np.float32)
    mask[y : y + height, x : x + width] = 1
    if mask.all():
        mask[0, 0] = 0
    if soft:
        blurred = F.avg_pool2d(torch.from_numpy(mask)[None, None], 9, 1, 4)
        mask = blurred[0, 0].numpy().clip(0, 1)
    picture = gradient(*canvas)
    options = replace(FAST, grow=grow, feather=feather)
    plan = plan_fill(picture, mask, options)
    region = fill_region(picture, mask, mean_of_known, options)
    (window,) = plan.windows
    assert region.rect == window.written
    whole = fill_region(picture, mask, mean_of_known, replace(options, memory=None))
    np.testing.assert_allclose(region.blend, whole.blend, atol=1e-6)
    unchanged = region.blend == 0
    rect = region.rect
    own = picture[rect.y : rect.bottom, rect.x : rect.right]
    assert np.array_equal(region.pixels[unchanged], own[unchanged])
    assert math.isfinite(float(region.pixels.sum()))
