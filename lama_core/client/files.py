"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Union

Data = Union[bytes, bytearray, memoryview]


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
        OSError: it cannot be written; what was there is as it was, and nothing is left beside it.
    """
    # Not named after the path: that name may be as long as names can be.
    draft = path.with_name(f".lama-fill-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(draft, flags, 0o666 if mode is None else mode), "wb") as stream:
            stream.write(data)
            stream.flush()
            if fsync:
                with contextlib.suppress(OSError):
                    os.fsync(stream.fileno())
        if mode is None:
            with contextlib.suppress(OSError):
                draft.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(draft, path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
