"""Real Fourier transforms of channels-last maps in the compiled kernels.

They are `torch.fft.rfft2` and `irfft2` with norm="ortho", whose results lie where the 1x1 convolution between
the coefficients wants them.

The channels, which are contiguous, are the lanes of the vectors, so that nothing is transposed or copied.
"""

from __future__ import annotations

import ctypes
import functools
import weakref

import torch
from torch import Tensor

from lama_core import kernels


def rfft2(x: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """The spectrum of a real map.

    Args:
        x: (B, C, H, W), float32 or bfloat16, channels-last. H and W from 1 to 16384; sizes with small prime
            factors are the fastest.
        dtype: of the result, float32 or bfloat16. None: that of `x`.

    Returns:
        (B, 2C, H, W/2+1), channels-last: channel 2c is the real part of channel c, 2c + 1 the imaginary part.

    Raises:
        RuntimeError: there are no kernels (see `kernels.available`).
        ValueError: the type or memory format of `x` is another, or it is too large.
    """
    batch, channels, height, width = x.shape
    spectrum = torch.empty(
        (batch, 2 * channels, height, width // 2 + 1),
        dtype=dtype or x.dtype,
        memory_format=torch.channels_last,
    )
    _run(x, spectrum, None, inverse=False)
    return spectrum


def irfft2(
    spectrum: Tensor, size: tuple[int, int], *, add: Tensor | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """The real map of a spectrum, and `add` added to it.

    Args:
        spectrum: (B, 2C, H, W/2+1) as `rfft2` gives it.
        size: H and W.
        add: (B, C, H, W), float32 or bfloat16, channels-last, or None.
        dtype: of the result, float32 or bfloat16. None: that of `spectrum`.

    Returns:
        (B, C, H, W), channels-last.

    Raises:
        RuntimeError, ValueError: as for `rfft2`; a shape does not fit.
    """
    batch, pairs, height, bins = spectrum.shape
    shape = (batch, pairs // 2, *size)
    if height != size[0] or bins != size[1] // 2 + 1 or pairs % 2:
        raise ValueError(f"a spectrum of {tuple(spectrum.shape)} is not that of a map of {size}")
    if add is not None and tuple(add.shape) != shape:
        raise ValueError(f"what is added is {tuple(add.shape)} and should be {shape}")
    out = torch.empty(shape, dtype=dtype or spectrum.dtype, memory_format=torch.channels_last)
    _run(out, spectrum, add, inverse=True)
    return out


class _Plan:
    """The factors and roots of unity for one size of map."""

    def __init__(self, isa: int, height: int, width: int) -> None:
        from lama_fill_kernels import MAX_SIDE, library

        if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
            raise ValueError(f"a map to transform has sides of 1 to {MAX_SIDE}, not {width} x {height}")
        self.address = library.lfk_fourier_new(isa, height, width)
        if not self.address:
            raise MemoryError("no memory for a plan of Fourier transforms")
        weakref.finalize(self, library.lfk_fourier_free, self.address)
        self.scratch_bytes: int = library.lfk_fourier_scratch_bytes(self.address)


_plan = functools.lru_cache(maxsize=16)(_Plan)


def _run(space: Tensor, spectrum: Tensor, add: Tensor | None, *, inverse: bool) -> None:
    isa = kernels.best_isa("fp32")
    if isa is None:
        raise RuntimeError("there are no compiled kernels on this machine")
    plan = _plan(isa, space.shape[2], space.shape[3])
    from lama_fill_kernels import FourierJob

    job = FourierJob(
        plan.address,
        space.shape[0],
        space.shape[1],
        inverse,
        0,
        kernels.as_map(space),
        kernels.as_map(spectrum),
        kernels.as_map(add),
    )
    kernels.run("lfk_fourier_run", ctypes.addressof(job), plan.scratch_bytes)
