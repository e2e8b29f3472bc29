"""The grain of a fill, against noise whose strength, correlation and dependence on brightness are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lama_core.fill import grain
from lama_core.fill.grain import lowpass, match_grain
from lama_core.fill.noise import find_noise

SIZE = 256
UNKNOWN = np.zeros((SIZE, SIZE), np.bool_)
UNKNOWN[70:190, 80:200] = True
RING = np.zeros_like(UNKNOWN)
RING[46:214, 56:224] = True
RING &= ~UNKNOWN


def ramp(low: float = 0.2, high: float = 0.8) -> np.ndarray:
    """(3, SIZE, SIZE), smooth: from dark at the top to bright at the bottom."""
    light = np.linspace(low, high, SIZE, dtype=np.float32)[:, None]
    return np.broadcast_to(light, (3, SIZE, SIZE)) * np.array([1, 0.9, 0.7], np.float32)[:, None, None]


def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    """Circular, so that it is noise to the very border; of unit deviation."""
    frequency = np.fft.fftfreq(SIZE)
    response = np.exp(-2 * (np.pi * sigma) ** 2 * (frequency[:, None] ** 2 + frequency**2))
    result = np.fft.ifft2(np.fft.fft2(values) * response).real
    return result / result.std()


def sensor(light: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Independent pixels; the variance rises with brightness."""
    return generator.normal(size=light.shape) * np.sqrt(0.0001 + 0.0015 * light)


