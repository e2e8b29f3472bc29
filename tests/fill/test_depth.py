"""Depth and light through the whole fill, with seams evened out and grain matched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lama_core.fill import FillOptions, fill
from lama_core.image.transfer import decode
from lama_core.model.prefill import harmonic_fill

SIZE = 192
HOLE = np.zeros((SIZE, SIZE), np.uint8)
HOLE[70:120, 60:130] = 255
INSIDE = HOLE > 0


def smooth(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
    """A generator that spans a soap film over the hole."""
    return harmonic_fill(image, hole)


def gradient(low: float, high: float) -> np.ndarray:
    """(SIZE, SIZE, 3) of float64, rising along both sides."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / (2 * SIZE - 2)
    return np.repeat((low + (high - low) * (x + y))[:, :, None], 3, axis=2)


def with_hole(picture: np.ndarray) -> np.ndarray:
    return np.where(INSIDE[:, :, None], picture.dtype.type(0), picture)


@pytest.mark.parametrize("light", ["perceptual", "linear"])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_fine_gradient_comes_back_without_bands(dtype: type, light: str) -> None:
    white = 65535 if dtype is np.uint16 else 1
    # All of it is within two steps of 8 bits: any such step would leave bands.
    truth = (gradient(0.5, 0.506) * white).astype(dtype)
    filled = fill(with_hole(truth), HOLE, smooth, FillOptions(quality="fast", transfer=light))
    error = filled.astype(float) - truth
    assert np.abs(error).max() < 6e-4 * white / 4
    assert len(np.unique(filled[INSIDE][:, 0])) > 100
    steps = np.abs(np.diff(filled[95, 60:130, 0].astype(float)))
    assert steps.max() < 0.25 / 255 * white


def test_a_clean_gradient_of_8_bits_gets_nothing_but_its_own_levels() -> None:
    truth = np.rint(gradient(0.4, 0.6) * 255).astype(np.uint8)
    filled = fill(with_hole(truth), HOLE, smooth, FillOptions(quality="fast"))
    assert np.abs(filled.astype(int) - truth).max() <= 1


def test_linear_light_is_filled_as_it_is_seen() -> None:
    seen: list[torch.Tensor] = []

    def look(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return smooth(image, hole)

    perceptual = gradient(0.1, 0.9)
    linear = decode(perceptual).astype(np.float32)
    filled = fill(with_hole(linear), HOLE, look, FillOptions(quality="fast", transfer="linear"))
    same = fill(with_hole(perceptual.astype(np.float32)), HOLE, look, FillOptions(quality="fast"))
    torch.testing.assert_close(seen[0], seen[-1], atol=1e-5, rtol=0)
    np.testing.assert_allclose(filled, decode(same.astype(np.float64)), atol=1e-4)


def test_a_hole_in_a_bright_sky_is_as_bright_as_the_sky() -> None:
    sky = (2.0 ** gradient(-3, 5)).astype(np.float32)  # from an eighth of white to 32 times
    filled = fill(with_hole(sky), HOLE, smooth, FillOptions(quality="fast", transfer="linear"))
    stops = np.log2(filled[INSIDE] / sky[INSIDE])
    assert np.abs(stops).max() < 0.25
    assert filled[INSIDE].max() > 3


def test_a_few_glaring_pixels_do_not_spoil_the_rest() -> None:
    room = gradient(0.1, 0.4).astype(np.float32)
    sun = room.copy()
    sun[3:7, 3:7] = 5000
    plain, glaring = (
        fill(with_hole(picture), HOLE, smooth, FillOptions(quality="fast", transfer="linear"))
        for picture in (room, sun)
    )
    np.testing.assert_allclose(glaring[INSIDE], plain[INSIDE], rtol=1e-3)
    assert (glaring[3:7, 3:7] == 5000).all()


def test_numbers_outside_of_0_and_1_are_not_converted() -> None:
    wide = gradient(-0.2, 1.3).astype(np.float32)
    wide[:, :, 1] *= 0.5
    filled = fill(with_hole(wide), HOLE, smooth, FillOptions(quality="fast"))
    np.testing.assert_allclose(filled[INSIDE], wide[INSIDE], atol=0.02)
    np.testing.assert_array_equal(filled[:40], wide[:40])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_grain_has_the_depth_of_the_picture(dtype: type) -> None:
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    noise = np.random.default_rng(0).normal(0, 0.03, (SIZE, SIZE, 3))
    noisy = ((gradient(0.3, 0.7) + noise) * white).astype(dtype)
    filled = fill(with_hole(noisy), HOLE, smooth, FillOptions(quality="fast"))
    bare = fill(with_hole(noisy), HOLE, smooth, FillOptions(quality="fast", grain=False))
    added = (filled.astype(float) - bare)[INSIDE] / white
    assert added.std() == pytest.approx(0.03, rel=0.2)
    levels = len(np.unique(filled[INSIDE]))
    assert levels > (50 if dtype is np.uint8 else 5000)


def test_every_step_can_be_switched_off() -> None:
    noise = np.random.default_rng(0).normal(0, 0.03, (SIZE, SIZE, 3))
    noisy = (gradient(0.3, 0.7) + noise).astype(np.float32)

    def off(image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        return smooth(image, hole) + 0.04

    def filled(**options: bool) -> np.ndarray:
        return fill(with_hole(noisy), HOLE, off, FillOptions(quality="fast", **options))[INSIDE]

    neither = filled(seam=False, grain=False)
    assert abs((filled(seam=True, grain=False) - neither).mean() + 0.04) < 0.005
    assert abs((filled(seam=False, grain=True) - neither).mean()) < 0.003
    assert (filled(seam=False, grain=True) - neither).std() > 0.02
    assert neither.std() < filled().std()
