"""The network's own lattice, and what is not one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lama_core.fill.checkerboard import remove_checkerboard
from lama_core.fill.common.filters import gaussian_blur
from lama_core.inference import compile_generator
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.predictor import as_predictor

HEIGHT, WIDTH = 168, 203
PERIOD = 8


def slope() -> np.ndarray:
    """(3, HEIGHT, WIDTH) float32, smooth."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    return np.stack([0.3 + 0.3 * x, 0.5 + 0.2 * np.sin(3 * y), 0.6 - 0.3 * x * y]).astype(np.float32)


def honeycomb(offset: int = 0, period: int = PERIOD) -> np.ndarray:
    """(3, HEIGHT, WIDTH): the same figure of 8x8 pixels, or of a period's, again and again, its mean 0."""
    figure = np.random.default_rng(0).normal(0, 0.03, (3, period, period)).astype(np.float32)
    figure -= figure.mean(axis=(1, 2), keepdims=True)
    tiled = np.tile(figure, (1, HEIGHT // period + 2, WIDTH // period + 2))
    return np.ascontiguousarray(tiled[:, offset : offset + HEIGHT, offset : offset + WIDTH])


def hole(top: int = 30, left: int = 41, height: int = 100, width: int = 110) -> np.ndarray:
    unknown = np.zeros((HEIGHT, WIDTH), bool)
    unknown[top : top + height, left : left + width] = True
    return unknown


@pytest.mark.parametrize("offset", [0, 3])
def test_a_honeycomb_is_taken_out_wherever_it_begins(offset: int) -> None:
    unknown = hole()
    drawn = slope() + honeycomb(offset)
    error = np.abs(remove_checkerboard(drawn, unknown, PERIOD) - slope())[:, unknown].mean()
    assert error < 0.2 * np.abs(drawn - slope())[:, unknown].mean()


@pytest.mark.parametrize("downsamplings", [1, 2, 3, 4])
def test_a_honeycomb_has_the_period_of_the_network(downsamplings: int) -> None:
    config = GeneratorConfig(width=4, blocks=1, downsamplings=downsamplings)
    plain = Generator(config).eval()
    periods = {as_predictor(plain).output_stride, compile_generator(plain, precision="fp32").output_stride}
    assert periods == {2**downsamplings}
    unknown, period = hole(), 2**downsamplings
    drawn = slope() + honeycomb(period=period)
    error = np.abs(remove_checkerboard(drawn, unknown, period) - slope())[:, unknown].mean()
    assert error < 0.3 * np.abs(drawn - slope())[:, unknown].mean()


def test_a_honeycomb_that_fades_is_followed() -> None:
    unknown = hole()
    fading = np.linspace(0, 1, WIDTH, dtype=np.float32)
    drawn = slope() + honeycomb() * fading
    error = np.abs(remove_checkerboard(drawn, unknown, PERIOD) - slope())[:, unknown].mean()
    assert error < 0.35 * np.abs(drawn - slope())[:, unknown].mean()


def texture() -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.3, (3, HEIGHT, WIDTH)).astype(np.float32)
    return slope() + gaussian_blur(torch.from_numpy(noise), 1.5).numpy()


def edge() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.where(x + 0.6 * y > 150, np.float32(0.2), slope()).astype(np.float32)


def bars() -> np.ndarray:
    x = np.arange(WIDTH)
    return slope() + np.float32(0.1) * np.sin(2 * np.pi * x / 11).astype(np.float32)


@pytest.mark.parametrize("picture", [texture(), edge(), bars()], ids=["texture", "edge", "bars"])
def test_what_is_in_the_picture_stays(picture: np.ndarray) -> None:
    unknown = hole()
    changed = np.abs(remove_checkerboard(picture, unknown, PERIOD) - picture)[:, unknown]
    assert changed.mean() < 0.04 * np.abs(picture - slope())[:, unknown].mean()


def test_in_a_hole_of_few_cells_nothing_is_sure() -> None:
    unknown = hole(height=7, width=60)
    drawn = texture()
    assert np.abs(remove_checkerboard(drawn, unknown, PERIOD) - drawn)[:, unknown].mean() < 0.005


def test_nothing_changes_outside_of_the_hole() -> None:
    unknown = hole(top=0, left=150, height=HEIGHT, width=WIDTH - 150)
    drawn = slope() + honeycomb()
    given = drawn.copy()
    cleaned = remove_checkerboard(drawn, unknown, PERIOD)
    assert np.array_equal(cleaned[:, ~unknown], drawn[:, ~unknown])
    assert np.array_equal(drawn, given)
