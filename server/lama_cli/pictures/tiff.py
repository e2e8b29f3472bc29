"""What the first directory of a TIFF file tells without decoding it (TIFF 6.0, section 2; BigTIFF)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_NEW_SUBFILE_TYPE: Final = 254
_SUB_DIRECTORIES: Final = 330
_DNG_VERSION: Final = 50706
_MAX_ENTRIES: Final = 4096


def is_raw(path: Path) -> bool:
    """Whether a TIFF file is a camera's raw file, whose first page is only a preview of it (DNG, NEF, ARW).

    Raises:
        OSError: the file cannot be read.
    """
    tags = _first_directory(path)
    is_preview = tags.get(_NEW_SUBFILE_TYPE, 0) & 1
    return _DNG_VERSION in tags or bool(is_preview and _SUB_DIRECTORIES in tags)


def _first_directory(path: Path) -> dict[int, int]:
    """The tags, and the first of each one's values where it is a number in the entry itself."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            order = "<" if head[:2] == b"II" else ">"
            big = struct.unpack_from(f"{order}H", head, 2)[0] == 43
            (at,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)
            file.seek(at)
            (count,) = struct.unpack(f"{order}Q" if big else f"{order}H", file.read(8 if big else 2))
            size = 20 if big else 12
            entries = file.read(size * min(count, _MAX_ENTRIES))
    except (struct.error, OverflowError, ValueError):
        return {}  # damaged: who decodes it says so
    tags = {}
    for start in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(f"{order}HH", entries, start)
        value = struct.unpack_from(
            f"{order}{'H' if kind == 3 else 'I'}", entries, start + size - (8 if big else 4)
        )
        tags[tag] = int(value[0])
    return tags
