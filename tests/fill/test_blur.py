"""The blur against sums in double precision."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lama_core.fill.blur import BLOCK, blurred


def summed(image: torch.Tensor, sigma: float) -> torch.Tensor:
    """What is asked for, one shift after the other."""
    reach = math.ceil(2.5 * sigma)
    padded = F.pad(image[None].double(), (reach,) * 4, mode="replicate")[0]
    weights = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(-reach, reach + 1)]
    height, width = image.shape[1:]
    across = sum(w * padded[:, :, i : i + width] for i, w in enumerate(weights))
    down = sum(w * across[:, i : i + height] for i, w in enumerate(weights))
    return down / sum(weights) ** 2


sides = st.one_of(st.integers(1, 20), st.integers(BLOCK - 1, 2 * BLOCK + 1))


@given(channels=st.integers(1, 3), height=sides, width=sides, sigma=st.sampled_from([0.7, 2.0, 4.0, 8.0]))
def test_every_size(channels: int, height: int, width: int, sigma: float) -> None:
    image = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(height * width))
    found = blurred(image, sigma)
    assert found.shape == image.shape
    assert (found - summed(image, sigma)).abs().max() < 2e-6


def test_one_colour_stays_as_it_is() -> None:
    assert torch.allclose(blurred(torch.full((3, 70, 130), 0.25), 8.0), torch.tensor(0.25), atol=1e-6)
