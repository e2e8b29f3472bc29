"""Pixels on a slow way: without loss, by what every Python has.

Each row is written as its difference from the row above, byte by byte and modulo 256 (PNG's filter "Up"), and
all of it is one zlib stream. Long integers do the arithmetic for many bytes at once, because a plug-in has no
numpy: the highest bit of each byte is worked on apart, so that nothing is carried over to the next byte.
"""

from __future__ import annotations

import zlib
from typing import Final

from lama_core.client.protocol.messages import Bytes, Encoding

ALL: Final[Encoding] = "zlib"
"""Pixels, and hole or blend."""
MASK_ONLY: Final[Encoding] = "zlib-mask"
"""Hole or blend alone: these are a hundredth of their size then, in no time."""
OFFERED: Final[tuple[Encoding, ...]] = (ALL, MASK_ONLY)

_BAND: Final = 1 << 20
"""Bytes that are worked on at once: what it takes beside does not grow with the picture."""


def squeeze(data: Bytes, stride: int) -> bytes:
    """Encode rows of `stride` bytes each. What follows a last whole row is a row too."""
    view = memoryview(data).cast("B")
    # Runs alone are looked for: of differences, a full search finds little more and takes twice as long.
    stream = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    rows = max(1, _BAND // stride)
    parts = []
    above = b"\0" * stride
    for begin in range(0, len(view), rows * stride):
        band = view[begin : begin + rows * stride]
        parts.append(stream.compress(_difference(band, b"".join((above, band[:-stride]))[: len(band)])))
        above = bytes(band[-stride:])
    parts.append(stream.flush())
    return b"".join(parts)


def expand(data: Bytes, stride: int, size: int) -> bytes:
    """Decode what `squeeze` made of `size` bytes, whoever made it: never more than that is allocated.

    Raises:
        ValueError: it is nothing that decodes to that many bytes.
    """
    stream = zlib.decompressobj()
    try:
        differences = stream.decompress(bytes(data), size + 1)
    except zlib.error:
        raise ValueError("not a zlib stream") from None
    if len(differences) != size or not stream.eof or stream.unused_data:
        raise ValueError(f"not a zlib stream of {size} bytes")
    if size == 0:
        return b""
    low, high = _masks(stride)
    rows = []
    above = 0
    for begin in range(0, size, stride):
        row = int.from_bytes(differences[begin : begin + stride], "little")
        above = ((row & low) + (above & low)) ^ ((row ^ above) & high)
        rows.append(above.to_bytes(stride, "little"))
    return b"".join(rows)[:size]


def _difference(band: Bytes, above: bytes) -> bytes:
    size = len(above)
    low, high = _masks(size)
    left, right = int.from_bytes(band, "little"), int.from_bytes(above, "little")
    return (((left | high) - (right & low)) ^ ((left ^ ~right) & high)).to_bytes(size, "little")


def _masks(size: int) -> tuple[int, int]:
    """The lower seven bits of each byte, and the highest."""
    return int.from_bytes(b"\x7f" * size, "little"), int.from_bytes(b"\x80" * size, "little")
