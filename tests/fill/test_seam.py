"""The correction of offsets at the hole's edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lama_core.fill.seam import correct_seam

SIZE = 160


def scene() -> np.ndarray:
    """A smooth picture, (3, SIZE, SIZE), with some texture to the right."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    planes = np.stack([0.3 + 0.3 * x, 0.5 + 0.2 * np.sin(3 * y), 0.6 - 0.3 * x * y])
    texture = np.random.default_rng(0).normal(0, 0.05, (SIZE, SIZE)) * (x > 0.6)
    return (planes + texture).clip(0, 1).astype(np.float32)


def disc(y: int, x: int, radius: int) -> np.ndarray:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    return np.hypot(rows - y, columns - x) <= radius


def known_of(picture: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    return np.where(unknown, np.float32(0), picture)


OFFSET = np.array([0.04, -0.03, 0.02], np.float32)[:, None, None]


@pytest.mark.parametrize(("where", "left"), [("everywhere", 0.002), ("in the hole", 0.01)])
def test_an_offset_is_taken_out(where: str, left: float) -> None:
    truth, unknown = scene(), disc(80, 50, 30)
    off = truth + OFFSET * (np.ones_like(unknown) if where == "everywhere" else unknown)
    error = correct_seam(off, known_of(truth, unknown), unknown) - truth
    assert np.abs(error[:, unknown]).mean() < left
    assert np.abs((off - truth)[:, unknown]).mean() > 0.028


def test_an_offset_that_changes_along_the_boundary_is_followed() -> None:
    truth, unknown = scene(), disc(80, 60, 40)
    ramp = np.linspace(-0.05, 0.05, SIZE, dtype=np.float32)[:, None]
    error = correct_seam(truth + ramp, known_of(truth, unknown), unknown) - truth
    assert np.abs(error[:, unknown]).mean() < 0.004


def test_each_hole_is_corrected_by_its_own_boundary() -> None:
    truth, one, other = scene(), disc(40, 40, 20), disc(120, 50, 20)
    unknown = one | other
    off = truth + 0.04 * one - 0.04 * other
    error = correct_seam(off.astype(np.float32), known_of(truth, unknown), unknown) - truth
    assert np.abs(error[:, one]).mean() < 0.012
    assert np.abs(error[:, other]).mean() < 0.012


def test_texture_that_the_prediction_lacks_is_no_offset() -> None:
    truth, unknown = scene(), disc(80, 120, 30)
    smooth = np.broadcast_to(truth.mean(axis=2, keepdims=True), truth.shape)
    textured = truth.copy()
    textured[:] = smooth + np.random.default_rng(1).normal(0, 0.1, truth.shape)
    added = correct_seam(smooth.astype(np.float32), known_of(textured.clip(0, 1), unknown), unknown) - smooth
    assert np.abs(added).max() < 0.02
    assert np.abs(added[:, unknown]).mean() < 0.004


def test_an_edge_where_the_hole_ends_is_not_smeared_into_it() -> None:
    unknown = disc(80, 80, 40)
    known = np.full((3, SIZE, SIZE), 0.3, np.float32)
    prediction = np.where(unknown, np.float32(0.7), known)
    corrected = correct_seam(prediction, known_of(known, unknown), unknown)
    assert np.abs(corrected - prediction).max() < 0.004


@given(
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=24).flatmap(lambda shape: hnp.arrays(np.bool_, shape)),
    st.integers(0, 99),
)
def test_any_hole_gets_numbers(unknown: np.ndarray, seed: int) -> None:
    generator = np.random.default_rng(seed)
    colour, prediction = (generator.random((3, *unknown.shape), np.float32) for _ in range(2))
    corrected = correct_seam(prediction, known_of(colour, unknown), unknown)
    assert corrected.shape == prediction.shape
    assert corrected.dtype == np.float32
    assert np.isfinite(corrected).all()
    assert np.abs(corrected - prediction).max() <= 4


def test_a_prediction_that_is_right_stays_right_to_far_below_16_bits() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    truth = np.broadcast_to((0.4 + (x + y) * 1e-4).astype(np.float32), (3, SIZE, SIZE))
    unknown = disc(80, 80, 40)
    corrected = correct_seam(truth, known_of(truth, unknown), unknown)
    assert np.abs(corrected - truth).max() < 0.1 / 65535


def test_large_windows_take_larger_cells() -> None:
    unknown = np.zeros((40, 4000), np.bool_)
    unknown[15:25, 100:3900] = True
    truth = np.full((3, 40, 4000), 0.5, np.float32)
    error = correct_seam(truth + 0.05, known_of(truth, unknown), unknown) - truth
    assert np.abs(error[:, unknown]).max() < 0.002
