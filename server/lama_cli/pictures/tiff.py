"""The tags of a TIFF file's first directory, without decoding it (TIFF 6.0, section 2; BigTIFF)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from lama_cli.pictures.samples import ASSOCIATED, UNASSOCIATED, UNSPECIFIED
from lama_cli.pictures.tiff_directory import NUMBERS, Reader
from lama_cli.pictures.tiff_tags import (
    DNG_VERSION,
    EXTRA_SAMPLES,
    LONG,
    NEW_SUBFILE_TYPE,
    SUB_DIRECTORIES,
    Entry,
    clean_entry,
    is_pixels,
    nested_in,
)

#: More channels beside the colours are refused.
MAX_EXTRA_SAMPLES: Final = 64
_BITS_PER_SAMPLE: Final = 258
_PHOTOMETRIC: Final = 262
_SAMPLES_PER_PIXEL: Final = 277
_X_RESOLUTION: Final = 282
_Y_RESOLUTION: Final = 283
_TRANSFER_FUNCTION: Final = 301
_RGB: Final = frozenset({2, 6})
_GRAY_OR_RGB: Final = frozenset({1, 2})


def is_raw(path: Path) -> bool:
    """Whether a TIFF file is a camera's raw file, whose first page is only a preview of it (DNG, NEF, ARW).

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        reader = Reader(file)
        places = {place.tag: place for place in reader.places(reader.first)}
        subfile = reader.numbers(places.get(NEW_SUBFILE_TYPE), 1)
    is_preview = bool(subfile and subfile[0] & 1)
    return DNG_VERSION in places or (is_preview and SUB_DIRECTORIES in places)


def read_extra_samples(path: Path) -> tuple[int, ...]:
    """ExtraSamples's value of each channel after the colours; one that the file does not name is unspecified.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        reader = Reader(file)
        places = {place.tag: place for place in reader.places(reader.first)}
        photometric = reader.numbers(places.get(_PHOTOMETRIC), 1)
        samples = reader.numbers(places.get(_SAMPLES_PER_PIXEL), 1) or (1,)
        named = reader.numbers(places.get(EXTRA_SAMPLES))
    if not named and samples[0] == 3:
        return ()
    count = min(max(samples[0] - (3 if photometric and photometric[0] in _RGB else 1), 0), MAX_EXTRA_SAMPLES)
    return (*named, *(UNSPECIFIED,) * count)[:count]


def as_unassociated(path: Path) -> bytes:
    """A file whose associated alpha is called unassociated: it is decoded without a division.

    Raises:
        OSError: the file cannot be read.
    """
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        reader = Reader(file)
        for place in reader.places(reader.first):
            values = reader.numbers(place) if place.tag == EXTRA_SAMPLES else ()
            for number, value in enumerate(values):
                if value == ASSOCIATED:
                    form = f"{reader.order}{NUMBERS[place.kind]}"
                    struct.pack_into(form, data, place.at + number * struct.calcsize(form), UNASSOCIATED)
    return bytes(data)


def read_tags(path: Path, *, turned: bool) -> tuple[tuple[Entry, ...], bool]:
    """The tags of the first directory that are written again, those of its sub-directories in them.

    What lies outside the file, or in a directory that holds itself, is left out.

    Args:
        path: of a TIFF file that was decoded without an error.
        turned: whether rows became columns when the pixels were turned upright.

    Returns:
        The tags, and whether a picture was taken out.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        reader = Reader(file)
        entries, found = _directory(reader, reader.first, parent=0)
        places = {place.tag: place for place in reader.places(reader.first)}
        bits = reader.numbers(places.get(_BITS_PER_SAMPLE), 1)
        photometric = reader.numbers(places.get(_PHOTOMETRIC), 1)
    # Its table has a value for each level of a channel: right where neither levels nor colours change.
    keeps_levels = set(bits) <= {8, 16} and set(photometric) <= _GRAY_OR_RGB
    swapped = {_X_RESOLUTION: _Y_RESOLUTION, _Y_RESOLUTION: _X_RESOLUTION} if turned else {}
    return (
        tuple(
            Entry(
                tag=swapped.get(entry.tag, entry.tag),
                kind=entry.kind,
                value=entry.value,
                directory=entry.directory,
            )
            for entry in entries
            if entry.tag != _TRANSFER_FUNCTION or keeps_levels
        ),
        found,
    )


def _directory(reader: Reader, at: int, *, parent: int) -> tuple[list[Entry], bool]:
    entries: list[Entry] = []
    found = False
    # The first of each tag, as libtiff reads them: however damaged, there are few directories.
    places = {place.tag: place for place in reversed(list(reader.places(at)))}
    for _, place in sorted(places.items()):
        if is_pixels(place.tag, parent):
            found = found or place.tag == SUB_DIRECTORIES
            continue
        if place.tag in nested_in(parent):
            for offset in reader.numbers(place, 1):
                inner, picture = _directory(reader, offset, parent=place.tag)
                found = found or picture
                if inner:
                    entries.append(Entry(tag=place.tag, kind=LONG, directory=tuple(inner)))
            continue
        value = reader.value(place)
        if value is not None:
            cleaned, picture = clean_entry(place.tag, place.kind, value)
            found = found or picture
            if cleaned:
                entries.append(Entry(tag=place.tag, kind=place.kind, value=cleaned))
    return entries, found
