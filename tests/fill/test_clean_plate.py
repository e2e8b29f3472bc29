"""The background behind a thing that moves, against the truth that it was made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lama_core.client.geometry import Rect
from lama_core.fill import FillOptions, FillPlan, plan_fill
from lama_core.fill.clean_plate import MAX_SAMPLES, CleanPlate, known_pixels
from lama_core.image.transfer import decode, encode
from tests.fill.scenes import scene

SCENE = scene(140, 180)
WHITE = {"uint8": 255, "uint16": 65535, "float32": 1}


def frames(
    count: int = 8,
    *,
    dtype: str = "uint8",
    channels: int = 3,
    noise: float = 0.0,
    shake: int = 0,
    exposure: float = 0.0,
    step: int = 12,
    seed: int = 0,
) -> tuple[list[FillPlan], list[np.ndarray]]:
    """Plans of frames in which a thing walks by, and the same frames without it and without noise."""
    generator = np.random.default_rng(seed)
    plans, truths = [], []
    for number in range(count):
        dx, dy = generator.integers(-shake, shake + 1, 2) if number else (0, 0)
        clean = SCENE[20 + dy : 120 + dy, 20 + dx : 160 + dx]
        # Nothing is clipped.
        clean = encode(decode(clean) * ((1 + exposure * np.sin(number)) / (1 + exposure)))
        mask = np.zeros(clean.shape[:2], np.uint8)
        mask[30:70, 6 + step * number : 22 + step * number] = 255
        noisy = clean + generator.normal(0, 1, clean.shape) * noise
        noisy[mask > 0] = generator.random((np.count_nonzero(mask), 3))
        truth, picture = (_in_format(values, dtype, channels) for values in (clean, noisy))
        plans.append(plan_fill(picture, mask, FillOptions(grow=3, feather=2)))
        truths.append(truth)
    return plans, truths


def _in_format(values: np.ndarray, dtype: str, channels: int) -> np.ndarray:
    white = WHITE[dtype]
    values = values.clip(0, 1) * white if dtype != "float32" else values
    pixels = (np.rint(values) if white > 1 else values).astype(dtype)
    if channels < 3:
        pixels = pixels[:, :, :1]
    return np.dstack((pixels, np.full(pixels.shape[:2], white, dtype))) if channels in (2, 4) else pixels


def cleaned(plans: list[FillPlan], *, grain: int | None = None) -> tuple[list[np.ndarray], tuple[int, int]]:
    """What is left of each frame's hole, and the counts; the frames' pictures are filled in place."""
    holes = Rect(0, 0, 0, 0)
    for plan in plans:
        for window in plan.windows:
            holes = holes.union(window.written)
    plate = CleanPlate(holes, plans[0].pixel, "perceptual", frames=len(plans))
    alignments = [plate.add(plan) for plan in plans]
    counts = plate.finish()
    left = [plate.put_into(*pair, grain=grain) for pair in zip(plans, alignments, strict=True)]
    return left, counts


def error_of(plan: FillPlan, truth: np.ndarray) -> np.ndarray:
    """In the hole, of 255."""
    inside = ~known_pixels(plan)
    return (plan.picture[inside].astype(float) - truth[inside]) * (255 / WHITE[truth.dtype.name])


@pytest.mark.parametrize("dtype", list(WHITE))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_camera_that_stands_still_gives_the_background_bit_for_bit(dtype: str, channels: int) -> None:
    """With grain too: there is no noise that it could be."""
    plans, truths = frames(dtype=dtype, channels=channels)
    left, counts = cleaned(plans, grain=3)
    assert all(one is None for one in left)
    assert counts[1] == 0
    for plan, truth in zip(plans, truths, strict=True):
        inside = ~known_pixels(plan)
        assert np.array_equal(plan.picture[inside], truth[inside])
        # Where a float is blended with its equal, the last bit may be rounded.
        np.testing.assert_allclose(plan.picture, truth, rtol=3e-7 if dtype == "float32" else 0)


@settings(max_examples=5, deadline=None)
@given(st.integers(3, 9), st.integers(8, 14), st.integers(0, 3), st.integers(0, 99))
def test_what_is_seen_is_exact_and_only_the_rest_is_left(
    count: int, step: int, shake: int, seed: int
) -> None:
    """Whatever the path, with a shake of whole pixels."""
    plans, truths = frames(count, step=step, shake=shake, seed=seed)
    holes = [~known_pixels(plan) for plan in plans]
    left, (wanted, unseen) = cleaned(plans)
    assert 0 <= unseen < wanted
    for plan, truth, hole, rest in zip(plans, truths, holes, left, strict=True):
        there = np.ones(hole.shape, np.bool_) if rest is None else rest == 0
        assert np.array_equal(plan.picture[there], truth[there])
        assert hole[~there].all()


@pytest.mark.parametrize("count", [6, 12, 24])
def test_noise_falls_with_the_root_of_the_frames(count: int) -> None:
    """The median of n samples has 1.25 / sqrt(n) of their noise; most frames see what is in a hole."""
    plans, truths = frames(count, noise=5 / 255, step=20 if count == 6 else 5)
    cleaned(plans)
    noise = np.sqrt(
        np.mean(np.square(np.concatenate([error_of(*one) for one in zip(plans, truths, strict=True)])))
    )
    assert noise == pytest.approx(1.25 * 5 / np.sqrt(count), rel=0.45)


def test_grain_is_that_of_the_frames_and_moves() -> None:
    pictures = []
    for grain in (0, 1):
        plans, truths = frames(12, noise=5 / 255, step=9)
        cleaned(plans, grain=grain)
        errors = error_of(plans[4], truths[4])
        assert errors.std() == pytest.approx(5, rel=0.12)
        pictures.append(errors)
    assert abs(np.corrcoef(pictures[0].ravel(), pictures[1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_other_exposures_are_evened_out(dtype: str) -> None:
    """The light changes by a fifth either way: within 2 of 255 everywhere."""
    plans, truths = frames(exposure=0.2, dtype=dtype)
    cleaned(plans)
    for plan, truth in zip(plans, truths, strict=True):
        assert np.abs(error_of(plan, truth)).max() <= 2


def test_shake_exposure_and_noise_together() -> None:
    plans, truths = frames(12, noise=3 / 255, shake=3, exposure=0.05, step=9)
    cleaned(plans)
    for plan, truth in zip(plans, truths, strict=True):
        assert np.sqrt(np.mean(np.square(error_of(plan, truth)))) < 2.5


def test_what_passes_unmarked_in_few_frames_is_not_in_the_plate() -> None:
    plans, truths = frames(9, step=10)
    plans[5].picture[35:60, 10:40] = 255
    cleaned(plans, grain=0)
    for number in (0, 1, 2):
        assert np.abs(error_of(plans[number], truths[number])).max() == 0


def test_samples_are_bounded_and_the_first_frames_do_not_crowd_out_the_last() -> None:
    """Three times as many frames as are kept, of which the later two thirds are brighter by a step."""
    count = 3 * MAX_SAMPLES
    generator = np.random.default_rng(0)
    picture = np.full((40, 50, 3), 100, np.uint8)
    mask = np.zeros((40, 50), np.uint8)
    mask[18:22, 18:22] = 255
    plan = plan_fill(picture, mask, FillOptions(grow=0, feather=0))
    plate = CleanPlate(plan.windows[0].written, plan.pixel, "perceptual", frames=count)
    for number in range(count):
        noisy = (picture + generator.integers(0, 3, picture.shape)).astype(np.uint8)
        where = mask if number == 0 else np.roll(mask, 8, axis=1)
        noisy[20, 20] = 100 if number < MAX_SAMPLES else 140
        plate.add(plan_fill(noisy, where, FillOptions(grow=0, feather=0)))
    plate.finish()
    still = CleanPlate(plan.windows[0].written, plan.pixel, "perceptual", frames=2)
    alignment = still.add(plan)
    assert plate.put_into(plan, alignment, grain=None) is None
    assert (plan.picture[20, 20] == 140).all()
