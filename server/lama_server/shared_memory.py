"""Memory that the server and one worker share, to pass pixels without sending them.

It has no name in the file system (on Windows: a name that goes with its last user), so nothing is left of it,
however the two processes end.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sys
import tempfile

_GRAIN = 1 << 20
_KEEP = 64 << 20
"""Memory that the buffer keeps between jobs; what a larger job needed is given back after it."""

NO_MEMORY = "there is not enough memory for this fill; use a smaller selection, or close other programs"


class SharedBuffer:
    """The server's side: owns the memory."""

    def __init__(self) -> None:
        self._size = 0
        self._map: mmap.mmap | None = None
        self._tag = ""
        self._fd = -1
        if sys.platform != "win32":
            self._fd = _nameless_file()

    @property
    def handle(self) -> str:
        """What the worker needs to open it."""
        return self._tag if sys.platform == "win32" else str(self._fd)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that the worker has to inherit."""
        return () if sys.platform == "win32" else (self._fd,)

    def resize(self, size: int) -> memoryview:
        """The first `size` bytes, writable. Views from before must not be used any more."""
        if size > self._size or self._map is None:
            self._map = None
            self._size = -(-max(size, 1) // _GRAIN) * _GRAIN
            if sys.platform == "win32":
                # A named mapping cannot grow, so each size has its own name.
                self._tag = f"lama-fill-{secrets.token_hex(16)}"
                self._map = mmap.mmap(-1, self._size, tagname=self._tag)
            else:
                os.ftruncate(self._fd, self._size)
                self._map = mmap.mmap(self._fd, self._size)
        return memoryview(self._map)[:size]

    def shrink(self) -> None:
        """Give back what a large job needed. The worker must not be using it."""
        if self._size > _KEEP:
            self._map = None
            self._size = 0
            if sys.platform != "win32":
                os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Let go of the memory; may be called twice."""
        self._map = None
        self._size = 0
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def open_shared_buffer(handle: str, size: int) -> memoryview:
    """The worker's side: the first `size` bytes of the buffer, writable, as long as the view is kept."""
    if sys.platform == "win32":
        return memoryview(mmap.mmap(-1, size, tagname=handle))[:size]
    return memoryview(mmap.mmap(int(handle), size))[:size]


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("lama-fill", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
