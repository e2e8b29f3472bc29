"""Generators whose weights are random, but whose values stay in the range that trained ones have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from lama_core.model import Generator, GeneratorConfig

MakeGenerator = Callable[[GeneratorConfig], Generator]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_generator() -> MakeGenerator:
    made: dict[GeneratorConfig, Generator] = {}

    def make(config: GeneratorConfig) -> Generator:
        if config not in made:
            made[config] = lively(Generator(config))
        return made[config]

    return make


def lively(generator: Generator) -> Generator:
    """Give every BatchNorm statistics of its own, and weights that are not 1; the head is not 0."""
    random = torch.Generator().manual_seed(5)
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5, generator=random)
            norm.bias.normal_(0, 0.2, generator=random)
            norm.momentum = None  # the statistics become those of the next batch
        generator.head.weight.normal_(0, 0.05, generator=random)
        generator.train()(torch.rand(2, 3, 64, 64, generator=random), torch.zeros(2, 1, 64, 64))
        for norm in norms:
            assert norm.running_mean is not None
            norm.running_mean.add_(torch.randn(norm.running_mean.shape, generator=random) * 0.1)
    return generator.eval()


@pytest.fixture(scope="session")
def picture() -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Makes a picture (B, 3, H, W) and a hole (B, 1, H, W)."""

    def make(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
        random = torch.Generator().manual_seed(height * 1009 + width)
        image = torch.rand(batch, 3, height, width, generator=random)
        hole = (torch.rand(batch, 1, height, width, generator=random) > 0.7).float()
        return image, hole

    return make
