"""The global path of a block: a convolution between the coefficients of a Fourier transform."""

from __future__ import annotations

import torch
from torch import Tensor

from lama_core.fast.convolution import Backend, Convolution
from lama_core.fast.fold import Folded


class Spectral:
    """A spectral transform up to its last convolution, which the block sums with its other paths.

    Between the transforms everything is float32 but for the convolution: half precision has no FFT.
    """

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        def make(part: str) -> Convolution:
            return backend.convolution(
                folded[f"{name}.{part}.weight"], folded.get(f"{name}.{part}.bias"), relu=True
            )

        self._conv_in = make("in")
        self._unit = make("unit")
        self._quadrants = make("quadrants") if f"{name}.quadrants.weight" in folded else None

    def __call__(self, x: Tensor, /) -> Tensor:
        """The global branch (B, C, H, W) to (B, C/2, H, W)."""
        x = self._conv_in(x)
        y = _in_frequency(x, self._unit)
        if self._quadrants is not None:
            rows = torch.cat(x[:, : x.shape[1] // 4].chunk(2, dim=2), dim=1)
            stacked = torch.cat(rows.chunk(2, dim=3), dim=1).contiguous(memory_format=torch.channels_last)
            y.add_(_in_frequency(stacked, self._quadrants).repeat(1, 1, 2, 2))
        return y.add_(x).to(x.dtype)


def _in_frequency(x: Tensor, unit: Convolution) -> Tensor:
    """(B, C, H, W) to the same shape in float32."""
    batch, channels, height, width = x.shape
    values = x.permute(0, 2, 3, 1)  # (B, H, W, C), as it lies in memory
    spectrum = torch.fft.rfft2(values.float(), dim=(1, 2), norm="ortho")  # (B, H, W/2+1, C)
    # Real and imaginary parts beside each other are the network's own order of channels: 2c, 2c + 1.
    pairs = torch.view_as_real(spectrum.contiguous()).flatten(3)  # (B, H, W/2+1, 2C)
    y = unit(pairs.to(x.dtype).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    y = torch.view_as_complex(y.float().reshape(batch, height, width // 2 + 1, channels, 2))
    back: Tensor = torch.fft.irfft2(y, s=(height, width), dim=(1, 2), norm="ortho")
    return back.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
