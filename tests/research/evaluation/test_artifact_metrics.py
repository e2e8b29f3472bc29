from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.research.evaluation.artifact_metrics import (
    RING,
    SMALLEST_STEP,
    boundary_step,
    flat_grain_ratio,
    grain_deviation,
    grain_ratio,
)


def disc(side: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[0:side, 0:side] - (side - 1) / 2
    return x * x + y * y <= radius * radius


def noise(side: int, deviation: float, seed: int = 0) -> np.ndarray:
    return 128 + np.random.default_rng(seed).normal(0, deviation, (side, side, 3))


def slow_boundary_step(picture: np.ndarray, hole: np.ndarray) -> float:
    """The formula of the docstring, pair by pair."""
    height, width = hole.shape
    inside = np.argwhere(hole)

    def far(y: int, x: int) -> bool:
        return bool(np.square(inside - (y, x)).sum(axis=1).min() > RING * RING)

    near = np.array([[not far(y, x) for x in range(width)] for y in range(height)])
    crossing: dict[tuple[int, int], list[float]] = {(0, 1): [], (1, 0): []}
    around: dict[tuple[int, int], list[float]] = {(0, 1): [], (1, 0): []}
    for dy, dx in crossing:
        for y in range(height - dy):
            for x in range(width - dx):
                p, q = (y, x), (y + dy, x + dx)
                difference = float(np.abs(picture[p].astype(float) - picture[q]).mean())
                if hole[p] != hole[q]:
                    crossing[dy, dx].append(difference)
                elif not hole[p] and near[p] and near[q]:
                    around[dy, dx].append(difference)
    steps = [value for values in crossing.values() for value in values]
    expected = sum(len(crossing[way]) * np.mean(around[way]) for way in crossing) / len(steps)
    return float(max(np.mean(steps), SMALLEST_STEP) / max(expected, SMALLEST_STEP))


def test_a_step_by_hand() -> None:
    picture = np.zeros((40, 40, 3))
    picture[:] = np.arange(40)[None, :, None] * 2.0  # every pair side by side differs by 2
    hole = np.zeros((40, 40), bool)
    hole[:, 10:20] = True
    assert boundary_step(picture, hole) == pytest.approx(1)
    picture[hole] += 6  # +6 on one side makes 8 of 2, on the other 4
    assert boundary_step(picture, hole) == pytest.approx((8 + 4) / 2 / 2)


def test_a_step_is_the_formula_pair_by_pair() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (61, 72, 3), dtype=np.uint8)
    hole = np.zeros((61, 72), bool)
    hole[3:9, 5:8] = True
    hole[5:7, 6:14] = True
    assert boundary_step(picture, hole) == pytest.approx(slow_boundary_step(picture, hole), rel=1e-5)


def test_the_larger_the_offset_the_larger_the_step() -> None:
    hole = disc(128, 30)
    steps = []
    for offset in (0, 10, 20, 40):
        picture = noise(128, 5)
        picture[hole] += offset
        steps.append(boundary_step(picture, hole))
    assert steps == sorted(steps)
    assert steps[0] == pytest.approx(1, abs=0.1)
    # The mean step of normal noise is 2 sigma / sqrt(pi).
    assert steps[3] == pytest.approx(40 / (2 * 5 / np.sqrt(np.pi)), rel=0.1)


def test_stripes_are_compared_along_their_own_direction() -> None:
    picture = np.zeros((90, 90, 3))
    picture[:] = (np.arange(90) % 2)[:, None, None] * 100.0
    hole = np.zeros((90, 90), bool)
    hole[40:42, 30:60] = True  # a flat box: nearly all of its boundary goes across the stripes
    assert boundary_step(picture, hole) == pytest.approx(1)


def test_flat_pictures_have_no_traces() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert boundary_step(flat, disc(64, 12)) == 1
    assert grain_ratio(flat, disc(64, 12)) == 1


@pytest.mark.parametrize("inside", [0.5, 1.0, 1.5])
def test_grain_is_the_ratio_of_standard_deviations(inside: float) -> None:
    hole = disc(256, 60)
    picture = np.where(hole[:, :, None], noise(256, 8 * inside), noise(256, 8, seed=1))
    assert grain_ratio(picture, hole) == pytest.approx(inside, rel=0.05)


def test_in_flat_places_grain_is_told_from_texture() -> None:
    y, x = np.mgrid[0:256, 0:256]
    texture = np.where((x // 40 % 3 > 0)[:, :, None], 30 * np.sin(x * 2.0 + y * 1.3)[:, :, None], 0)
    hole = disc(256, 60)
    grain = noise(256, 6)
    picture = np.where(hole[:, :, None], grain, grain + texture)
    assert grain_ratio(picture, hole) < 0.5
    assert flat_grain_ratio(picture, hole) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("inside", [0.5, 1.5])
def test_in_flat_places_grain_is_the_ratio_of_standard_deviations(inside: float) -> None:
    hole = disc(256, 60)
    picture = np.where(hole[:, :, None], noise(256, 8 * inside), noise(256, 8, seed=1))
    assert flat_grain_ratio(picture, hole) == pytest.approx(inside, rel=0.06)
    assert flat_grain_ratio(np.full((256, 256, 3), 90), hole) == 1


def test_neither_an_offset_nor_a_shade_is_grain() -> None:
    hole = disc(256, 60)
    y, x = np.mgrid[0:256, 0:256]
    picture = noise(256, 6)
    before = grain_ratio(picture, hole)
    picture[hole] += 50
    picture += (0.2 * x + 0.1 * y)[:, :, None]
    assert grain_ratio(picture, hole) == pytest.approx(before, rel=0.02)


def test_grain_added_to_a_clean_picture_shows() -> None:
    hole = disc(256, 60)
    picture = np.where(hole[:, :, None], noise(256, 3), 128)
    assert grain_ratio(picture, hole) > 4


def test_a_deviation_is_that_of_the_residual_of_the_noise() -> None:
    picture = noise(256, 10)
    everywhere = np.ones((256, 256), bool)
    # White noise less its Gaussian mean: variance 1 - 2 g(0) + sum of g squared.
    offsets = np.arange(-8, 9)
    g = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 2.0**2))
    g /= g.sum()
    expected = 10 * np.sqrt(1 - 2 * g[8, 8] + np.square(g).sum())
    assert grain_deviation(picture, everywhere) == pytest.approx(expected, rel=0.02)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40))
def test_any_hole_has_finite_figures(x: int, y: int, width: int, height: int) -> None:
    hole = np.zeros((40, 48), bool)
    hole[y : y + height, x : x + width] = True
    picture = noise(48, 5)[:40]
    for figure in (boundary_step, grain_ratio, flat_grain_ratio):
        value = figure(picture, hole)
        assert np.isfinite(value)
        assert value > 0
