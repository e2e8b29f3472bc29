"""Fourier transforms on any device, against torch's on the CPU."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lama_core.inference import dft, spectral
from lama_core.inference.dft import Fft, Matrices, transforms_of

sides = st.integers(1, 40)


def values(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@given(height=sides, width=sides, batch=st.integers(1, 2), channels=st.integers(1, 3))
def test_matrices_compute_what_an_fft_does(height: int, width: int, batch: int, channels: int) -> None:
    x = values(batch, height, width, channels)
    spectrum = torch.fft.rfft2(x, dim=(1, 2), norm="ortho")
    for transforms in (Fft(), Matrices()):
        assert torch.allclose(torch.view_as_complex(transforms.forward(x)), spectrum, atol=1e-5)
        # Not the spectrum of any map: as a convolution between the coefficients leaves it.
        changed = values(batch, height, width // 2 + 1, channels, 2)
        expected = torch.fft.irfft2(
            torch.view_as_complex(changed), s=(height, width), dim=(1, 2), norm="ortho"
        )
        assert torch.allclose(transforms.inverse(changed, width), expected, atol=1e-5)


@pytest.mark.parametrize("side", [240, 480])
def test_matrices_are_exact_at_the_size_of_a_large_picture(side: int) -> None:
    x = values(1, 8, side, 2)
    expected = torch.fft.rfft2(x, dim=(1, 2), norm="ortho")
    assert torch.allclose(torch.view_as_complex(Matrices().forward(x)), expected, atol=2e-5)


def test_a_device_with_an_fft_uses_it() -> None:
    assert isinstance(transforms_of(torch.device("cpu")), Fft)


def test_a_device_without_one_gets_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: object, **__: object) -> Tensor:
        raise NotImplementedError("aten::_fft_r2c is not implemented for this device")

    monkeypatch.setattr(torch.fft, "rfft2", lacking)
    transforms_of.cache_clear()
    try:
        assert isinstance(transforms_of(torch.device("cpu")), Matrices)
    finally:
        transforms_of.cache_clear()


@pytest.mark.parametrize("add", [True, False])
def test_a_spectral_transform_is_the_same_by_either(add: bool) -> None:
    x = values(1, 4, 6, 10).contiguous(memory_format=torch.channels_last)
    by_either = [
        spectral._by_torch(transforms, x, torch.relu, x if add else None)  # type: ignore[arg-type]
        for transforms in (dft.Fft(), dft.Matrices())
    ]
    assert torch.allclose(*by_either, atol=1e-5)
