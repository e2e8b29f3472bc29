"""TIFF's tags: which of them describe pixels, and which hold pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lama_cli.pictures.previews import clean_embedded, clean_photoshop, clean_xmp

SHORT: Final = 3
LONG: Final = 4
LONG8: Final = 16
#: Bytes of a value of each type (TIFF 6.0, section 2; BigTIFF's 16 to 18).
TYPE_BYTES: Final = {
    number: size
    for size, numbers in {1: (1, 2, 6, 7), 2: (3, 8), 4: (4, 9, 11, 13), 8: (5, 10, 12, 16, 17, 18)}.items()
    for number in numbers
}
#: The types of bytes: BYTE and UNDEFINED; and of offsets of directories.
_BYTES: Final = frozenset({1, 7})
_OFFSETS: Final = frozenset({13, 18})

NEW_SUBFILE_TYPE: Final = 254
SUB_DIRECTORIES: Final = 330
EXTRA_SAMPLES: Final = 338
DNG_VERSION: Final = 50706
_EXIF: Final = 34665
_GPS: Final = 34853
_INTEROPERABILITY: Final = 40965
_XMP: Final = 700
_PHOTOSHOP: Final = 34377
_ICC: Final = 34675
#: Photoshop's layers: pictures of their own.
_LAYERS: Final = 37724
_PHOTOSHOP_PREFIX: Final = b"Photoshop 3.0\x00"

#: What describes pixels and how they are stored: written anew by the encoder. Orientation is among them,
#: because the pixels are upright, and PageNumber, because there is one page.
_PIXELS: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 274, 277, 278, 279, 280, 281, 284, 288}
    | {289, 290, 291, 292, 293, 297, 317, 320, 321, 322, 323, 324, 325, 326, 327, 328, 330, 332, 333, 334}
    | {336, 338, 339, 340, 341, 342, 344, 345, 346, 347, 400, 512, 513, 514, 515, 517, 518, 519, 520, 521}
    | {529, 530, 531, 532, 559, 32995, 32996, 32997, 32998, 34232, 50674}
)
#: The same in a sub-directory, whose own tags have other meanings in part.
_NESTED_PIXELS: Final = frozenset({273, 279, 324, 325, 330, 513, 514})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A tag of a directory.

    Attributes:
        tag: its number.
        kind: TIFF's type of its values.
        value: the values, little endian; empty where it is a directory.
        directory: the tags of the directory that it points to.
    """

    tag: int
    kind: int
    value: bytes = b""
    directory: tuple[Entry, ...] = ()

    @property
    def count(self) -> int:
        """The number of values."""
        return len(self.value) // TYPE_BYTES[self.kind]


def is_pixels(tag: int, parent: int = 0) -> bool:
    """Whether a tag describes pixels, in the first directory or in a sub-directory of the tag `parent`."""
    return tag in (_NESTED_PIXELS if parent else _PIXELS)


def nested_in(parent: int) -> frozenset[int]:
    """The tags of sub-directories that are kept; none in one of their own kind, so that there is an end."""
    if parent == 0:
        return frozenset({_EXIF, _GPS, _INTEROPERABILITY})
    return frozenset({_INTEROPERABILITY}) if parent == _EXIF else frozenset()


def clean_entry(tag: int, kind: int, value: bytes) -> tuple[bytes, bool]:
    """Values without pictures, empty where nothing is to be kept, and whether there was a picture."""
    if tag == _LAYERS:
        return b"", True
    if kind in _OFFSETS or tag in (_EXIF, _GPS, _INTEROPERABILITY):
        return b"", False  # a directory of which nothing is known but its place
    if kind not in _BYTES or tag == _ICC:
        return value, False
    if tag == _XMP:
        return clean_xmp(value)
    if tag == _PHOTOSHOP:
        cleaned, found = clean_photoshop(_PHOTOSHOP_PREFIX + value)
        return cleaned[len(_PHOTOSHOP_PREFIX) :], found
    return clean_embedded(value)
