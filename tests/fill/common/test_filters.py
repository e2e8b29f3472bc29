"""The blur against sums in double precision."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lama_core.fill.common.filters import BLOCK, box_sum, dilate, gaussian_blur, separable_filter


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
    found = gaussian_blur(image, sigma)
    assert found.shape == image.shape
    assert (found - summed(image, sigma)).abs().max() < 2e-6


def test_one_colour_stays_as_it_is() -> None:
    assert torch.allclose(gaussian_blur(torch.full((3, 70, 130), 0.25), 8.0), torch.tensor(0.25), atol=1e-6)


@given(height=sides, width=sides, cells=st.sampled_from([1, 3, 5, 9]))
def test_nothing_beyond_the_edge(height: int, width: int, cells: int) -> None:
    image = torch.rand(2, height, width, generator=torch.Generator().manual_seed(height + width))
    kernel = torch.full((1, 1, cells, cells), 1 / cells**2, dtype=torch.float64)
    truth = F.conv2d(image[:, None].double(), kernel, padding=cells // 2)[:, 0]
    found = separable_filter(image, (1 / cells,) * cells, "constant")
    assert (found - truth).abs().max() < 2e-6


@given(height=sides, width=sides, reach=st.integers(0, 5), data=st.data())
def test_dilation_by_a_square(height: int, width: int, reach: int, data: st.DataObject) -> None:
    mask = torch.zeros(height, width, dtype=torch.bool)
    for _ in range(3):
        mask[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = True
    truth = F.max_pool2d(mask[None].float(), 2 * reach + 1, 1, reach)[0] > 0
    assert torch.equal(dilate(mask, reach), truth)


@given(length=st.integers(3, 30), side=st.integers(2, 3), axis=st.integers(0, 1))
def test_sums_of_neighbours(length: int, side: int, axis: int) -> None:
    values = (
        torch.arange(2.0 * length).view(2, length) if axis else torch.arange(2.0 * length).view(length, 2)
    )
    truth = values.unfold(axis, side, 1).sum(dim=-1)
    assert torch.equal(box_sum(values, side, axis), truth)
