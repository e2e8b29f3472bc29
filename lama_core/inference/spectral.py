"""The global path of a block: a convolution between the coefficients of a Fourier transform."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from lama_core.inference import dft, fourier
from lama_core.inference.convolution import Backend, Pointwise
from lama_core.inference.fold import Folded
from lama_core.inference.kernel_use import size_class


class Spectral:
    """A spectral transform up to its last convolution, which the block sums with its other paths.

    Fourier transforms are computed in float32 whatever the precision of the rest.
    """

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        def make(part: str) -> Pointwise:
            return backend.pointwise(
                folded[f"{name}.{part}.weight"], folded[f"{name}.{part}.bias"], relu=True
            )

        self._by_kernels = backend.use.fourier
        self._by_torch = functools.partial(_by_torch, dft.transforms_of(backend.device))
        self._conv_in = make("in")
        self._unit = make("unit")
        self._quadrants = make("quadrants") if f"{name}.quadrants.weight" in folded else None

    def __call__(self, x: Tensor, /) -> Tensor:
        """The global branch (B, C, H, W) to (B, C/2, H, W)."""
        x = self._conv_in(x)
        y = self._in_frequency(x, self._unit, x)
        if self._quadrants is not None:
            rows = torch.cat(x[:, : x.shape[1] // 4].chunk(2, dim=2), dim=1)
            stacked = torch.cat(rows.chunk(2, dim=3), dim=1).contiguous(memory_format=torch.channels_last)
            y.add_(self._in_frequency(stacked, self._quadrants, None).repeat(1, 1, 2, 2))
        return y

    def _in_frequency(self, x: Tensor, unit: Pointwise, add: Tensor | None) -> Tensor:
        """`unit` between the coefficients of `x` (B, C, H, W), `add` added: to the same shape and type."""
        by_kernels = self._by_kernels[size_class(x.shape[2], x.shape[3])]
        return (_by_kernels if by_kernels else self._by_torch)(x, unit, add)


def _by_kernels(x: Tensor, unit: Pointwise, add: Tensor | None) -> Tensor:
    y = unit(fourier.rfft2(x))
    return fourier.irfft2(y, (x.shape[2], x.shape[3]), add=add)


def _by_torch(transforms: dft.Transforms, x: Tensor, unit: Pointwise, add: Tensor | None) -> Tensor:
    """Half precision has no FFT on most devices, so only `unit` is computed in it."""
    width = x.shape[3]
    # Real and imaginary parts beside each other are the network's own order of channels: 2c, 2c + 1.
    pairs = transforms.forward(x.permute(0, 2, 3, 1).float()).flatten(3)  # (B, H, W/2+1, 2C)
    y = unit(pairs.to(x.dtype).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    back = transforms.inverse(y.float().reshape(*y.shape[:3], -1, 2), width)
    back = back.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return (back if add is None else back.add_(add)).to(x.dtype)