def film(light: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Correlated over neighbours and channels, strongest in the mid-tones."""
    common = blurred(generator.normal(size=(SIZE, SIZE)), 0.8)
    own = np.stack([blurred(generator.normal(size=(SIZE, SIZE)), 0.8) for _ in range(3)])
    return 0.04 * (0.4 + 2.4 * light * (1 - light)) * (0.9 * common + 0.43 * own)


def coloured(light: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Of other strength in each channel."""
    return generator.normal(size=light.shape) * np.array([0.03, 0.012, 0.05])[:, None, None]


KINDS = [sensor, film, coloured]


def photo(kind: Callable, seed: int = 0, levels: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture, rounded, and the same without noise."""
    light = ramp()
    noisy = (light + kind(light, np.random.default_rng(seed))).clip(0, 1)
    return (np.rint(noisy * levels) / levels).astype(np.float32), light


def known_of(picture: np.ndarray) -> np.ndarray:
    return np.where(UNKNOWN, np.float32(0), picture)


def residual(picture: np.ndarray) -> np.ndarray:
    return picture - lowpass(torch.from_numpy(np.ascontiguousarray(picture))).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_the_fill_gets_as_much_grain_as_the_ring_around_it(kind: Callable) -> None:
    noisy, light = photo(kind)
    filled = np.where(UNKNOWN, match_grain(light, known_of(noisy), UNKNOWN, 0), noisy)
    inside, around = (residual(filled)[:, where].std(axis=1) for where in (UNKNOWN, RING))
    np.testing.assert_allclose(inside / around, 1, atol=0.15)
    assert (residual(light)[:, UNKNOWN].std(axis=1) < 0.05 * around).all()


@pytest.mark.parametrize("kind", [sensor, film])
def test_the_grain_depends_on_brightness_as_that_of_the_picture(kind: Callable) -> None:
    noisy, light = photo(kind)
    added = residual(match_grain(light, known_of(noisy), UNKNOWN, 0))
    truth = residual(noisy)
    for rows in (slice(74, 100), slice(110, 150), slice(160, 186)):
        made, real = (values[0, rows, 84:196].std() for values in (added, truth))
        assert made == pytest.approx(real, rel=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_grain_hangs_together_as_that_of_the_picture(kind: Callable) -> None:
    noisy, light = photo(kind)
    inside = (slice(None), slice(72, 188), slice(82, 198))
    made, real = (
        match_grain(light, known_of(noisy), UNKNOWN, 0)[inside] - light[inside],
        (noisy - light)[inside],
    )
    for one, other in ((0, 1), (0, 2), (1, 2)):
        of_made, of_real = (np.corrcoef(v[one].ravel(), v[other].ravel())[0, 1] for v in (made, real))
        assert of_made == pytest.approx(of_real, abs=0.12)
    for y, x in ((0, 1), (1, 0), (1, 1), (0, 2)):
        of_made, of_real = (
            np.corrcoef(v[0, y:, x:].ravel(), v[0, : v.shape[1] - y, : v.shape[2] - x].ravel())[0, 1]
            for v in (made, real)
        )
        assert of_made == pytest.approx(of_real, abs=0.12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_that_has_grain_gets_no_more(kind: Callable) -> None:
    noisy, _ = photo(kind)
    other, _ = photo(kind, seed=1)
    filled = match_grain(other, known_of(noisy), UNKNOWN, 0)
    made, real = (residual(values)[:, UNKNOWN].std(axis=1) for values in (filled, noisy))
    np.testing.assert_allclose(made / real, 1, atol=0.15)


def test_the_grain_of_frames_moves_and_is_the_same_again() -> None:
    noisy, light = photo(sensor)
    frames = [None, 0, 1, 2, 1 << 31]
    made = [match_grain(light, known_of(noisy), UNKNOWN, 7, frame) - light for frame in frames]
    for number, frame in enumerate(frames):
        again = match_grain(light, known_of(noisy), UNKNOWN, 7, frame) - light
        assert np.array_equal(again, made[number])
        for other in made[:number]:
            alike = np.corrcoef(made[number][0, UNKNOWN], other[0, UNKNOWN])[0, 1]
            assert abs(alike) < 0.06  # 120 x 120 pixels: five standard deviations
            strength = made[number][:, UNKNOWN].std() / other[:, UNKNOWN].std()
            assert strength == pytest.approx(1, abs=0.05)


def drawing() -> np.ndarray:
    """Flat colours, hard edges and fine stripes."""
    picture = np.full((3, SIZE, SIZE), 0.9, np.float32)
    picture[:, 20:60, 20:230] = np.array([0.2, 0.4, 0.7], np.float32)[:, None, None]
    picture[:, 200:240, 30:220:4] = 0.1
    picture[0, :, 210:] = 0.5
    return picture


def rounded(values: np.ndarray, levels: int) -> np.ndarray:
    return (np.rint(values * levels) / levels).astype(np.float32)


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(ramp(), id="gradient"),
        pytest.param(rounded(ramp(), 255), id="gradient of 8 bits"),
        pytest.param(rounded(ramp(0.5, 0.52), 255), id="faint gradient of 8 bits"),
        pytest.param(np.full((3, SIZE, SIZE), 0.3, np.float32), id="flat"),
        pytest.param(np.zeros((3, SIZE, SIZE), np.float32), id="black"),
        pytest.param(drawing(), id="drawing"),
    ],
)
def test_nothing_is_added_to_a_clean_picture(picture: np.ndarray) -> None:
    prediction = ramp(0.3, 0.6)
    assert match_grain(prediction, known_of(picture), UNKNOWN, 0) is prediction


def test_hair_is_not_grain() -> None:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    along = blurred(np.random.default_rng(0).normal(size=(SIZE, SIZE)), 0.7).cumsum(axis=0)
    hair = 0.5 + 0.1 * (along - np.roll(along, 12, axis=0)) / 4 + 0.02 * np.sin(x / 9 + y / 30)
    planes = np.broadcast_to(hair.clip(0.05, 0.95).astype(np.float32), (3, SIZE, SIZE))
    assert find_noise(planes, ~UNKNOWN) is None


def test_a_clear_sky_gets_none_of_what_is_below_it() -> None:
    """Its blue is clipped, so nothing can be measured in it; the noise is only in the other half."""
    picture, light = photo(coloured)
    sky = np.s_[:, :160]
    light = light.copy()
    light[sky] = ramp(0.5, 0.7)[sky]
    light[2, :160] = 1
    picture = picture.copy()
    picture[sky] = light[sky]
    unknown = np.zeros_like(UNKNOWN)
    unknown[30:90, 80:200] = True
    assert find_noise(picture, ~unknown) is not None
    assert match_grain(light, np.where(unknown, 0, picture), unknown, seed=0) is light


def test_the_same_seed_makes_the_same_grain() -> None:
    noisy, light = photo(sensor)
    first, again, other = (match_grain(light, known_of(noisy), UNKNOWN, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other)[:, UNKNOWN].mean() > 0.005


def test_beside_the_hole_the_prediction_gets_the_grain_that_is_there() -> None:
    noisy, light = photo(sensor)
    filled = match_grain(light, known_of(noisy), UNKNOWN, 0)
    beside = np.zeros_like(UNKNOWN)
    beside[65:195, 75:205] = True
    beside &= ~UNKNOWN
    left = residual(noisy)[:, beside] - (filled - light)[:, beside]
    assert left.std() < 0.35 * residual(noisy)[:, beside].std()


def test_a_hole_is_worked_on_in_strips_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy, light = photo(film)
    whole = match_grain(light, known_of(noisy), UNKNOWN, 0)
    monkeypatch.setattr(grain, "STRIP", 40)
    np.testing.assert_allclose(match_grain(light, known_of(noisy), UNKNOWN, 0), whole, atol=2e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (15, 15), (16, 300), (33, 20)])
def test_a_picture_with_too_little_to_see_gets_none(shape: tuple[int, int]) -> None:
    unknown = np.zeros(shape, np.bool_)
    unknown[0, 0] = True
    colour = np.random.default_rng(0).random((3, *shape), np.float32)
    assert match_grain(colour, colour, unknown, 0) is colour or shape == (16, 300)
