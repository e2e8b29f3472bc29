"""The directories of a TIFF file as they stand in it (TIFF 6.0, section 2; BigTIFF)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np

from lama_cli.pictures.tiff_tags import LONG, LONG8, SHORT, TYPE_BYTES

#: How whole numbers are unpacked, by TIFF's type.
NUMBERS: Final = {1: "B", SHORT: "H", LONG: "I", 13: "I", LONG8: "Q", 18: "Q"}

#: Types of two numbers, each swapped on its own: RATIONAL and SRATIONAL.
_FRACTIONS: Final = frozenset({5, 10})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry as it stands in a file: where its values begin, and how long they are."""

    tag: int
    kind: int
    count: int
    at: int
    size: int


class Reader:
    """Reads directories of an open file, never more bytes than the file has, all of them together."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = file.seek(0, 2)
        self._left = self._end
        head = self._read(0, 16)
        self.order = ">" if head[:2] == b"MM" else "<"
        self.is_big = head[2:4] in (b"\x2b\x00", b"\x00\x2b")
        self._pointer = f"{self.order}{'Q' if self.is_big else 'I'}"
        start = 8 if self.is_big else 4
        self.first = (
            self._number(head[start : start + struct.calcsize(self._pointer)], self._pointer) or self._end
        )

    def places(self, at: int) -> Iterator[Place]:
        """The entries of the directory at an offset, those left out that lie outside the file."""
        form = f"{self.order}{'Q' if self.is_big else 'H'}"
        size, inline = (20, 8) if self.is_big else (12, 4)
        begin = at + struct.calcsize(form)
        count = min(self._number(self._read(at, struct.calcsize(form)), form), 65535)
        entries = self._read(begin, size * count)
        for start in range(0, len(entries) - size + 1, size):
            tag, kind = struct.unpack_from(f"{self.order}HH", entries, start)
            (number,) = struct.unpack_from(self._pointer, entries, start + 4)
            length = TYPE_BYTES.get(kind, 0) * number
            place = begin + start + size - inline
            if length > inline:
                (place,) = struct.unpack_from(self._pointer, entries, start + size - inline)
            if length and place + length <= self._end:
                yield Place(tag=tag, kind=kind, count=number, at=place, size=length)

    def value(self, place: Place) -> bytes | None:
        """Little-endian values; None where entries that overlap would be more than the file."""
        if place.size > self._left:
            return None
        self._left -= place.size
        data = self._read(place.at, place.size)
        item = 4 if place.kind in _FRACTIONS else TYPE_BYTES[place.kind]
        if self.order == "<" or item == 1:
            return data
        return np.frombuffer(data, f">u{item}").astype(f"<u{item}").tobytes()

    def numbers(self, place: Place | None, most: int = 64) -> tuple[int, ...]:
        """The first values of an entry of whole numbers."""
        letter = NUMBERS.get(place.kind) if place is not None else None
        if place is None or letter is None:
            return ()
        count = min(place.count, most)
        data = self._read(place.at, count * TYPE_BYTES[place.kind])
        return struct.unpack(f"{self.order}{count}{letter}", data)

    def _read(self, at: int, size: int) -> bytes:
        if at >= self._end:
            return b""
        self._file.seek(at)
        return self._file.read(size)

    def _number(self, data: bytes, form: str) -> int:
        return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else 0
