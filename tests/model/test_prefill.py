from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lama_core.model.prefill import harmonic_fill, push_pull

FILLS = (harmonic_fill, push_pull)


def hole_of(height: int, width: int, seed: int, share: float) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy((rng.random((1, 1, height, width)) < share).astype(np.float32))


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 999), share=st.floats(0.0, 1.0)
)
@pytest.mark.parametrize("fill", FILLS)
def test_known_pixels_stay_and_filled_ones_lie_between_them(
    fill: object, height: int, width: int, seed: int, share: float
) -> None:
    hole = hole_of(height, width, seed, share)
    image = torch.from_numpy(np.random.default_rng(seed).random((1, 3, height, width), dtype=np.float32))
    filled = fill(image, hole)  # type: ignore[operator]
    known = (hole == 0).expand_as(image)
    assert torch.equal(filled[known], image[known])
    if known.any():
        for channel in range(3):
            seen = image[0, channel][hole[0, 0] == 0]
            assert filled[0, channel].min() >= seen.min() - 1e-5
            assert filled[0, channel].max() <= seen.max() + 1e-5
    else:
        assert torch.all(filled == 0.5)


@pytest.mark.parametrize("fill", FILLS)
def test_what_lies_in_the_hole_is_not_looked_at(fill: object) -> None:
    hole = torch.zeros(1, 1, 32, 32)
    hole[:, :, 8:20, 4:30] = 1
    image = torch.rand(1, 3, 32, 32)
    other = torch.where(hole > 0, torch.full_like(image, torch.nan), image)
    assert torch.equal(fill(image, hole), fill(other, hole))  # type: ignore[operator]


def test_the_membrane_of_a_slope_is_the_slope() -> None:
    # A plane solves Laplace's equation; push-pull alone only comes near it.
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    plane = ((x + 2 * y) / 160)[None, None].repeat(1, 3, 1, 1)
    hole = torch.zeros(1, 1, 48, 64)
    hole[:, :, 15:31, 20:40] = 1
    error = {fill: ((fill(plane, hole) - plane).abs() * hole).max() for fill in FILLS}
    assert error[harmonic_fill] < 0.01
    assert error[harmonic_fill] < error[push_pull] / 2
