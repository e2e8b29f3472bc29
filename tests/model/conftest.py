"""Shared by the tests of the model: one small official generator, and how to compare two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from lama_core.model import Generator
from tests.model.reference_official import FFCResNetGenerator, official_prediction, random_official

Same = Callable[[Generator], None]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def official() -> FFCResNetGenerator:
    return random_official(ngf=8, n_blocks=2)


@pytest.fixture(scope="session")
def is_official(official: FFCResNetGenerator) -> Same:
    """Check that a generator is `official`, by what it predicts."""
    torch.manual_seed(1)
    image, hole = torch.rand(1, 3, 37, 50), (torch.rand(1, 1, 37, 50) > 0.7).float()
    expected = official_prediction(official, image, hole)

    def check(generator: Generator) -> None:
        assert not generator.training
        assert {value.dtype for value in generator.parameters()} == {torch.float32}
        with torch.no_grad():
            assert torch.allclose(generator(image, hole), expected, atol=1e-5)

    return check
