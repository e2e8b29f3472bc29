"""The Fourier kernels against torch's own in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lama_core.inference.fourier import irfft2, rfft2

pytest.importorskip("lama_fill_kernels", reason="the kernels are not built: pip install ./kernels")

SHAPES = [(1, 16, 8, 8), (2, 5, 7, 9), (1, 24, 30, 35), (1, 3, 1, 1), (1, 40, 13, 2), (1, 17, 31, 127)]
SHAPES += [(1, 16, 64, 1), (1, 48, 45, 128), (1, 20, 77, 121), (1, 12, 2, 49), (1, 9, 3, 4), (1, 7, 96, 60)]


def channels_last(*shape: int) -> Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def spectrum_of(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    pairs = torch.view_as_real(torch.fft.rfft2(x.double(), norm="ortho"))  # (B, C, H, W/2+1, 2)
    return pairs.permute(0, 1, 4, 2, 3).reshape(batch, 2 * channels, height, width // 2 + 1)


def map_of(spectrum: Tensor, size: tuple[int, int]) -> Tensor:
    batch, channels, height, bins = spectrum.shape
    pairs = spectrum.double().reshape(batch, channels // 2, 2, height, bins).permute(0, 1, 3, 4, 2)
    return torch.fft.irfft2(torch.view_as_complex(pairs.contiguous()), s=size, norm="ortho")


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(isa, shape):
    torch.manual_seed(shape[1])
    batch, channels, height, width = shape
    x = channels_last(*shape)
    assert float((rfft2(x) - spectrum_of(x)).abs().max()) < 3e-6
    # Any spectrum, not only one that a real map has.
    spectrum = channels_last(batch, 2 * channels, height, width // 2 + 1)
    add = channels_last(*shape)
    expected = map_of(spectrum, (height, width)) + add
    assert float((irfft2(spectrum, (height, width), add=add) - expected).abs().max()) < 6e-6


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), channels=st.integers(1, 40))
def test_any_size(height, width, channels):
    torch.manual_seed(0)
    x = channels_last(1, channels, height, width)
    spectrum = rfft2(x)
    assert float((spectrum - spectrum_of(x)).abs().max()) < 5e-6
    assert float((irfft2(spectrum, (height, width)) - x).abs().max()) < 5e-6


@pytest.mark.parametrize("size", [(1009, 6), (6, 1009), (1024, 24), (8, 2187)])
def test_large_primes_and_many_factors(size):
    torch.manual_seed(0)
    x = channels_last(1, 4, *size)
    spectrum = rfft2(x)
    assert float((spectrum - spectrum_of(x)).abs().max()) < 3e-5
    assert float((irfft2(spectrum, size) - x).abs().max()) < 3e-5


def test_bf16_is_rounded_once(isa):
    torch.manual_seed(0)
    x = channels_last(1, 20, 24, 22).bfloat16()
    exact = spectrum_of(x)
    assert torch.equal(rfft2(x, dtype=torch.float32).bfloat16(), rfft2(x))
    assert float((rfft2(x) - exact).abs().max()) < float(exact.abs().max()) * 2**-8
    spectrum = rfft2(x)
    add = channels_last(1, 20, 24, 22).bfloat16()
    whole = irfft2(spectrum, (24, 22), add=add, dtype=torch.float32)
    assert float((whole - map_of(spectrum, (24, 22)) - add.double()).abs().max()) < 1e-5
    assert torch.equal(irfft2(spectrum, (24, 22), add=add), whole.bfloat16())


def test_slices_of_channels():
    whole = channels_last(2, 30, 12, 10)
    part = whole[:, 3:23]
    assert float((rfft2(part) - spectrum_of(part)).abs().max()) < 3e-6


def test_what_does_not_fit_is_refused():
    spectrum = channels_last(1, 8, 6, 4)
    with pytest.raises(ValueError, match="not that of a map"):
        irfft2(spectrum, (6, 8))
    with pytest.raises(ValueError, match="should be"):
        irfft2(spectrum, (6, 6), add=channels_last(1, 8, 6, 6))
    with pytest.raises(ValueError, match="channels-last"):
        rfft2(torch.zeros(1, 8, 6, 6))
    with pytest.raises(ValueError, match="sides of 1 to"):
        rfft2(torch.empty(1, 1, 1, 20000))
