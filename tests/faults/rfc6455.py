"""Cases of RFC 6455, as Autobahn's core list has them, for an endpoint that takes binary messages alone.

Each case is what a client sends after the handshake, and how the server must end the connection, if at all.
Where the RFC leaves it to the server, both codes are right.
"""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass, field

from lama_core.client.protocol.codec import encode
from lama_core.client.protocol.messages import Hello, StatusRequest
from tests.faults.access import upgrade_request
from tests.server.harness import ServerProcess

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

HELLO = encode(Hello(client="rfc6455"))
STATUS = encode(StatusRequest())
PROTOCOL, UNSUPPORTED, TOO_BIG, BAD_TEXT, NORMAL, NONE = 1002, 1003, 1009, 1007, 1000, 1005
LAX, TOO_LONG, BAD_REASON = (NORMAL, PROTOCOL), (TOO_BIG, PROTOCOL), (PROTOCOL, BAD_TEXT)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    end: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
    wide: int = 0,
) -> bytes:
    """A frame of a client. `length`: to claim. `wide`: bytes of the extended length, 0 for what fits."""
    size = len(payload) if length is None else length
    wide = wide or (0 if size < 126 else 2 if size < 1 << 16 else 8)
    short = {0: size, 2: 126, 8: 127}[wide]
    head = bytes([end << 7 | reserved << 4 | opcode, masked << 7 | short])
    head += size.to_bytes(wide, "big") if wide else b""
    if not masked:
        return head + payload
    mask = secrets.token_bytes(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is sent, in pieces. `ends`: the close codes that are right; empty: it goes on."""

    name: str
    sent: tuple[bytes, ...]
    ends: tuple[int, ...] = ()
    pongs: tuple[bytes, ...] = ()
    """Payloads of the pongs that must come."""


def _close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def _parts(data: bytes, count: int) -> tuple[bytes, ...]:
    step = -(-len(data) // count)
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    last = len(pieces) - 1
    return tuple(frame(CONTINUATION if n else BINARY, piece, end=n == last) for n, piece in enumerate(pieces))


def _fragments() -> list[Case]:
    first, *others = _parts(STATUS, 3)
    return [
        Case(name="in two fragments", sent=_parts(STATUS, 2)),
        Case(name="in a fragment for each byte", sent=_parts(STATUS, len(STATUS))),
        Case(
            name="with an empty fragment first", sent=(frame(BINARY, end=False), frame(CONTINUATION, STATUS))
        ),
        Case(name="a ping between fragments", sent=(first, frame(PING, b"x"), *others), pongs=(b"x",)),
        Case(name="a pong between fragments", sent=(first, frame(PONG, b"x"), *others)),
        Case(name="a message between fragments", sent=(first, frame(BINARY, STATUS)), ends=(PROTOCOL,)),
        Case(name="text between fragments", sent=(first, frame(TEXT, b"x")), ends=(PROTOCOL,)),
        Case(name="a continuation of nothing", sent=(frame(CONTINUATION, b"x"),), ends=(PROTOCOL,)),
        Case(name="an unfinished one of nothing", sent=(frame(CONTINUATION, end=False),), ends=(PROTOCOL,)),
        Case(
            name="a continuation after a message",
            sent=(frame(BINARY, STATUS), frame(CONTINUATION, b"x")),
            ends=(PROTOCOL,),
        ),
        Case(name="a ping in fragments", sent=(frame(PING, b"x", end=False),), ends=(PROTOCOL,)),
        Case(name="a close in fragments", sent=(frame(CLOSE, b"", end=False),), ends=(PROTOCOL,)),
        Case(name="a close between fragments", sent=(first, _close(1000)), ends=LAX),
    ]


def _control() -> list[Case]:
    return [
        Case(name="a ping", sent=(frame(PING),), pongs=(b"",)),
        Case(name="a ping with bytes", sent=(frame(PING, b"\x00\xff\xfe"),), pongs=(b"\x00\xff\xfe",)),
        Case(name="a ping of 125 bytes", sent=(frame(PING, b"p" * 125),), pongs=(b"p" * 125,)),
        Case(name="a ping of 126 bytes", sent=(frame(PING, b"p" * 126),), ends=(PROTOCOL,)),
        Case(
            name="ten pings",
            sent=tuple(frame(PING, bytes([n])) for n in range(10)),
            pongs=tuple(bytes([n]) for n in range(10)),
        ),
        Case(name="pongs that nobody asked for", sent=(frame(PONG), frame(PONG, b"x"))),
        Case(name="a pong of 126 bytes", sent=(frame(PONG, b"p" * 126),), ends=(PROTOCOL,)),
        Case(name="a close without a code", sent=(frame(CLOSE),), ends=(NORMAL, NONE)),
        Case(name="a close of one byte", sent=(frame(CLOSE, b"\x03"),), ends=(PROTOCOL,)),
        Case(name="a close with a reason", sent=(_close(1000, b"bye"),), ends=(NORMAL,)),
        Case(name="a close with 123 bytes of reason", sent=(_close(1000, b"r" * 123),), ends=(NORMAL,)),
        Case(name="a close with 124 bytes of reason", sent=(_close(1000, b"r" * 124),), ends=(PROTOCOL,)),
        Case(name="a reason that is no UTF-8", sent=(_close(1000, b"\xce\xba\xff"),), ends=BAD_REASON),
        Case(name="two closes", sent=(_close(1000), _close(1000)), ends=(NORMAL,)),
        Case(name="a ping after a close", sent=(_close(1000), frame(PING, b"late")), ends=(NORMAL,)),
        *(
            Case(name=f"close code {code}", sent=(_close(code),), ends=(code,))
            for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
        ),
        *(
            Case(name=f"close code {code}", sent=(_close(code),), ends=(PROTOCOL,))
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
        ),
    ]


def _frames() -> list[Case]:
    return [
        Case(name="a message", sent=(frame(BINARY, STATUS),)),
        Case(name="a message byte by byte", sent=tuple(bytes([b]) for b in frame(BINARY, STATUS))),
        Case(name="two messages at once", sent=(frame(BINARY, STATUS) + frame(BINARY, STATUS),)),
        Case(name="text", sent=(frame(TEXT, b"hello"),), ends=(UNSUPPORTED,)),
        Case(name="empty text", sent=(frame(TEXT),), ends=(UNSUPPORTED,)),
        Case(
            name="text that is no UTF-8", sent=(frame(TEXT, b"\xce\xba\xff"),), ends=(UNSUPPORTED, BAD_TEXT)
        ),
        Case(name="an empty message", sent=(frame(BINARY),), ends=(PROTOCOL,)),
        Case(name="not masked", sent=(frame(BINARY, STATUS, masked=False),), ends=(PROTOCOL,)),
        Case(name="a ping that is not masked", sent=(frame(PING, masked=False),), ends=(PROTOCOL,)),
        *(
            Case(
                name=f"reserved bits {bits:03b}",
                sent=(frame(BINARY, STATUS, reserved=bits),),
                ends=(PROTOCOL,),
            )
            for bits in range(1, 8)
        ),
        *(
            Case(
                name=f"reserved bits {bits:03b} of a ping",
                sent=(frame(PING, reserved=bits),),
                ends=(PROTOCOL,),
            )
            for bits in (1, 2, 4)
        ),
        *(
            Case(name=f"opcode {code}", sent=(frame(code, b"x"),), ends=(PROTOCOL,))
            for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
        ),
        Case(
            name="a length in more bytes than needed",
            sent=(frame(BINARY, STATUS, wide=2),),
            ends=LAX,
        ),
        Case(name="a length of 8 bytes for 6", sent=(frame(BINARY, STATUS, wide=8),), ends=LAX),
        Case(name="a ping with a long length", sent=(frame(PING, b"x", wide=2),), pongs=(b"x",)),
        Case(name="a length above the limit", sent=(frame(BINARY, b"x", length=1 << 30),), ends=(TOO_BIG,)),
        Case(name="a length of 2^62", sent=(frame(BINARY, b"x", length=1 << 62),), ends=TOO_LONG),
        Case(
            name="a length with its first bit set",
            sent=(frame(BINARY, b"x", length=1 << 63),),
            ends=TOO_LONG,
        ),
    ]


CASES = (*_frames(), *_fragments(), *_control())


@dataclass(slots=True)
class Heard:
    """What the server said."""

    code: int | None = None
    messages: int = 0
    pongs: list[bytes] = field(default_factory=list)
    closed: bool = False


def play(server: ServerProcess, case: Case) -> str:
    """Play a case; returns what was wrong, or ""."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.sendall(upgrade_request(server))
        stream = plain.makefile("rb")
        assert b" 101 " in stream.readline()
        while stream.readline().strip():
            pass
        plain.sendall(frame(BINARY, HELLO))
        heard = Heard()
        _hear(stream, heard, messages=1)
        try:
            for piece in case.sent:
                plain.sendall(piece)
            # A close of our own, where it should go on, shows that it did.
            plain.sendall(b"" if case.ends and case.ends[0] != NORMAL else _close(1000))
        except OSError:
            pass  # it has closed already
        try:
            _hear(stream, heard)
        except OSError as error:
            if heard.code is None:
                return f"{case.name}: {error!r}"
    if heard.code not in (case.ends or (NORMAL,)):
        return f"{case.name}: ended with {heard.code}"
    if tuple(heard.pongs) != case.pongs:
        return f"{case.name}: pongs {heard.pongs}"
    return ""


def _hear(stream: object, heard: Heard, messages: int = 0) -> None:
    """Read frames until the end, or until so many messages have come."""
    read = stream.read  # type: ignore[attr-defined]
    while not messages or heard.messages < messages:
        head = read(2)
        if len(head) < 2:
            heard.closed = True
            return
        size = head[1] & 127
        if size >= 126:
            size = int.from_bytes(read(2 if size == 126 else 8), "big")
        payload = read(size)
        opcode = head[0] & 15
        if opcode == CLOSE:
            heard.code = struct.unpack("!H", payload[:2])[0] if payload else NONE
        elif opcode == PONG:
            heard.pongs.append(payload)
        elif opcode == BINARY:
            heard.messages += 1
