"""The search for the nearest descriptors, in the kernels and in torch, against double precision."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip(
    "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
)

from lama_core.fill.common.patch_search import nearest_by_kernels, nearest_by_torch


def numbers(targets: int, sources: int, depth: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(targets * sources + depth)
    wanted = torch.randn(targets, depth, generator=generator)
    among = torch.randn(sources, depth, generator=generator)
    return wanted, among, among.square().sum(dim=1) + torch.rand(sources, generator=generator)


def check(wanted: torch.Tensor, among: torch.Tensor, lengths: torch.Tensor) -> None:
    """The cost is that of the place, and no place is any cheaper."""
    truth = lengths.double() - 2 * wanted.double() @ among.double().T
    for search in (nearest_by_kernels, nearest_by_torch):
        costs, places = search(wanted, among, lengths)
        assert (costs.dtype, places.dtype) == (torch.float32, torch.int64)
        there = truth.gather(1, places[:, None])[:, 0]
        assert torch.allclose(costs.double(), there, atol=1e-4)
        assert (there <= truth.amin(dim=1) + 1e-4).all()


@settings(max_examples=40)
@given(targets=st.integers(1, 120), sources=st.integers(1, 200), depth=st.integers(1, 40))
def test_any_size(targets: int, sources: int, depth: int) -> None:
    check(*numbers(targets, sources, depth))


def test_every_instruction_set(isa: str) -> None:
    check(*numbers(301, 1000, 24))


def test_on_any_number_of_threads(threads) -> None:
    given_ = numbers(500, 300, 24)
    threads(1)
    alone = nearest_by_kernels(*given_)
    threads(3)
    for one, other in zip(alone, nearest_by_kernels(*given_), strict=True):
        assert torch.equal(one, other)


def test_of_several_the_first(isa: str) -> None:
    wanted, among, _ = numbers(13, 1, 24)
    same = among.expand(500, -1).contiguous()
    lengths = torch.ones(500)
    lengths[:70] = 2
    assert nearest_by_kernels(wanted, same, lengths)[1].tolist() == [70] * 13


def test_what_is_infinitely_long_is_not_taken() -> None:
    wanted, among, lengths = numbers(20, 100, 24)
    lengths[:] = math.inf
    lengths[37] = 1e4
    assert nearest_by_kernels(wanted, among, lengths)[1].tolist() == [37] * 20
