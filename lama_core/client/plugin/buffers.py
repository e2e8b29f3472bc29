"""Rectangles of pixels, and the bytes of their parts.

All data are rows of pixels without gaps between them.
"""

from __future__ import annotations

from collections.abc import Iterator

from lama_core.client.geometry import Rect


def stripes(rect: Rect, max_pixels: int) -> Iterator[Rect]:
    """A rectangle from top to bottom in parts of whole rows.

    Args:
        rect: what to divide.
        max_pixels: of one part; a part is at least one row.
    """
    rows = max(1, max_pixels // max(1, rect.width))
    for y in range(rect.y, rect.bottom, rows):
        yield Rect(rect.x, y, rect.width, min(rows, rect.bottom - y))


def crop(data: bytes, rect: Rect, part: Rect, pixel_bytes: int) -> bytes:
    """The bytes of a part of a rectangle.

    Args:
        data: of `rect`.
        rect: where the data are.
        part: inside `rect`.
        pixel_bytes: bytes of one pixel.
    """
    row = rect.width * pixel_bytes
    begin = (part.y - rect.y) * row
    if part.width == rect.width:
        return data[begin : begin + part.height * row]
    left, right = (part.x - rect.x) * pixel_bytes, (part.right - rect.x) * pixel_bytes
    return b"".join(data[begin + y * row + left : begin + y * row + right] for y in range(part.height))


def shown_part(rect: Rect, blend: bytes) -> Rect:
    """The smallest rectangle that holds every pixel whose blend is not 0.

    Args:
        rect: where the blend is.
        blend: one byte for each pixel of `rect`.
    """
    above = len(blend) - len(blend.lstrip(b"\0"))
    if above == len(blend):
        return Rect(rect.x, rect.y, 0, 0)
    top, bottom = above // rect.width, -(-len(blend.rstrip(b"\0")) // rect.width)
    rows = [blend[y * rect.width : (y + 1) * rect.width] for y in range(top, bottom)]
    left = min(rect.width - len(row.lstrip(b"\0")) for row in rows)
    right = max(len(row.rstrip(b"\0")) for row in rows)
    return Rect(rect.x + left, rect.y + top, right - left, bottom - top)
