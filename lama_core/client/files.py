"""Writing a file whole or not at all, and the hash of one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from pathlib import Path
from typing import Union

OWN_FILE = 0o644
"""Permissions, at most, of a file of our own: others may not change it, whatever the umask."""

Data = Union[bytes, bytearray, memoryview]

_LOST = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EIO)
"""Errors of fsync that say that the data is not on the disk; others say that the drive has no fsync."""


def write_atomically(path: Path, data: Data, *, mode: int | None = None, fsync: bool = False) -> None:
    """Write a file under another name beside its place, then rename it: nobody ever sees half of it.

    A file that is there is replaced, and so is a link. Network and FAT drives may know neither modes nor
    fsync: what they refuse of that does not fail the write.

    Args:
        path: of the file; its folder exists.
        data: its whole content.
        mode: its permissions; None: those of the file that is replaced, else what the umask leaves of 0o666.
        fsync: whether it must be on the disk before it replaces what was there.

    Raises:
        OSError: it cannot be written, or the disk is full; what was there is as it was, and
            nothing is left beside it.
    """
    # Not named after the path: that name may be as long as names can be.
    draft = path.with_name(f".lama-fill-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(draft, flags, 0o666 if mode is None else mode), "wb") as stream:
            stream.write(data)
            stream.flush()
            if fsync:
                try:
                    os.fsync(stream.fileno())
                except OSError as error:
                    if error.errno in _LOST:
                        raise
        if mode is None:
            with contextlib.suppress(OSError):
                draft.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def make_own_folder(path: Path) -> None:
    """Make a folder that is this user's alone, and the folders above it that are missing, likewise.

    Whatever the umask: with 000, others could put files of theirs in it. One that is there stays as it is.

    Raises:
        OSError: it cannot be made, or something else is there.
    """
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
        if path == path.parent:
            break
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def is_full(error: OSError) -> bool:
    """Whether a file could not be written for want of room on the disk, or in the user's share of it."""
    return error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
