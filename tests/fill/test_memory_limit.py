"""A fill takes no more memory than it may: it looks at less of the window, then at it from further away."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lama_core.client.geometry import MIN_CONTEXT
from lama_core.fill.memory_limit import within_memory
from lama_core.model.predictor import Predictor, as_predictor

H, W = 300, 400


class Counting(Predictor):
    """Takes a byte a pixel, and predicts the mean of what it sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    @property
    def plain(self) -> Counting:
        raise AssertionError("nobody refines here")

    def peak_bytes(self, height: int, width: int) -> int:
        return height * width

    def __call__(self, image: Tensor, hole: Tensor) -> Tensor:
        self.seen.append((image.shape[2], image.shape[3]))
        return image.mean().expand_as(image)


@pytest.fixture
def window() -> tuple[Tensor, Tensor]:
    image = torch.rand(1, 3, H, W, generator=torch.Generator().manual_seed(2))
    hole = torch.zeros(1, 1, H, W)
    hole[..., 100:150, 200:260] = 1
    return image, hole


def test_all_of_it_where_it_fits(window: tuple[Tensor, Tensor]) -> None:
    for memory in (None, H * W):
        counting = Counting()
        generator = within_memory(counting, memory)
        assert torch.equal(generator(*window), counting(*window))
        assert counting.seen == [(H, W)] * 2


@pytest.mark.parametrize("memory", [H * W - 1, 30_000, 9_000])
def test_as_much_around_the_hole_as_fits(window: tuple[Tensor, Tensor], memory: int) -> None:
    counting = Counting()
    image, hole = window
    prediction = within_memory(counting, memory)(image, hole)
    ((height, width),) = counting.seen
    assert height * width <= memory
    assert (height + 2) * (width + 2) > memory, "a pixel more on each side would not have fitted"
    assert height >= 50 + 2 * MIN_CONTEXT
    inside = prediction[..., 100:150, 200:260]
    assert torch.equal(inside, inside[..., :1, :1].expand_as(inside)), "all of the hole was predicted"
    assert torch.equal(prediction[..., 0, 0], image[..., 0, 0])


def test_from_further_away_where_not_even_the_hole_fits(window: tuple[Tensor, Tensor]) -> None:
    counting = Counting()
    prediction = within_memory(counting, 3_000)(*window)
    ((height, width),) = counting.seen
    assert height * width <= 3_000
    assert prediction.shape == (1, 3, H, W)
    assert torch.isfinite(prediction).all()


def test_generator_that_does_not_say_what_it_takes(window: tuple[Tensor, Tensor]) -> None:
    seen: list[tuple[int, int]] = []

    def generator(image: Tensor, hole: Tensor) -> Tensor:
        seen.append((image.shape[2], image.shape[3]))
        return image

    assert torch.equal(within_memory(as_predictor(generator), 1)(*window), window[0])
    assert seen == [(H, W)]
