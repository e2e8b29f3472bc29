"""The alpha channel of pixels in memory: straight, the last sample of a pixel, little endian.

No loop goes over the pixels of an ordinary picture: slices and byte tables do the work.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from lama_core.client.protocol.messages import DEPTH_BYTES, Depth, PixelFormat, pixel_bytes

_WITH_ALPHA: Final[dict[PixelFormat, PixelFormat]] = {"gray": "graya", "rgb": "rgba"}
_CODES: Final[dict[Depth, str]] = {"u8": "B", "u16": "H", "f16": "e", "f32": "f"}


@dataclass(frozen=True)
class PixelLayout:
    """What a pixel is in memory: its channels and their type."""

    format: PixelFormat
    depth: Depth

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return pixel_bytes(self.format, self.depth)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.format not in _WITH_ALPHA

    @property
    def with_alpha(self) -> PixelLayout:
        """The same with an alpha channel, which is what a layer with a soft edge needs."""
        return PixelLayout(_WITH_ALPHA.get(self.format, self.format), self.depth)


def set_alpha(pixels: bytes, layout: PixelLayout, alpha: bytes | None) -> bytes:
    """Pixels in `layout.with_alpha`, with this alpha.

    Args:
        pixels: in `layout`.
        layout: of the pixels.
        alpha: one byte for each pixel, 0 transparent to 255 opaque. None: opaque where the layout has no
            alpha, and as it is where it has.

    Raises:
        ValueError: the lengths do not agree.
    """
    count, rest = divmod(len(pixels), layout.pixel_bytes)
    if rest or (alpha is not None and len(alpha) != count):
        raise ValueError(f"{len(pixels)} bytes are not {count if alpha is None else len(alpha)} pixels")
    if layout.has_alpha and alpha is None:
        return pixels
    size, stride = DEPTH_BYTES[layout.depth], layout.with_alpha.pixel_bytes
    colors = stride - size
    if layout.has_alpha:
        out = bytearray(pixels)
    else:
        out = bytearray(count * stride)
        for byte in range(colors):
            out[byte::stride] = pixels[byte::colors]
    samples = _from_bytes(b"\xff" * count if alpha is None else alpha, layout.depth)
    for byte in range(size):
        out[colors + byte :: stride] = samples[byte]
    return bytes(out)


def multiply_alpha(pixels: bytes, layout: PixelLayout, blend: bytes) -> bytes:
    """Pixels whose alpha is multiplied by `blend`.

    Args:
        pixels: in `layout`, which has alpha.
        layout: of the pixels.
        blend: one byte for each pixel: 0 hidden, 255 as it is.

    Raises:
        ValueError: there are not as many pixels as bytes of `blend`.
    """
    size, stride = DEPTH_BYTES[layout.depth], layout.pixel_bytes
    if len(pixels) != len(blend) * stride:
        raise ValueError(f"{len(pixels)} bytes are not {len(blend)} pixels of {stride} bytes")
    alpha = _channel(pixels, stride - size, stride, size)
    if alpha == _OPAQUE[layout.depth] * len(blend):
        return set_alpha(pixels, layout, blend)
    multiplied = _multiplied(alpha, layout.depth, blend)
    out = bytearray(pixels)
    for byte in range(size):
        out[stride - size + byte :: stride] = multiplied[byte::size]
    return bytes(out)


def alpha_bytes(pixels: bytes, stride: int, depth: Depth) -> bytes:
    """The alpha channel, one byte for each pixel, 0 only where it is 0.

    Args:
        pixels: with any number of channels, of which alpha is the last.
        stride: bytes of one pixel.
        depth: of a sample.

    Raises:
        ValueError: the length is not one of whole pixels.
    """
    if len(pixels) % stride:
        raise ValueError(f"{len(pixels)} bytes are not pixels of {stride} bytes")
    size = DEPTH_BYTES[depth]
    alpha = _channel(pixels, stride - size, stride, size)
    if size == 1 or not any(alpha):
        return alpha[::size]
    samples = _samples(alpha, depth)
    if depth == "u16":
        return bytes(-(-int(sample) // 257) for sample in samples)
    return bytes(min(255, max(0, ceil(sample * 255))) for sample in samples)


def samples_of(values: bytes, depth: Depth) -> bytes:
    """Samples that stand for 0/255 to 255/255.

    Args:
        values: one byte for each sample.
        depth: of the samples.
    """
    size = DEPTH_BYTES[depth]
    out = bytearray(len(values) * size)
    for byte, part in enumerate(_from_bytes(values, depth)):
        out[byte::size] = part
    return bytes(out)


def bytes_of(samples: bytes, depth: Depth) -> bytes:
    """One byte for each sample, the nearest: what `samples_of` turns back.

    Args:
        samples: of 0 to all there is; numbers beyond count as these.
        depth: of the samples.
    """
    if depth == "u8":
        return samples
    if depth == "u16":
        return samples[1::2]  # 257 times a byte has that byte twice
    if not any(samples):
        return bytes(len(samples) // DEPTH_BYTES[depth])
    return bytes(round(min(1.0, max(0.0, sample)) * 255) for sample in _samples(samples, depth))


def _channel(pixels: bytes, first: int, stride: int, size: int) -> bytes:
    """The samples of one channel, `first` bytes after the beginning of each pixel."""
    if size == 1:
        return pixels[first::stride]
    samples = bytearray(len(pixels) // stride * size)
    for byte in range(size):
        samples[byte::size] = pixels[first + byte :: stride]
    return bytes(samples)


def _multiplied(alpha: bytes, depth: Depth, blend: bytes) -> bytes:
    samples = _samples(alpha, depth)
    if depth in ("u8", "u16"):
        return _packed(depth, ((int(sample) * share + 127) // 255 for sample, share in zip(samples, blend)))
    return _packed(depth, (sample * share / 255 for sample, share in zip(samples, blend)))


def _samples(data: bytes, depth: Depth) -> Sequence[float]:
    """Samples as numbers."""
    if depth == "f16":
        return struct.unpack(f"<{len(data) // 2}e", data)
    values = array(_CODES[depth], data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _packed(depth: Depth, values: Iterable[float]) -> bytes:
    numbers = list(values)
    return struct.pack(f"<{len(numbers)}{_CODES[depth]}", *numbers)


def _from_bytes(values: bytes, depth: Depth) -> tuple[bytes, ...]:
    """Each byte of the samples that stand for 0/255 to 255/255."""
    return tuple(values.translate(table) for table in _TABLES[depth])


def _tables(depth: Depth) -> tuple[bytes, ...]:
    """For each byte of a sample: what it is for 0/255, 1/255 ... 255/255."""
    scale = {"u8": 1, "u16": 257}.get(depth)
    samples = [
        struct.pack(f"<{_CODES[depth]}", value / 255 if scale is None else value * scale)
        for value in range(256)
    ]
    return tuple(bytes(sample[byte] for sample in samples) for byte in range(len(samples[0])))


_TABLES: Final[dict[Depth, tuple[bytes, ...]]] = {depth: _tables(depth) for depth in DEPTH_BYTES}
_OPAQUE: Final[dict[Depth, bytes]] = {
    depth: bytes(table[255] for table in tables) for depth, tables in _TABLES.items()
}
