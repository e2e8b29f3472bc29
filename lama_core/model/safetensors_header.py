"""The header of a safetensors file, read without the library.

The library needs numpy or torch, which the server's parent process does not load.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MAX_HEADER = 100_000_000
"""Bytes; the format's own limit."""


def read_start(path: Path, limit: int = MAX_HEADER) -> bytes:
    """The length of the header, eight bytes, and the header itself, or its first `limit` bytes.

    Nothing is checked: of another kind of file these are some of its first bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as stream:
        length = stream.read(8)
        return length + stream.read(min(int.from_bytes(length, "little"), limit))


def read_header(path: Path) -> dict[str, Any]:
    """The header: each tensor's type, shape and place by its name, and `__metadata__`.

    Raises:
        OSError: the file cannot be read.
        ValueError, KeyError, TypeError: it is not a safetensors file, or not all of one.
    """
    start = read_start(path)
    if not 2 <= int.from_bytes(start[:8], "little") <= MAX_HEADER:
        raise ValueError("not a safetensors file")
    header = json.loads(start[8:])
    if not isinstance(header, dict):
        raise ValueError("not a safetensors file")
    end = max((t["data_offsets"][1] for name, t in header.items() if name != "__metadata__"), default=0)
    if len(start) + end != path.stat().st_size:
        raise ValueError("cut short, or longer than it says")
    return header
