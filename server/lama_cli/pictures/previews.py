"""Taking out of metadata what still shows the picture as it was: thumbnails, previews, depth and gain maps.

Who removes a face from a photograph trusts that no copy of it stays in the file. All else stays as it was,
byte for byte. Lengths do not change in EXIF: what is taken out becomes zeros.
"""

from __future__ import annotations

import contextlib
import re
import struct
from typing import Final, Literal

_ORDERS: Final[dict[bytes, Literal["<", ">"]]] = {b"II": "<", b"MM": ">"}
_EXIF_PREFIX: Final = b"Exif\x00\x00"

_ORIENTATION: Final = 0x0112
_EXIF_DIRECTORY: Final = 0x8769
_MAKER_NOTE: Final = 0x927C
_JPEG_OFFSET: Final = 0x0201
_JPEG_LENGTH: Final = 0x0202
_STRIP_OFFSETS: Final = 0x0111
_STRIP_LENGTHS: Final = 0x0117

#: Bytes of a value of each of TIFF's types (TIFF 6.0, section 2).
_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

_JPEG_START: Final = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
_JPEG_END: Final = b"\xff\xd9"

_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[2-8]")
_XMP_PICTURES: Final = re.compile(
    rb"<(?P<name>\w+:(?:Thumbnails|Directory|DepthMap|DepthImage|DepthUri|ImageUri))\b(?:[^>]*/>|.*?</(?P=name)\s*>)"
    rb"|\s+(?:GImage|GDepth|GCamera|GAudio|hdrgm|GContainer|xmpNote):\w+\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    rb"|<(?P<data>(?:GImage|GDepth|GCamera|GAudio|hdrgm|HDRGainMap|xmpGImg):\w+)\b(?:[^>]*/>|.*?</(?P=data)\s*>)",
    re.DOTALL,
)

#: Photoshop's image resources that hold a picture: thumbnails of version 4 and 5, and a spot preview.
_PHOTOSHOP_PICTURES: Final = frozenset({1033, 1036, 1092})
_PHOTOSHOP_PREFIX: Final = b"Photoshop 3.0\x00"


def clean_exif(exif: bytes, *, upright: bool = True) -> tuple[bytes, bool]:
    """An EXIF block without pictures in it.

    Args:
        exif: the block, with or without the prefix that it has in a JPEG.
        upright: whether the pixels are written upright, so that the orientation becomes that.

    Returns:
        The block, of the same length, and whether a picture was taken out. A block that is not in order stays
        as it is, but for pictures that can be seen in it.
    """
    start = len(_EXIF_PREFIX) if exif.startswith(_EXIF_PREFIX) else 0
    block = bytearray(exif)
    found = False
    order = _ORDERS.get(bytes(block[start : start + 2]))
    if order is not None:
        # One that is cut short: what can be seen is still taken out below.
        with contextlib.suppress(struct.error):
            found = _clean_directories(memoryview(block)[start:], order, upright=upright)
    cleaned, embedded = clean_embedded(bytes(block))
    return cleaned, found or embedded


def clean_embedded(data: bytes) -> tuple[bytes, bool]:
    """Bytes of the same length in which JPEG streams are zeros, and whether there was one."""
    cleaned = bytearray(data)
    end = 0
    # Where one has no end, none behind it has: each byte is looked at once, however many begin.
    while (start := _JPEG_START.search(data, end)) and (last := data.find(_JPEG_END, start.end())) >= 0:
        end = last + len(_JPEG_END)
        cleaned[start.start() : end] = bytes(end - start.start())
    return bytes(cleaned), end > 0


def _clean_directories(tiff: memoryview, order: Literal["<", ">"], *, upright: bool) -> bool:
    """Set the orientation to upright, and take the second directory, the thumbnail's, out of the chain."""
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, first)
    for number in range(count):
        entry = first + 2 + 12 * number
        tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
        if upright and tag == _ORIENTATION and kind == 3:
            struct.pack_into(f"{order}H", tiff, entry + 8, 1)
    link = first + 2 + 12 * count
    (second,) = struct.unpack_from(f"{order}I", tiff, link)
    if not second:
        return False
    struct.pack_into(f"{order}I", tiff, link, 0)
    (count,) = struct.unpack_from(f"{order}H", tiff, second)
    values: dict[int, list[int]] = {}
    for number in range(count):
        tag, kind, length = struct.unpack_from(f"{order}HHI", tiff, second + 2 + 12 * number)
        if kind in (3, 4) and length < 4096:
            letter = "H" if kind == 3 else "I"
            inline = length * _TYPE_BYTES[kind] <= 4
            at = second + 2 + 12 * number + 8
            if not inline:
                (at,) = struct.unpack_from(f"{order}I", tiff, at)
            values[tag] = list(struct.unpack_from(f"{order}{length}{letter}", tiff, at))
    for offsets, lengths in ((_JPEG_OFFSET, _JPEG_LENGTH), (_STRIP_OFFSETS, _STRIP_LENGTHS)):
        for begin, size in zip(values.get(offsets, []), values.get(lengths, []), strict=False):
            tiff[begin : begin + size] = bytes(len(tiff[begin : begin + size]))
    tiff[second : second + 2 + 12 * count] = bytes(len(tiff[second : second + 2 + 12 * count]))
    return True


def clean_xmp(xmp: bytes, *, upright: bool = True) -> tuple[bytes, bool]:
    """An XMP packet without pictures, and without what describes those that are gone.

    Args:
        xmp: the packet.
        upright: whether the pixels are written upright, so that the orientation becomes that.

    Returns:
        The packet, and whether anything of a picture was taken out.
    """
    without = _XMP_PICTURES.sub(b"", xmp)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", without) if upright else without, without != xmp


def clean_photoshop(segment: bytes) -> tuple[bytes, bool]:
    """Photoshop's block of image resources without previews.

    Args:
        segment: with the prefix that it has in a JPEG.

    Returns:
        The block, and whether a picture was taken out. A block that is not in order stays as it is.
    """
    if not segment.startswith(_PHOTOSHOP_PREFIX):
        return segment, False
    kept = bytearray(_PHOTOSHOP_PREFIX)
    at = len(_PHOTOSHOP_PREFIX)
    found = False
    while at + 12 <= len(segment):
        if segment[at : at + 4] not in (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"):
            break
        (number,) = struct.unpack_from(">H", segment, at + 4)
        name = (segment[at + 6] + 2) // 2 * 2  # a Pascal string, padded to even
        (size,) = struct.unpack_from(">I", segment, at + 6 + name)
        end = at + 10 + name + (size + 1) // 2 * 2
        if number in _PHOTOSHOP_PICTURES:
            found = True
        else:
            kept += segment[at:end]
        at = end
    return bytes(kept) + segment[at:], found
