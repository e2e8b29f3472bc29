"""The vote of patches for the pixels under them, in the kernels and in torch, against plain sums."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip(
    "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
)

from lama_core.fill.common.patch_search import REACH, PatchMatcher


def matcher_of(height: int, width: int, hole: tuple[slice, slice], seed: int = 0) -> PatchMatcher:
    generator = torch.Generator().manual_seed(seed)
    unknown = torch.zeros(height, width, dtype=torch.bool)
    unknown[hole] = True
    image = torch.rand(3, height, width, generator=generator)
    return PatchMatcher.of(image, unknown, image, searched=False)


def nnf_of(matcher: PatchMatcher, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    count = len(matcher.targets)
    places = torch.randint(len(matcher.sources), (count,), generator=generator)
    return matcher.sources[places], torch.rand(count, generator=generator) + 0.01


def voted(matcher: PatchMatcher, pixel: int, nnf: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Of one pixel."""
    width = matcher.image.shape[2]
    total, weight = torch.zeros(3, dtype=torch.float64), 0.0
    for slot, target in enumerate(matcher.targets.tolist()):
        down, across = pixel // width - target // width, pixel % width - target % width
        if max(abs(down), abs(across)) <= REACH:
            source = int(nnf[slot])
            colour = matcher.image[:, source // width + down, source % width + across].double()
            total += float(weights[slot]) * colour
            weight += float(weights[slot])
    return total / weight


@settings(max_examples=25, deadline=None)
@given(data=st.data(), height=st.integers(12, 40), width=st.integers(12, 40))
def test_holes_anywhere(data: st.DataObject, height: int, width: int) -> None:
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    # Known patches stay, whatever the hole is: a hole in a corner of a third of the sides.
    hole = slice(top, min(top + height // 3, height)), slice(left, min(left + width // 3, width))
    matcher = matcher_of(height, width, hole)
    if len(matcher.sources) == 0:
        return
    nnf, weights = nnf_of(matcher)
    by_kernels = matcher.voted_by_kernels(matcher.hole, nnf, weights)
    by_torch = matcher.voted_by_torch(matcher.hole, nnf, weights)
    assert torch.allclose(by_kernels, by_torch, atol=1e-5)
    for place in range(0, len(matcher.hole), 17):
        truth = voted(matcher, int(matcher.hole[place]), nnf, weights)
        assert torch.allclose(by_kernels[place].double(), truth, atol=1e-5)


def test_on_any_number_of_threads(threads) -> None:
    matcher = matcher_of(90, 120, (slice(30, 60), slice(40, 90)))
    nnf, weights = nnf_of(matcher)
    threads(1)
    alone = matcher.voted_by_kernels(matcher.hole, nnf, weights)
    threads(3)
    assert torch.equal(matcher.voted_by_kernels(matcher.hole, nnf, weights), alone)
