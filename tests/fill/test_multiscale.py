"""What the qualities and seeds make of a window, with generators that need no weights or tiny ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lama_core.fill import FillCancelled, FillOptions, Progress
from lama_core.fill import refine as refinement
from lama_core.fill.multiscale import (
    MIN_PATCH_THICKNESS,
    MONTAGE_EFFORT,
    NATIVE_THICKNESS,
    downsampled,
    predict_window,
)
from lama_core.fill.prediction import predict as predict_by
from lama_core.image.mask_ops import thickness
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.predictor import Predict, Predictor, as_predictor


def stripes(height: int, width: int, period: int = 12) -> np.ndarray:
    """(3, H, W) float32: upright stripes with some noise on them."""
    wave = 0.5 + 0.3 * np.sign(np.sin(2 * np.pi * np.arange(width) / period))
    noise = np.random.default_rng(0).normal(0, 0.02, (3, height, width))
    return (wave + noise).clip(0, 1).astype(np.float32)


def with_hole(picture: np.ndarray, top: int, left: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    hole = np.zeros(picture.shape[1:], bool)
    hole[top : top + side, left : left + side] = True
    return np.where(hole, np.float32(0), picture), hole


class Soft:
    """A generator that returns a blurred truth, and keeps the sizes that it was shown."""

    def __init__(self, truth: np.ndarray, sigma: float = 3) -> None:
        self.truth = torch.from_numpy(truth)[None]
        self.blur = int(sigma)
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        self.sizes.append((image.shape[2], image.shape[3]))
        small = F.adaptive_avg_pool2d(self.truth, (image.shape[2] // self.blur, image.shape[3] // self.blur))
        return F.interpolate(small, image.shape[2:], mode="bilinear", align_corners=False)


def tiny() -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(width=4, blocks=2, downsamplings=2, output="sigmoid")
    return Generator(config).eval().requires_grad_(False)


def run(generator, colour, unknown, *, told=None, cancelled=None, **options):
    progress = Progress(
        on_report=None if told is None else lambda stage, fraction: told.append(fraction), cancelled=cancelled
    )
    return predict_window(as_predictor(generator), colour, unknown, FillOptions(**options), progress)


def predict(generator: Predict, colour: np.ndarray, hole: np.ndarray) -> np.ndarray:
    return predict_by(as_predictor(generator), colour, hole)


# fast


def test_fast_is_one_pass_bit_for_bit() -> None:
    colour, hole = with_hole(stripes(80, 90), 20, 30, 40)
    generator = tiny()
    expected = predict(generator, colour, hole)
    assert np.array_equal(run(generator, colour, hole, quality="fast"), expected)


# balanced


def test_a_thin_hole_gets_nothing_but_one_pass() -> None:
    truth = stripes(96, 96)
    colour, hole = with_hole(truth, 40, 40, MIN_PATCH_THICKNESS - 2)
    assert thickness(hole) < MIN_PATCH_THICKNESS
    generator = Soft(truth)
    filled = run(generator, colour, hole)
    assert generator.sizes == [(96, 96)]
    assert np.array_equal(filled, predict(Soft(truth), colour, hole))


def test_patches_bring_what_a_soft_prediction_lacks() -> None:
    truth = stripes(160, 160)
    colour, hole = with_hole(truth, 50, 50, 60)
    soft, filled = predict(Soft(truth), colour, hole), run(Soft(truth), colour, hole)

    def error(planes: np.ndarray) -> float:
        return float(np.abs(planes - truth)[:, hole].mean())

    def contrast(planes: np.ndarray) -> float:
        return float(planes[:, hole].std())

    assert error(filled) < 0.5 * error(soft)
    assert contrast(filled) > 0.9 * contrast(truth)


def test_a_prediction_with_all_the_detail_is_kept() -> None:
    truth = stripes(160, 160)
    colour, hole = with_hole(truth, 50, 50, 60)

    def exact(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(truth)[None]

    assert np.abs(run(exact, colour, hole) - truth)[:, hole].mean() < 0.01


def test_a_thick_hole_is_looked_at_from_further_away_too() -> None:
    side = 3 * NATIVE_THICKNESS
    truth = np.full((3, side, side), 0.5, np.float32)
    colour, hole = with_hole(truth, 20, 20, side - 40)
    assert NATIVE_THICKNESS < thickness(hole) <= 2 * NATIVE_THICKNESS
    generator = Soft(truth)
    run(generator, colour, hole)
    assert generator.sizes == [(side // 2, side // 2), (side, side)]


def test_the_better_quality_tries_more_offsets_and_goes_round_again() -> None:
    balanced, best = MONTAGE_EFFORT["balanced"], MONTAGE_EFFORT["best"]
    assert best.offsets > balanced.offsets
    assert best.rounds > balanced.rounds


def test_structure_is_the_coarse_pass_s() -> None:
    side = 3 * NATIVE_THICKNESS
    colour, hole = with_hole(np.full((3, side, side), 0.5, np.float32), 20, 20, side - 40)

    def dark_from_afar(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.full_like(image, 0.7 if image.shape[2] == side else 0.4)

    filled = run(dark_from_afar, colour, hole)
    middle = filled[:, side // 2 - 50 : side // 2 + 50, side // 2 - 50 : side // 2 + 50]
    assert abs(middle.mean() - 0.4) < 0.02


def test_halving_lets_nothing_of_the_hole_in() -> None:
    colour, hole = with_hole(np.full((3, 21, 34), 0.5, np.float32), 5, 5, 8)
    colour = np.where(hole, np.float32(9), colour)
    coarse, coarse_hole = downsampled(colour, hole)
    assert coarse.shape == (3, 11, 17)
    assert coarse_hole.shape == (11, 17)
    assert set(np.unique(coarse[:, ~coarse_hole])) == {np.float32(0.5)}
    assert not coarse[:, coarse_hole].any()


@pytest.mark.parametrize("size", [(1, 9), (5, 5), (31, 40), (33, 200), (64, 64)])
def test_windows_too_small_for_patches_are_filled_all_the_same(size: tuple[int, int]) -> None:
    truth = stripes(*size)
    hole = np.ones(size, bool)
    hole[:, :2] = False
    filled = run(lambda image, mask: torch.full_like(image, 0.5), np.where(hole, 0, truth), hole)
    assert filled.shape == (3, *size)
    assert np.isfinite(filled).all()


# Progress and cancel


@pytest.mark.parametrize("quality", ["balanced", "best"])
def test_progress_never_goes_back(quality: str) -> None:
    colour, hole = with_hole(stripes(144, 144), 40, 40, 60)
    told: list[float] = []
    run(tiny(), colour, hole, told=told, quality=quality)
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1
    assert len(told) >= 3


@pytest.mark.parametrize("quality", ["balanced", "best"])
def test_a_fill_ends_wherever_it_is_cancelled(quality: str) -> None:
    colour, hole = with_hole(stripes(144, 144), 40, 40, 60)

    class Asked:
        def __init__(self, until: int) -> None:
            self.times, self.until = 0, until

        def __call__(self) -> bool:
            self.times += 1
            return self.times == self.until

    never = Asked(0)
    run(tiny(), colour, hole, cancelled=never, quality=quality)
    assert never.times >= 8
    for until in (1, never.times // 2, never.times):
        asked = Asked(until)
        with pytest.raises(FillCancelled):
            run(tiny(), colour, hole, cancelled=asked, quality=quality)
        assert asked.times == until


# best


def test_a_mere_callable_gets_balanced_for_best() -> None:
    truth = stripes(160, 160)
    colour, hole = with_hole(truth, 50, 50, 60)
    assert np.array_equal(
        run(Soft(truth), colour, hole, quality="best"), run(Soft(truth), colour, hole, quality="balanced")
    )


def test_best_refines_the_plain_form_of_a_faster_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fast(Predictor):
        def __init__(self) -> None:
            self.generator = tiny()
            self.asked = 0

        @property
        def plain(self) -> Generator:
            self.asked += 1
            return self.generator

        def __call__(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
            return self.generator(image, hole)

    monkeypatch.setattr(refinement, "MIN_SIDE", 32)
    colour, hole = with_hole(stripes(96, 96), 30, 30, 30)
    fast = Fast()
    balanced = run(fast, colour, hole, quality="balanced")
    assert fast.asked == 0
    best = run(fast, colour, hole, quality="best")
    assert fast.asked == 1
    assert not np.array_equal(best, balanced)
    # Within less memory than a step takes, best is what can be had.
    assert np.array_equal(run(fast, colour, hole, quality="best", memory=1000), balanced)


# Seeds


@pytest.mark.parametrize("quality", ["fast", "balanced"])
def test_a_seed_gives_the_same_pixels_every_time_and_another_seed_others(quality: str) -> None:
    rng = np.random.default_rng(1)
    truth = F.interpolate(torch.from_numpy(rng.random((1, 3, 40, 50), np.float32)), scale_factor=4)[0].numpy()
    colour, hole = with_hole(truth, 60, 70, 50)
    generator = tiny()
    fills = [run(generator, colour, hole, quality=quality, seed=seed) for seed in (0, 1, 2, 1)]
    assert np.array_equal(fills[1], fills[3])
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(fills[one] - fills[other])[:, hole].max() > 0.5 / 255


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 17])
def test_a_seed_moves_nothing(seed: int) -> None:
    truth = stripes(120, 150)
    truth[:, :, 100:] *= 0.5  # not the same when flipped
    colour, hole = with_hole(truth, 30, 70, 16)

    def knowing(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return image + mask * 0.25

    filled = run(knowing, colour, hole, seed=seed, quality="fast")
    assert np.array_equal(filled[:, ~hole], colour[:, ~hole])
    assert (filled[:, hole] == 0.25).all()
