"""Whether a picture file's numbers are linear light: by its ICC profile, else by their type."""

from __future__ import annotations

import struct
from typing import Final

from lama_core.client.options import Transfer

#: Where a profile's tags begin, and how they are listed (ICC.1:2022, 7.3): signature, offset, size.
_TAGS: Final = 128
_ENTRY: Final = struct.Struct(">4sII")

#: Curves of red, green, blue and gray.
_CURVES: Final = (b"rTRC", b"gTRC", b"bTRC", b"kTRC")

#: How far from a straight line the curve of linear light may be.
_TOLERANCE: Final = 0.01


def transfer_of(profile: bytes | None, *, is_float: bool) -> Transfer:
    """How the numbers of a picture stand for light.

    A profile's curves decide. Without a profile floats are taken for linear, as renderers and raw developers
    write them, and integers for perceptual. A profile that has no such curves, or is damaged, is taken for a
    perceptual one.

    Args:
        profile: the ICC profile in the file, if there is one.
        is_float: whether the picture is of floats.
    """
    if profile is None:
        return "linear" if is_float else "perceptual"
    try:
        curves = _curves(profile)
        linear = bool(curves) and all(_is_straight(curve) for curve in curves)
    except struct.error:
        linear = False
    return "linear" if linear else "perceptual"


def _curves(profile: bytes) -> list[bytes]:
    """The contents of the tags of curves."""
    (count,) = struct.unpack_from(">I", profile, _TAGS)
    tags = (
        _ENTRY.unpack_from(profile, _TAGS + 4 + number * _ENTRY.size)
        for number in range(min(count, len(profile) // _ENTRY.size))
    )
    return [profile[offset : offset + size] for name, offset, size in tags if name in _CURVES]


def _is_straight(curve: bytes) -> bool:
    """Whether a `curveType` or a `parametricCurveType` (10.6, 10.18) is a straight line from 0 to 1."""
    if curve[:4] == b"curv":
        (count,) = struct.unpack_from(">I", curve, 8)
        if count == 0:
            return True
        values = struct.unpack_from(f">{min(count, len(curve) // 2)}H", curve, 12)
        if count == 1:
            return bool(abs(values[0] / 256 - 1) < _TOLERANCE)
        return all(
            abs(value / 65535 - number / (count - 1)) < _TOLERANCE for number, value in enumerate(values)
        )
    if curve[:4] == b"para":
        kind, _, gamma = struct.unpack_from(">HHi", curve, 8)
        return bool(kind == 0 and abs(gamma / 65536 - 1) < _TOLERANCE)
    return False
