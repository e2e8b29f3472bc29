"""Real Fourier transforms of channels-last maps by torch's own operations, on whatever device.

Where a device has no complex numbers, or no FFT, they are products with matrices of cosines and sines: more
arithmetic, but of the kind that every device is good at, and maps are an eighth of a picture's side.
"""

from __future__ import annotations

import functools
import math
from typing import Protocol

import torch
from torch import Tensor


class Transforms(Protocol):
    """A pair of transforms, with norm="ortho", in float32."""

    def forward(self, x: Tensor, /) -> Tensor:
        """(B, H, W, C) to (B, H, W/2+1, C, 2): real and imaginary parts of the spectrum over H and W."""
        ...

    def inverse(self, spectrum: Tensor, width: int, /) -> Tensor:
        """Back to (B, H, W, C); `width` is W."""
        ...


@functools.cache
def transforms_of(device: torch.device) -> Transforms:
    """The best that a device has; tried out, because no name says it."""
    try:
        Fft().inverse(Fft().forward(torch.zeros(1, 2, 2, 1, device=device)), 2)
    except (RuntimeError, TypeError):  # NotImplementedError is a RuntimeError
        return Matrices()
    return Fft()


class Fft:
    """By torch.fft."""

    def forward(self, x: Tensor, /) -> Tensor:
        return torch.view_as_real(torch.fft.rfft2(x, dim=(1, 2), norm="ortho").contiguous())

    def inverse(self, spectrum: Tensor, width: int, /) -> Tensor:
        size = (spectrum.shape[1], width)
        back: Tensor = torch.fft.irfft2(torch.view_as_complex(spectrum), s=size, dim=(1, 2), norm="ortho")
        return back


class Matrices:
    """By products with the matrices of the discrete Fourier transform."""

    def forward(self, x: Tensor, /) -> Tensor:
        batch, height, width, channels = x.shape
        cosine, sine = _angles(width, x.device)
        bins = width // 2 + 1
        # The rows are real, so their negative frequencies say nothing new.
        real, imaginary = (torch.matmul(m[:bins], x).flatten(2) for m in (cosine, -sine))
        cosine, sine = _angles(height, x.device)
        both = cosine @ real + sine @ imaginary, cosine @ imaginary - sine @ real
        return torch.stack(both, dim=-1).view(batch, height, bins, channels, 2)

    def inverse(self, spectrum: Tensor, width: int, /) -> Tensor:
        batch, height, bins, channels, _ = spectrum.shape
        real, imaginary = (part.flatten(2) for part in spectrum.unbind(-1))
        cosine, sine = _angles(height, spectrum.device)
        rows = cosine @ real - sine @ imaginary, cosine @ imaginary + sine @ real
        real, imaginary = (part.view(batch, height, bins, channels) for part in rows)
        cosine, sine = (m[:, :bins] for m in _angles(width, spectrum.device))
        # Every frequency but zero and, in an even width, the highest one stands for its negative too.
        twice = torch.full((bins,), 2.0, device=spectrum.device)
        twice[0] = 1
        if width % 2 == 0:
            twice[-1] = 1
        return torch.matmul(cosine * twice, real) - torch.matmul(sine * twice, imaginary)


@functools.lru_cache(maxsize=16)
def _angles(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi j k / size, (size, size) each, divided by the root of the size."""
    place = torch.arange(size, dtype=torch.int64)
    # Modulo first: the product of two places is far beyond what float32 has of a turn.
    turn = (place[:, None] * place % size).double() * (2 * math.pi / size)
    scale = 1 / math.sqrt(size)
    return (turn.cos() * scale).float().to(device), (turn.sin() * scale).float().to(device)
