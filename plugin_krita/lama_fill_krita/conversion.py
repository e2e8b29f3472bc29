"""The detour of colour spaces that the server does not take."""

from __future__ import annotations

from array import array

from lama_fill_krita.color_space import DETOUR, Space
from lama_fill_krita.document import Document

STEP_PIXELS = 1 << 19
"""Pixels that one step reads or writes at most: some milliseconds."""

STEP_PIXELS_CONVERTED = 1 << 17
"""The same where Krita converts them, which takes longer."""


def convert_back(
    document: Document, data: bytes, size: tuple[int, int], source: Space, target: Space
) -> bytes:
    """Pixels of a fill in the document's space, where they look as they did before.

    The two tables of a profile for inks or video are not the inverse of each other: there and back again,
    dark colours come out visibly lighter. So the result is converted back once more, and the input is changed
    by the difference.

    Args:
        document: converts.
        data: pixels in `source`.
        size: their width and height.
        source: the space that they were sent in.
        target: the document's space.
    """
    converted = document.convert(data, *size, source, target)
    if target.model not in ("CMYKA", "YCbCrA") or source != DETOUR:
        return converted
    looks = document.convert(converted, *size, target, source)
    return document.convert(corrected(data, looks), *size, source, target)


def corrected(target: bytes, converted: bytes) -> bytes:
    """Colours whose conversion comes closer to a target: each moved by its error, in the opposite direction.

    Args:
        target: RGBA pixels of 32 bit floats; the result has their alpha.
        converted: the target after it was converted there and back.
    """
    aims, hits = array("f", target), array("f", converted)
    better = array("f", [aim + aim - hit for aim, hit in zip(aims, hits)])
    better[3::4] = aims[3::4]
    return better.tobytes()
