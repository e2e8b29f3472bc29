"""Giving memory back to the system, and what the system does when there is none."""

from __future__ import annotations

import contextlib
import gc
import sys
from pathlib import Path


def free_memory() -> None:
    """Free what nobody uses any more, down to the system.

    A closed websocket is a cycle of objects with its last message in it, which Python frees only when it next
    collects garbage. And what Python frees, glibc keeps for later once it has seen large blocks: tens of
    megabytes.
    """
    gc.collect()
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def count_memory_kills() -> int:
    """How many processes the kernel has ended for want of memory so far; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
