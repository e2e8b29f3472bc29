"""Fills that may be copied from a part of the picture alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lama_core.client.options import FillOptions
from lama_core.fill import FillError, fill, plan_fill
from lama_core.fill.common.filters import dilate
from lama_core.fill.common.patch_search import REACH, PatchMatcher
from lama_core.fill.common.progress import Progress
from lama_core.fill.multiscale import predict_window
from lama_core.fill.patches import patch_fill
from lama_core.image.mask_ops import HoleError
from lama_core.model.predictor import as_predictor
from lama_core.model.prefill import harmonic_fill

GREEN, RED = (0.2, 0.6, 0.25), (0.7, 0.25, 0.2)


def meadow_and_bricks(height: int = 240, width: int = 320) -> np.ndarray:
    """(height, width, 3) uint8: a green texture on the left, a red one of the same grain on the right."""
    chance = torch.Generator().manual_seed(4)
    noise = torch.nn.functional.avg_pool2d(
        torch.randn(1, 1, height, width, generator=chance), 3, stride=1, padding=1
    )[0, 0].numpy()
    colour = np.where(np.arange(width)[None, :, None] < width // 2, GREEN, RED)
    picture = colour + 0.25 * noise[:, :, None]
    return np.asarray((picture * 255).round().clip(0, 255), np.uint8)


def smooth(image: Tensor, hole: Tensor) -> Tensor:
    """A network that knows nothing but the hole's edge."""
    return harmonic_fill(image, hole)


def hole_in(height: int = 240, width: int = 320) -> np.ndarray:
    hole = np.zeros((height, width), np.bool_)
    hole[100:150, 120:200] = True
    return hole


def greenness(picture: np.ndarray, where: np.ndarray) -> float:
    """By how much green is above red, of 255."""
    values = picture[where].astype(float)
    return float((values[:, 1] - values[:, 0]).mean())


def halves() -> tuple[np.ndarray, np.ndarray]:
    left = np.zeros((240, 320), np.bool_)
    left[:, :160] = True
    return left, ~left


def test_the_hole_gets_what_may_be_copied() -> None:
    picture, hole = meadow_and_bricks(), hole_in()
    left, right = halves()
    options = FillOptions(grow=0, feather=0, seam=False, grain=False, context="whole")
    green, red = (fill(picture, hole, smooth, options, source=source) for source in (left, right))
    assert greenness(green, hole) > greenness(red, hole) + 15
    assert (green[~hole] == picture[~hole]).all()


def test_patches_come_from_there_alone() -> None:
    picture = meadow_and_bricks().astype(np.float32).transpose(2, 0, 1) / 255
    hole, (left, right) = hole_in(), halves()
    image, unknown, banned = (torch.from_numpy(x) for x in (picture, hole, right))
    matcher = PatchMatcher.of(image, unknown, image, banned)
    allowed = ~dilate(unknown | banned, REACH)
    inside = allowed[REACH:-REACH, REACH:-REACH]
    assert len(matcher.sources) == int(inside.sum())
    assert allowed.flatten()[matcher.sources].all()

    def patched(source: np.ndarray) -> np.ndarray | None:
        return patch_fill(picture, hole, picture, source=source, seed=0, memory=1 << 30, progress=Progress())

    assert patched(left) is not None
    assert patched(np.zeros_like(hole)) is None


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_seed_looks_at_the_same_part_of_the_source(seed: int) -> None:
    """Seeds crop and flip the window, and the source with it."""
    picture = meadow_and_bricks().astype(np.float32).transpose(2, 0, 1) / 255
    hole = hole_in()
    left, _ = halves()
    colour = np.where(hole, np.float32(0), picture)
    options = FillOptions(seed=seed)
    made = predict_window(as_predictor(smooth), colour, hole, options, Progress(), source=left)
    free = predict_window(as_predictor(smooth), colour, hole, options, Progress())
    assert greenness((made * 255).transpose(1, 2, 0), hole) > greenness((free * 255).transpose(1, 2, 0), hole)


def test_a_window_reaches_to_what_may_be_copied() -> None:
    picture = np.zeros((900, 1200, 3), np.uint8)
    hole, source = (np.zeros((900, 1200), np.uint8) for _ in range(2))
    hole[100:140, 100:160] = 255
    source[800:860, 1100:1180] = 255
    (window,) = plan_fill(picture, hole, FillOptions(), source).windows
    assert (window.rect.right, window.rect.bottom) == (1180, 860)
    (near,) = plan_fill(picture, hole, FillOptions()).windows
    assert (near.hole, near.written) == (window.hole, window.written)


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        (np.zeros((240, 320), np.uint8), FillError, "selects nothing: mark in it where to copy from"),
        (np.ones((24, 32), np.uint8), FillError, "the picture is 320 x 240 pixels and the mask of what"),
        (hole_in(), FillError, "all of what may be copied is in the hole"),
        (np.full((240, 320), np.nan), HoleError, "NaN"),
    ],
)
def test_a_source_that_is_none_is_an_error(source: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        fill(meadow_and_bricks(), hole_in(), smooth, source=source)
