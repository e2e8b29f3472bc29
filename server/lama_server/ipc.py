"""Messages between the server and a worker: four bytes of length, then a msgpack map."""

from __future__ import annotations

import struct
from typing import Any

import msgpack

_LENGTH = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size
MAX_BYTES = 1 << 20

Note = dict[str, Any]


def pack_note(note: Note) -> bytes:
    """The bytes of a note."""
    body: bytes = msgpack.packb(note)
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """How many bytes follow. Raises ValueError for a number that no note has."""
    (length,) = _LENGTH.unpack(header)
    if length > MAX_BYTES:
        raise ValueError("not a note")
    return int(length)


def unpack_note(body: bytes) -> Note:
    """The note in the bytes. Raises ValueError for what is not a map."""
    note = msgpack.unpackb(body)
    if not isinstance(note, dict):
        raise ValueError("not a note")
    return note
