"""Which pixels to ask GIMP for, and how to give them back.

The network was trained on sRGB as pictures are stored, so whatever the image's own encoding is, the pixels
are read and written perceptually encoded ("R'G'B'A", "Y'A"), which GIMP converts rightly to and from linear
light, other colour spaces and palettes. The depth is one that loses nothing which the image has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lama_core.client.protocol import messages

#: What the samples are sent as, by the precision of the image as GIMP calls it. Dark tones in 8 bit linear
#: lie farther apart than in 8 bit perceptual, bright ones closer together: the next depth holds both.
DEPTHS: dict[str, messages.Depth] = {
    "U8_LINEAR": "u16",
    "U8_NON_LINEAR": "u8",
    "U8_PERCEPTUAL": "u8",
    "U16_LINEAR": "f32",
    "U16_NON_LINEAR": "u16",
    "U16_PERCEPTUAL": "u16",
    "U32_LINEAR": "f32",
    "U32_NON_LINEAR": "f32",
    "U32_PERCEPTUAL": "f32",
    "HALF_LINEAR": "f32",
    "HALF_NON_LINEAR": "f16",
    "HALF_PERCEPTUAL": "f16",
    "FLOAT_LINEAR": "f32",
    "FLOAT_NON_LINEAR": "f32",
    "FLOAT_PERCEPTUAL": "f32",
    "DOUBLE_LINEAR": "f32",
    "DOUBLE_NON_LINEAR": "f32",
    "DOUBLE_PERCEPTUAL": "f32",
}

_BABL_DEPTHS: dict[messages.Depth, str] = {"u8": "u8", "u16": "u16", "f16": "half", "f32": "float"}
_BABL_CHANNELS: dict[messages.PixelFormat, str] = {
    "gray": "Y'",
    "graya": "Y'A",
    "rgb": "R'G'B'",
    "rgba": "R'G'B'A",
}

#: The soft edge of a selection is not light, so it is never encoded as light: "Y u8", not "Y' u8".
SELECTION = "Y u8"
ALPHA = "A u8"

_OPAQUE: dict[messages.Depth, bytes] = {
    "u8": b"\xff",
    "u16": b"\xff\xff",
    "f16": b"\x00\x3c",
    "f32": b"\x00\x00\x80\x3f",
}


@dataclass(frozen=True)
class Encoding:
    """What a pixel looks like on its way to the server and back."""

    format: messages.PixelFormat
    depth: messages.Depth

    @property
    def babl(self) -> str:
        """The format's name for GIMP."""
        return f"{_BABL_CHANNELS[self.format]} {_BABL_DEPTHS[self.depth]}"

    @property
    def pixel_bytes(self) -> int:
        return messages.pixel_bytes(self.format, self.depth)

    @property
    def with_alpha(self) -> Encoding:
        """The same with an alpha channel, which is what a layer with a soft edge needs."""
        formats: dict[messages.PixelFormat, messages.PixelFormat] = {"gray": "graya", "rgb": "rgba"}
        return Encoding(formats.get(self.format, self.format), self.depth)


def encoding(*, gray: bool, has_alpha: bool, precision: str) -> Encoding:
    """How to send the pixels of a layer.

    Args:
        gray: the image has no colours. (One with a palette has, and is not.)
        has_alpha: the layer has an alpha channel.
        precision: of the image, as a key of `DEPTHS`.
    """
    formats: tuple[messages.PixelFormat, messages.PixelFormat] = (
        ("gray", "graya") if gray else ("rgb", "rgba")
    )
    return Encoding(formats[has_alpha], DEPTHS[precision])


def set_alpha(pixels: bytes, sent: Encoding, alpha: bytes | None) -> bytes:
    """Pixels in `sent.with_alpha`, with this alpha.

    Args:
        pixels: in `sent`.
        sent: their encoding.
        alpha: one byte for each pixel, 0 transparent to 255 opaque. None: opaque where `sent` has no alpha,
            and as it is where it has.

    Raises:
        ValueError: the lengths do not agree.
    """
    count, rest = divmod(len(pixels), sent.pixel_bytes)
    if rest or (alpha is not None and len(alpha) != count):
        raise ValueError(f"{len(pixels)} bytes are not {count if alpha is None else len(alpha)} pixels")
    had_alpha = sent.with_alpha == sent
    if had_alpha and alpha is None:
        return pixels
    size = messages.DEPTH_BYTES[sent.depth]
    colours = sent.pixel_bytes - size if had_alpha else sent.pixel_bytes
    stride = colours + size
    if had_alpha:
        out = bytearray(pixels)
    else:
        out = bytearray(count * stride)
        for byte in range(colours):
            out[byte::stride] = pixels[byte::colours]
    opaque = _OPAQUE[sent.depth]
    for byte in range(size):
        if alpha is None:
            out[colours + byte :: stride] = opaque[byte : byte + 1] * count
        else:
            out[colours + byte :: stride] = alpha.translate(_SAMPLES[sent.depth][byte])
    return bytes(out)


def _sample_tables(depth: messages.Depth) -> tuple[bytes, ...]:
    """For each byte of a sample: what it is for 0/255, 1/255 ... 255/255."""
    if depth == "u8":
        samples = [struct.pack("<B", value) for value in range(256)]
    elif depth == "u16":
        samples = [struct.pack("<H", value * 257) for value in range(256)]
    else:
        code = {"f16": "<e", "f32": "<f"}[depth]
        samples = [struct.pack(code, value / 255) for value in range(256)]
    return tuple(bytes(sample[byte] for sample in samples) for byte in range(len(samples[0])))


_SAMPLES: dict[messages.Depth, tuple[bytes, ...]] = {depth: _sample_tables(depth) for depth in _OPAQUE}


def crop(data: bytes, width: int, pixel_bytes: int, x: int, y: int, columns: int, rows: int) -> bytes:
    """A rectangle of rows of `width` pixels."""
    if x == 0 and columns == width:
        return data[y * width * pixel_bytes : (y + rows) * width * pixel_bytes]
    begins = range((y * width + x) * pixel_bytes, ((y + rows) * width + x) * pixel_bytes, width * pixel_bytes)
    return b"".join(data[begin : begin + columns * pixel_bytes] for begin in begins)
