"""Shifts and gains between frames, against those that they were made with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.fill.frame_alignment import find_gains, find_shift, resampled, shifted
from tests.fill.scenes import scene

BIG = scene(200, 240).mean(axis=2).astype(np.float32)
SHAPE = (160, 200)
KNOWN = np.ones(SHAPE, np.bool_)
KNOWN[60:110, 40:70] = False
OTHER = np.ones(SHAPE, np.bool_)
OTHER[60:110, 100:130] = False


def view(dx: int = 0, dy: int = 0, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    part = BIG[20 + dy : 180 + dy, 20 + dx : 220 + dx]
    return part + np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32) * np.float32(noise)


@settings(max_examples=8, deadline=None)
@given(st.integers(-15, 15), st.integers(-15, 15), st.sampled_from([0.0, 0.02]), st.floats(0.8, 1.2))
def test_a_shift_of_whole_pixels_is_found_exactly(dx: int, dy: int, noise: float, gain: float) -> None:
    """Whatever is in the holes, and whatever the exposure."""
    frame = view(dx, dy, noise, seed=1) * np.float32(gain)
    frame[~OTHER] = 1
    assert find_shift(view(noise=noise), frame, KNOWN, OTHER) == (-dx, -dy, True)


def test_a_shift_between_pixels_is_found() -> None:
    whole = np.ones(BIG.shape, np.bool_)
    moved = resampled(BIG[:, :, None], whole, 0.4, -1.3)[0][20:180, 20:220, 0]
    dx, dy, same = find_shift(view(), moved, KNOWN, OTHER)
    assert same
    assert (dx, dy) == (pytest.approx(-0.4, abs=0.01), pytest.approx(1.3, abs=0.01))


def test_what_moves_unmarked_does_not_matter() -> None:
    frame = view()
    frame[20:50, 120:180] = 0.9
    assert find_shift(view(), frame, KNOWN, OTHER) == (0, 0, True)


def test_another_view_is_no_shift() -> None:
    other = scene(*SHAPE, seed=5).mean(axis=2).astype(np.float32)
    assert not find_shift(view(), other, KNOWN, OTHER)[2]


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_a_wall_without_detail_does_not_move(noise: float) -> None:
    walls = [np.full(SHAPE, 0.5, np.float32) + view(noise=noise, seed=n) - view() for n in (1, 2)]
    assert find_shift(*walls, KNOWN, OTHER) == (0, 0, True)


def test_nothing_to_compare_is_no_shift() -> None:
    assert find_shift(view(), view(2, 2), np.zeros_like(KNOWN), OTHER) == (0, 0, True)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 2.0), st.sampled_from([0.0, 0.01]))
def test_the_gain_is_that_of_the_exposure(gain: float, noise: float) -> None:
    light = view()[:, :, None] * np.float32(0.4)
    frame = (view(noise=noise, seed=1)[:, :, None] * np.float32(0.4)) / np.float32(gain)
    (found,) = find_gains(light, frame, KNOWN & OTHER, white=1.0)
    assert found == pytest.approx(gain, rel=0.005)


def test_the_same_exposure_is_exactly_the_same() -> None:
    light = view()[:, :, None]
    assert find_gains(light, light.copy(), KNOWN, white=1.0) == (1.0,)


@given(st.integers(-30, 30), st.integers(-30, 30))
def test_shifting_moves_values_and_brings_in_nothing(dx: int, dy: int) -> None:
    values = np.arange(1, 13 * 17 + 1).reshape(13, 17)
    moved = shifted(values, dx, dy)
    for y in range(13):
        for x in range(17):
            inside = 0 <= y + dy < 13 and 0 <= x + dx < 17
            assert moved[y, x] == (values[y + dy, x + dx] if inside else 0)


def test_resampling_keeps_straight_slopes_and_knows_what_it_has_seen() -> None:
    rows, columns = np.mgrid[:20, :30].astype(np.float32)
    known = np.ones((20, 30), np.bool_)
    known[10, 15] = False
    moved, seen = resampled((2 * columns + rows)[:, :, None], known, 1.25, -2.5)
    expected = 2 * (columns + 1.25) + rows - 2.5
    assert np.abs(moved[:, :, 0] - expected)[seen].max() < 1e-4
    # Four pixels in each direction see the unknown one.
    assert np.count_nonzero(~seen[4:-2, 2:-4]) == 16
