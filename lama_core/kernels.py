"""The compiled kernels of lama-fill-kernels, where they are installed, on the threads that torch may use.

Everything works without them, more slowly: ask `available` first.

They work on torch's own threads where those can be had: where torch's OpenMP has libgomp's interface, which
is on Linux. A thread that comes from the layer before is awake, and none spins on a core that another one
wants. Elsewhere they work on as many of Python's threads, because their calls release the GIL.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lama_fill_kernels import Isa, Map

Precision = Literal["fp32", "bf16"]

_LINE = 64
"""Bytes of a line of the cache, from the first of which on scratch memory begins."""

_here = threading.local()


@functools.cache
def available(precision: Precision = "fp32") -> bool:
    """Whether the kernels are installed and this CPU has what they need to compute in `precision`."""
    return best_isa(precision) is not None


def best_isa(precision: Precision) -> Isa | None:
    """The fastest instruction set of this CPU for `precision`, None where there is none or no kernels."""
    try:
        import lama_fill_kernels
    except ImportError:
        return None
    return lama_fill_kernels.best_isa(lama_fill_kernels.Type[precision.upper()])


def has_matrix_unit(precision: Precision) -> bool:
    """Whether the kernels multiply matrices in `precision` by a unit of the processor (AMX)."""
    isa = best_isa(precision)
    if isa is None:
        return False
    import lama_fill_kernels

    return lama_fill_kernels.supports_direct(isa, lama_fill_kernels.Type[precision.upper()])


def as_map(tensor: Tensor | None) -> Map:
    """A (B, C, H, W) tensor, float32 or bfloat16, whose channels are contiguous, as the kernels see it.

    Raises:
        ValueError: the tensor's type or memory format is another.
    """
    from lama_fill_kernels import Map, Type

    if tensor is None:
        return Map()
    if tensor.dtype not in (torch.float32, torch.bfloat16):
        raise ValueError(f"a map must be float32 or bfloat16, not {tensor.dtype}")
    batch, channel, row, pixel = tensor.stride()
    if channel != 1 and tensor.shape[1] > 1:
        raise ValueError("a map must be in channels-last order")
    kind = Type.BF16 if tensor.dtype == torch.bfloat16 else Type.FP32
    return Map(tensor.data_ptr(), batch, row, pixel, kind, 0)


def run(name: str, job: int, scratch_bytes: int) -> None:
    """Work on a job with as many threads as torch uses.

    Args:
        name: of the library's function: "lfk_run", "lfk_fourier_run" and so on.
        job: its address.
        scratch_bytes: what the job needs for each thread.
    """
    from lama_fill_kernels import library

    work, threads, team = getattr(library, name), torch.get_num_threads(), _team()
    if team is None:
        on_all_threads(lambda: work(job, scratch(scratch_bytes).data_ptr()), threads)
        return
    size = -(-scratch_bytes // _LINE) * _LINE
    memory = scratch(threads * size).data_ptr()
    library.lfk_on_team(team, threads, ctypes.cast(work, ctypes.c_void_p), job, memory, size)


def on_all_threads(work: Callable[[], None], threads: int) -> None:
    """Call `work` on so many threads at the same time, one of them the caller's, and wait for all."""
    others = [_pool(threads - 1).submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        for other in others:
            other.result()


def memory(size: int) -> Tensor:
    """Zeros, `size` bytes, in large pages where the system has them.

    Mapping 16 MiB page by page costs more time than transforming the weights that fill them.
    """
    pages = mmap.mmap(-1, max(size, 1))
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            pages.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(pages, dtype=torch.uint8)


def scratch(size: int) -> Tensor:
    """Memory of `size` bytes at least that is this thread's own until it asks again."""
    kept: Tensor | None = getattr(_here, "scratch", None)
    if kept is None or kept.numel() < size:
        _here.scratch = None  # the old memory may become part of the new
        kept = _here.scratch = memory(size)
    return kept


@functools.cache
def _team() -> int | None:
    """The address of what calls a function on all of torch's threads; None where it is not known."""
    path = Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"
    if sys.platform != "linux" or not path.exists():
        return None
    # Looked up in torch's library and in those that it needs, so it is the OpenMP that torch itself uses.
    function = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, threads), thread_name_prefix="lama-fill-kernels")
