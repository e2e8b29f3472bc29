"""The chunks of a PNG file that do not describe its pixels (PNG, third edition, section 11)."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lama_cli.pictures.previews import clean_exif, clean_photoshop, clean_xmp

#: Type, content, and whether it stands before the pixels.
Chunk = tuple[bytes, bytes, bool]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
#: What describes pixels: written anew by the encoder. Further frames of an animation are not kept.
_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
#: What is right for the stored form of pixels alone: kept where colour type and depth stay the same.
_STORED_FORM: Final = frozenset({b"bKGD", b"hIST", b"sBIT", b"sPLT"})
_RAW_PROFILE: Final = re.compile(rb"Raw profile type (exif|APP1|8bim|xmp)$", re.IGNORECASE)
_XMP_KEY: Final = b"XML:com.adobe.xmp"


def read_chunks(path: Path, *, turned: bool) -> tuple[tuple[Chunk, ...], bool]:
    """The chunks of a file that are written again.

    Args:
        path: of a PNG file that was decoded without an error.
        turned: whether rows became columns when the pixels were turned upright.

    Returns:
        The chunks in their order, and whether a picture was taken out of one.

    Raises:
        OSError: the file cannot be read.
    """
    kept: list[Chunk] = []
    found = False
    before = True
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"IEND":
                break
            if kind in _PIXELS and kind != b"IHDR":
                file.seek(size + 4, 1)
                before = before and kind != b"IDAT"
                continue
            content = file.read(size)
            file.seek(4, 1)
            content, picture = _clean(kind, content, turned=turned)
            found = found or picture
            kept.append((kind, content, before))
    return tuple(kept), found


def insert_chunks(encoded: bytes, chunks: Sequence[Chunk]) -> bytes:
    """A PNG file with other metadata.

    Args:
        encoded: a whole file; of it only what describes pixels stays.
        chunks: as `read_chunks` returned them, the input's IHDR among them.
    """
    own = list(_split(encoded))
    header = own[0][1]
    theirs = next((content for kind, content, _ in chunks if kind == b"IHDR"), b"")
    same_form = header[8:10] == theirs[8:10]
    usable = [
        (kind, content, before)
        for kind, content, before in chunks
        if kind != b"IHDR" and (same_form or kind not in _STORED_FORM)
    ]
    early = [(kind, content) for kind, content, before in usable if before]
    late = [(kind, content) for kind, content, before in usable if not before]
    # Colour comes before a palette, all other chunks after it and before the pixels.
    colour = {b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"mDCV", b"cLLI"}
    pixels = [(kind, content) for kind, content in own if kind in _PIXELS]
    file = [pixels[0], *(one for one in early if one[0] in colour)]
    file += [one for one in pixels if one[0] in (b"PLTE", b"tRNS")]
    file += [one for one in early if one[0] not in colour]
    file += [one for one in pixels if one[0] == b"IDAT"]
    file += [*late, (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in file)


def is_animated(path: Path) -> bool:
    """Whether the file has further pictures (acTL stands before the pixels).

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind in (b"acTL", b"IDAT", b"IEND"):
                return bool(kind == b"acTL")
            file.seek(size + 4, 1)
    return False


def is_linear(chunks: Sequence[Chunk]) -> bool:
    """Whether the file says that its numbers are linear light: gAMA of 1, and nothing that overrides it."""
    kinds = {kind for kind, _, _ in chunks}
    gamma = next((content for kind, content, _ in chunks if kind == b"gAMA"), b"")
    return gamma == struct.pack(">I", 100_000) and not kinds & {b"sRGB", b"iCCP", b"cICP"}


def _split(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 8 <= len(encoded):
        size, kind = struct.unpack_from(">I4s", encoded, at)
        yield kind, encoded[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content))


def _clean(kind: bytes, content: bytes, *, turned: bool) -> tuple[bytes, bool]:
    if kind == b"eXIf":
        return clean_exif(content)
    if kind == b"pHYs" and turned and len(content) == 9:
        return content[4:8] + content[:4] + content[8:], False
    if kind in (b"tEXt", b"zTXt") and _RAW_PROFILE.match(content.partition(b"\0")[0]):
        return _clean_raw_profile(kind, content)
    if kind == b"iTXt" and content.startswith(_XMP_KEY + b"\0"):
        return _clean_xmp_text(content)
    return content, False


def _clean_xmp_text(content: bytes) -> tuple[bytes, bool]:
    """The text is after keyword, compression flag and method, language and translated keyword."""
    at = len(_XMP_KEY) + 3
    at = content.index(b"\0", content.index(b"\0", at) + 1) + 1 if content.count(b"\0", at) >= 2 else at
    compressed = content[len(_XMP_KEY) + 1] == 1
    try:
        text = zlib.decompress(content[at:]) if compressed else content[at:]
    except zlib.error:
        return content, False
    cleaned, found = clean_xmp(text)
    if cleaned == text:
        return content, False
    return content[:at] + (zlib.compress(cleaned) if compressed else cleaned), found


def _clean_raw_profile(kind: bytes, content: bytes) -> tuple[bytes, bool]:
    """ImageMagick's way to keep a profile in text: a name, its length, and hexadecimal digits."""
    keyword, _, rest = content.partition(b"\0")
    try:
        text = zlib.decompress(rest[1:]) if kind == b"zTXt" else rest
        begin = re.match(rb"\s*\S+\s+(\d+)\s", text)
        profile = bytes.fromhex(text[begin.end() :].decode("ascii")) if begin else b""
    except (zlib.error, ValueError):
        return content, False
    name = keyword.rpartition(b" ")[2].lower()
    if name == b"xmp" or profile.startswith(b"http://ns.adobe.com/xap"):
        cleaned, found = clean_xmp(profile)
    elif name == b"8bim":
        prefix = b"Photoshop 3.0\x00"
        cleaned, found = clean_photoshop(prefix + profile)
        cleaned = cleaned[len(prefix) :]
    else:
        cleaned, found = clean_exif(profile)
    if cleaned == profile:
        return content, False
    digits = cleaned.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    written = b"\n" + name + b"\n" + b"%8d" % len(cleaned) + b"\n" + lines + b"\n"
    if kind == b"zTXt":
        return keyword + b"\0\0" + zlib.compress(written), found
    return keyword + b"\0" + written, found
