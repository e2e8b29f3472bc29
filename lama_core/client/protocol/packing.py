"""Packing without needless copies, and unpacking what somebody else wrote within bounded memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgpack

from lama_core.client.protocol import limits as bounds
from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.messages import Bytes

MAX_STRING_BYTES: Final = 4 * bounds.MAX_TEXT
_PLAIN: Final = (str, int, float, bool, bytes, type(None), dict, list)


def pack(fields: Mapping[str, Any]) -> bytes:
    """The msgpack of a map, for which the bytes at its top level are copied once."""
    packer = msgpack.Packer()
    parts: list[Bytes] = [packer.pack_map_header(len(fields))]
    for key, value in fields.items():
        parts.append(packer.pack(key))
        if isinstance(value, (bytes, bytearray, memoryview)):
            parts.append(_bin_header(byte_count(value)))
            parts.append(value)
        else:
            parts.append(packer.pack(value))
    return b"".join(parts)


def byte_count(data: Bytes) -> int:
    """How many bytes are in a buffer, whatever the type of its items."""
    return data.nbytes if isinstance(data, memoryview) else len(data)


def fragments(frame: bytes, size: int) -> Iterator[bytes]:
    """A message in parts of at most `size` bytes: between them the other side's pings are answered."""
    for begin in range(0, len(frame), size):
        yield frame[begin : begin + size]


def _bin_header(size: int) -> bytes:
    if size < 1 << 8:
        return struct.pack(">BB", 0xC4, size)
    if size < 1 << 16:
        return struct.pack(">BH", 0xC5, size)
    return struct.pack(">BI", 0xC6, size)


def unpack(frame: Bytes) -> dict[str, Any]:
    """The map in `frame`, whose values are strings, numbers, booleans, None, bytes, lists and dicts.

    Raises `ProtocolError` for anything else: no map, bytes left over, a key twice or not a string,
    invalid UTF-8, an extension type, or more arrays and maps than any message needs (each byte of them
    costs a hundred times as much memory here, so they are counted while they are unpacked).
    """
    containers = 0

    def count() -> None:
        nonlocal containers
        containers += 1
        if containers > bounds.MAX_CONTAINERS:
            raise ProtocolError("bad_message", f"more than {bounds.MAX_CONTAINERS} arrays and maps")

    def make_list(items: list[Any]) -> list[Any]:
        count()
        return items

    def make_map(pairs: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
        count()
        fields: dict[str, Any] = {}
        for key, value in pairs:  # msgpack in C gives a list, in Python a generator that checks no key
            if type(key) is not str:
                raise ProtocolError("bad_message", "a key is not a string")
            if key in fields:
                raise ProtocolError("bad_message", "a map names a key twice")
            fields[key] = value
        return fields

    def refuse_ext(code: int, data: bytes) -> Any:
        raise ProtocolError("bad_message", "extension types are not part of the protocol")

    try:
        value = msgpack.unpackb(
            frame,
            raw=False,
            strict_map_key=True,
            list_hook=make_list,
            object_pairs_hook=make_map,
            ext_hook=refuse_ext,
            max_str_len=MAX_STRING_BYTES,
            max_array_len=bounds.MAX_LIST,
            max_map_len=bounds.MAX_LIST,
        )
        _check_plain(value, bounds.MAX_DEPTH)
    except ProtocolError:
        raise
    except (ValueError, RecursionError) as error:
        # All of msgpack's own errors are ValueErrors; they may quote the frame, so they are not repeated.
        raise ProtocolError("bad_message", f"not a msgpack map ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise ProtocolError("bad_message", "a message is a msgpack map")
    return value


def _check_plain(value: Any, depth: int) -> None:
    if type(value) not in _PLAIN:  # a timestamp does not go through ext_hook
        raise ProtocolError("bad_message", "extension types are not part of the protocol")
    if not isinstance(value, (dict, list)):
        return
    if depth == 0:
        raise ProtocolError("bad_message", f"arrays and maps nested more than {bounds.MAX_DEPTH} deep")
    if isinstance(value, dict):
        for item in value.values():
            _check_plain(item, depth - 1)
    else:
        for item in value:
            _check_plain(item, depth - 1)
