"""How the C library keeps memory between the maps of a network, and how it is given back. glibc only.

glibc takes each large block from the system and gives it back when it is freed, so every map of the network
is made of fresh pages, each of which costs a fault and is cleared first: millions of faults in one fill. Kept
blocks are used again by the next layer, while they are still in the cache.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h
_KEEP_ALL = 2**31 - 1
_STEP = 64 << 20


def keep_freed_memory() -> None:
    """From now on have this process keep what it frees, for its next use, until `give_back_freed_memory`."""
    libc = _libc()
    if libc is not None:
        libc.mallopt(_MMAP_MAX, 0)
        libc.mallopt(_TRIM_THRESHOLD, _KEEP_ALL)
        libc.mallopt(_TOP_PAD, _STEP)


def give_back_freed_memory() -> None:
    """Give all free memory that is kept for later back to the system."""
    libc = _libc()
    if libc is not None:
        libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library
            libc = ctypes.CDLL(None)
            if hasattr(libc, "mallopt") and hasattr(libc, "gnu_get_libc_version"):
                return libc
    return None
