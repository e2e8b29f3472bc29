"""The segments of a JPEG file that do not describe its pixels (ITU-T T.81, annex B)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lama_cli.pictures.previews import clean_exif, clean_photoshop, clean_xmp

#: Two bytes of the marker, content, True.
Segment = tuple[bytes, bytes, bool]

_START: Final = b"\xff\xd8"
END: Final = b"\xff\xd9"
_SCAN: Final = 0xDA
_COMMENT: Final = 0xFE
_JFIF: Final = b"JFIF\x00"
_EXIF: Final = b"Exif\x00\x00"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\x00"
EXTENDED_XMP: Final = b"http://ns.adobe.com/xmp/extension/\x00"
_PHOTOSHOP: Final = b"Photoshop 3.0\x00"
#: Further pictures in the file, or what describes them: JFIF's extension, CIPA's multi-picture format, gain
#: maps of ISO 21496-1, FlashPix, JPEG-HDR's and JPEG XT's residuals.
_LEFT_OUT: Final = (b"JFXX\x00", b"MPF\x00", b"urn:iso:std:iso:ts:21496", b"FPXR\x00", b"HDR_RI", b"JP")
#: Describes the pixels: the encoder writes it anew where it is needed.
_ADOBE: Final = b"Adobe"
#: What cameras put behind the end is rarely longer than this; a longer one has an end marker of its own.
_TAIL_BYTES: Final = 1 << 16


def read_segments(data: bytes) -> tuple[tuple[Segment, ...], bool]:
    """The application segments and comments of a file that are written again; the orientation stays.

    Args:
        data: a JPEG file that was decoded without an error.

    Returns:
        The segments in their order, and whether a picture was taken out or left out.
    """
    kept: list[Segment] = []
    found = False
    scan = 0
    for marker, content, end in _segments(data):
        scan = end
        is_metadata = 0xE0 <= marker <= 0xEF or marker == _COMMENT
        if not is_metadata or (marker == 0xEE and content.startswith(_ADOBE)):
            continue
        cleaned, picture = _clean(marker, content)
        found = found or picture
        if cleaned is not None:
            kept.append((bytes((0xFF, marker)), cleaned, True))
    # Whole pictures may follow the end of the first one: Apple's, Samsung's and Google's ways.
    last = data.find(END + _START, scan)
    return tuple(kept), found or last >= 0


def lacks_end(path: Path) -> bool:
    """Whether no end marker is in the last bytes of a file.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return END not in file.read()


def insert_segments(encoded: bytes, segments: Sequence[Segment]) -> bytes:
    """A JPEG file with other metadata: of its own segments only those that describe pixels stay."""
    metadata = b"".join(_segment(marker, content) for marker, content, _ in segments)
    pixels = b""
    scan = len(_START)
    for marker, content, end in _segments(encoded):
        scan = end
        if not (0xE0 <= marker <= 0xEF or marker == _COMMENT) or content.startswith(_ADOBE):
            pixels += _segment(bytes((0xFF, marker)), content)
    return _START + metadata + pixels + encoded[scan:]


def _segment(marker: bytes, content: bytes) -> bytes:
    return marker + struct.pack(">H", len(content) + 2) + content


def _segments(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Marker, content and end of each segment up to that of the first scan, which is the last."""
    at = len(_START)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes
            at += 1
            continue
        (size,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + size
        yield marker, data[at + 4 : end], end
        if marker == _SCAN:
            return
        at = end


def _clean(marker: int, content: bytes) -> tuple[bytes | None, bool]:
    """A segment without pictures, None where it is one, and whether there was one."""
    if content.startswith((*_LEFT_OUT, EXTENDED_XMP)):
        return None, True
    if marker == 0xE0 and content.startswith(_JFIF) and len(content) > 14 and content[12] * content[13]:
        return content[:12] + b"\0\0", True
    if content.startswith(_EXIF):
        return clean_exif(content, upright=False)
    if content.startswith(_XMP):
        cleaned, found = clean_xmp(content[len(_XMP) :], upright=False)
        return _XMP + cleaned, found
    if content.startswith(_PHOTOSHOP):
        return clean_photoshop(content)
    return content, False
