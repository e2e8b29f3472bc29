"""One server for each user and runtime folder: a lock of the operating system, held for the server's life."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Lock:
    """A lock file that the operating system lets go of when its holder ends, however it ends.

    What a dead server leaves behind is therefore an unlocked file, which the next server takes over.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Take the lock without waiting; False when another process has it. Raises OSError."""
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            # The holder before removed the file while this process waited to lock it: then this lock is on a
            # file that nobody else will ever see.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(self._path), os.fstat(descriptor)):
                    self._descriptor = descriptor
                    return True
            os.close(descriptor)

    def release(self) -> None:
        """Let go of the lock and remove its file; may be called twice."""
        if self._descriptor < 0:
            return
        if sys.platform != "win32":  # there, an open file cannot be removed
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
