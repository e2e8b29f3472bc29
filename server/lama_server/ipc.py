"""The channel between the server and a worker: four bytes of length, then a msgpack map.

Most maps are those of the protocol's own messages (see `lama_core.client.protocol.codec`); pixels are not in
them but in shared memory.
"""

from __future__ import annotations

import struct
from typing import Any

from lama_core.client.protocol.packing import pack, unpack

_LENGTH = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size
MAX_BYTES = 1 << 20

Message = dict[str, Any]
"""The fields of one message; `type` says which one it is."""


def pack_message(message: Message) -> bytes:
    """The bytes of a message, its length included."""
    body = pack(message)
    return _LENGTH.pack(len(body)) + body


def body_length(header: bytes) -> int:
    """How many bytes follow the header.

    Raises:
        ValueError: no message is that long.
    """
    (length,) = _LENGTH.unpack(header)
    if length > MAX_BYTES:
        raise ValueError("not the length of a message")
    return int(length)


def unpack_message(body: bytes) -> Message:
    """The message in the bytes.

    Raises:
        ProtocolError: they are no map.
    """
    return unpack(body)
