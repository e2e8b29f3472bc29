"""Putting tags into an encoded TIFF file: a new first directory at its end."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from lama_cli.pictures.tiff_tags import LONG, LONG8, Entry, is_pixels

_BIG_MAGIC: Final = 43
#: A classic TIFF ends at 4 GB; compressed data is rarely larger than what it was made of.
_CLASSIC_BYTES: Final = 2**32 - 2**28


class _Form:
    """How numbers are written in a little-endian file, classic or BigTIFF."""

    def __init__(self, encoded: bytes) -> None:
        self.is_big = struct.unpack_from("<H", encoded, 2)[0] == _BIG_MAGIC
        self.pointer = "<Q" if self.is_big else "<I"
        self.count = "<Q" if self.is_big else "<H"
        self.entry = struct.Struct("<HHQ8s" if self.is_big else "<HHI4s")
        self.header = 8 if self.is_big else 4
        self.inline = 8 if self.is_big else 4


def insert_tags(encoded: bytes, entries: Sequence[Entry]) -> bytes:
    """A TIFF file with other metadata.

    Args:
        encoded: a whole little-endian file as libvips writes it; of its first directory only what describes
            pixels stays.
        entries: the tags to add; one that describes pixels replaces the encoder's.

    Raises:
        struct.error: a classic file would be longer than 4 GiB.
    """
    form = _Form(encoded)
    (first,) = struct.unpack_from(form.pointer, encoded, form.header)
    (count,) = struct.unpack_from(form.count, encoded, first)
    replaced = {entry.tag for entry in entries}
    own = []
    for number in range(count):
        at = first + struct.calcsize(form.count) + number * form.entry.size
        (tag,) = struct.unpack_from("<H", encoded, at)
        if is_pixels(tag) and tag not in replaced:
            own.append((tag, encoded[at : at + form.entry.size]))
    # A directory begins on a word boundary.
    start = len(encoded) + len(encoded) % 2
    directory = _directory(form, own, entries, start)
    changed = encoded[: form.header] + struct.pack(form.pointer, start)
    rest = memoryview(encoded)[len(changed) :]
    return b"".join((changed, rest, bytes(start - len(encoded)), directory))


def needs_big(entries: Sequence[Entry], pixel_bytes: int) -> bool:
    """Whether a file must be a BigTIFF: it may become longer than 4 GB, or has numbers of 64 bits."""
    return pixel_bytes + _size(entries) > _CLASSIC_BYTES or _has_64_bits(entries)


def _size(entries: Sequence[Entry]) -> int:
    """The bytes that tags take at most in a file."""
    return sum(24 + len(entry.value) + _size(entry.directory) for entry in entries)


def _has_64_bits(entries: Sequence[Entry]) -> bool:
    return any(entry.kind >= LONG8 or _has_64_bits(entry.directory) for entry in entries)


def _directory(form: _Form, own: Sequence[tuple[int, bytes]], entries: Sequence[Entry], start: int) -> bytes:
    """A directory at `start`, and behind it the values and directories that it points to."""
    unique = {entry.tag: entry for entry in entries}
    number = len(own) + len(unique)
    behind = bytearray()
    begin = start + struct.calcsize(form.count) + number * form.entry.size + struct.calcsize(form.pointer)
    records = list(own)
    for entry in unique.values():
        kind, count, value = entry.kind, entry.count, entry.value
        place = begin + len(behind)
        if entry.directory:
            kind, count = (LONG8 if form.is_big else LONG), 1
            behind += _directory(form, (), entry.directory, place)
            value = struct.pack(form.pointer, place)
        elif len(value) > form.inline:
            behind += value
            value = struct.pack(form.pointer, place)
        behind += bytes(len(behind) % 2)
        records.append((entry.tag, form.entry.pack(entry.tag, kind, count, value)))
    table = b"".join(record for _, record in sorted(records))
    return struct.pack(form.count, number) + table + struct.pack(form.pointer, 0) + bytes(behind)
