"""Giving memory back to the system."""

from __future__ import annotations

import contextlib
import gc
import sys


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
