"""Messages that are almost right, and what decoding makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgpack

from lama_core.client.protocol import codec
from lama_core.client.protocol.codec import Message, decode_client, decode_server, encode
from lama_core.client.protocol.errors import ERROR_CODES, ProtocolError
from lama_core.client.protocol.limits import Limits

LIMITS = Limits()
ODD_VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    255,
    2**16,
    2**31,
    2**32,
    2**53,
    2**63,
    2**64 - 1,
    -(2**63),
    0.0,
    -0.0,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "fill",
    "rgb",
    "u16",
    "auto",
    "\x00",
    "\u202e",
    "x" * 2000,
    b"",
    b"\x00" * 24,
    b"\xff" * 6,
    [],
    {},
    [None],
    [[[[[[[[[[]]]]]]]]]],
    {"job": 1},
    {"": {"": {}}},
    [{}] * 64,
    msgpack.ExtType(1, b""),
    msgpack.Timestamp(0),
]


class Mutator:
    """Makes messages that are almost right, by their bytes and by their fields."""

    def __init__(self, seed: int, messages: list[Message]) -> None:
        self.random = random.Random(seed)
        self.maps = [{"type": codec.TYPE_NAMES[type(m)], **codec._plain_fields(m)} for m in messages]
        self.frames = [encode(message) for message in messages]
        self.keys = sorted({key for fields in self.maps for key in fields})

    def frame(self) -> bytes:
        return self.by_bytes() if self.random.random() < 0.5 else self.by_fields()

    def by_bytes(self) -> bytes:
        frame = bytearray(self.random.choice(self.frames))
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randrange(len(frame) + 1)
            kind = self.random.randrange(6)
            if kind == 0 and at < len(frame):
                frame[at] ^= 1 << self.random.randrange(8)
            elif kind == 1 and at < len(frame):
                frame[at] = self.random.randrange(256)
            elif kind == 2:
                frame[at:at] = self.random.randbytes(self.random.randint(1, 8))
            elif kind == 3:
                del frame[at : at + self.random.randint(1, 8)]
            elif kind == 4:
                other = self.random.choice(self.frames)
                begin = self.random.randrange(len(other))
                frame[at:] = other[begin:]
            else:
                frame[at:at] = frame[at : at + self.random.randint(1, 32)]
        return bytes(frame)

    def by_fields(self) -> bytes:
        fields = self.changed(self.random.choice(self.maps))
        return bytes(msgpack.packb(fields))

    def changed(self, fields: dict[str, Any]) -> dict[str, Any]:
        fields = dict(fields)
        for _ in range(self.random.randint(1, 3)):
            key = self.random.choice(list(fields) or self.keys)
            kind = self.random.randrange(5)
            if kind == 0:
                fields.pop(key, None)
            elif kind == 1:
                fields[self.random.choice(self.keys)] = self.random.choice(ODD_VALUES)
            elif kind == 2 and isinstance(fields.get(key), dict):
                fields[key] = self.changed(fields[key])
            elif kind == 3 and isinstance(fields.get(key), int):
                fields[key] = (fields[key] + self.random.choice([-1, 1, 1000])) % 2**64
            else:
                fields[key] = self.random.choice(ODD_VALUES)
        return fields


def outcome(decode: Callable[[bytes], Message], frame: bytes) -> Message | ProtocolError:
    try:
        return decode(frame)
    except ProtocolError as error:
        return error


def client_outcome(frame: bytes) -> Message | ProtocolError:
    return outcome(lambda data: decode_client(data, LIMITS), frame)


def server_outcome(frame: bytes) -> Message | ProtocolError:
    return outcome(decode_server, frame)


def check_frame(frame: bytes) -> set[str]:
    """The kinds of outcome of a frame; anything but a message or a documented error gets out."""
    seen = set()
    for decode in (client_outcome, server_outcome):
        found = decode(frame)
        if isinstance(found, ProtocolError):
            seen.add(found.code)
            assert found.code in ERROR_CODES, frame
            assert found.fatal == (found.job is None), frame
            assert found.message.isprintable(), frame
        else:
            seen.add(codec.TYPE_NAMES[type(found)])
            assert decode(encode(found)) == found, frame
    return seen


def fuzz(mutator: Mutator, rounds: int) -> set[str]:
    """Every kind of outcome that was seen."""
    seen: set[str] = set()
    for _ in range(rounds):
        seen |= check_frame(mutator.frame())
    return seen
