"""The alpha channel of pixels as Krita has them: straight, and the last channel of a pixel.

No loop of these goes over the pixels of an ordinary picture: slices and byte tables do the work.
"""

from __future__ import annotations

import struct
from array import array
from math import ceil

from lama_fill_krita.color_space import Space

_OPAQUE = {"U8": b"\xff", "U16": b"\xff\xff", "F16": b"\x00\x3c", "F32": b"\x00\x00\x80\x3f"}


def with_alpha(pixels: bytes, space: Space, blend: bytes) -> bytes:
    """Pixels whose alpha is multiplied by `blend`, one byte for each: 0 hidden, 255 as it is.

    Raises:
        ValueError: there are not as many pixels as bytes of `blend`.
    """
    size, stride = space.sample_bytes, space.pixel_bytes
    if len(pixels) != len(blend) * stride:
        raise ValueError(f"{len(pixels)} bytes are not {len(blend)} pixels of {stride} bytes")
    out = bytearray(pixels)
    opaque = _OPAQUE[space.depth]
    first = stride - size
    if all(pixels[first + byte :: stride].count(opaque[byte]) == len(blend) for byte in range(size)):
        for byte in range(size):
            out[first + byte :: stride] = blend.translate(_SAMPLES[space.depth][byte])
        return bytes(out)
    alpha = bytearray(len(blend) * size)
    for byte in range(size):
        alpha[byte::size] = pixels[first + byte :: stride]
    multiplied = _multiplied(bytes(alpha), space.depth, blend)
    for byte in range(size):
        out[first + byte :: stride] = multiplied[byte::size]
    return bytes(out)


def corrected(wanted: bytes, got: bytes) -> bytes:
    """Colours that make `wanted` of what made `got` of it: each missed by as much to the other side.

    Args:
        wanted, got: RGBA pixels of 32 bit floats; the alpha is that of `wanted`.
    """
    aims, hits = array("f", wanted), array("f", got)
    better = array("f", [aim + aim - hit for aim, hit in zip(aims, hits)])
    better[3::4] = aims[3::4]
    return better.tobytes()


def alpha_as_bytes(pixels: bytes, space: Space) -> bytes:
    """The alpha channel, one byte for each pixel, 0 only where it is 0."""
    size, stride = space.sample_bytes, space.pixel_bytes
    if size == 1:
        return pixels[stride - 1 :: stride]
    if len(pixels) % stride:
        raise ValueError(f"{len(pixels)} bytes are not pixels of {stride} bytes")
    alpha = bytearray(len(pixels) // stride * size)
    for byte in range(size):
        alpha[byte::size] = pixels[stride - size + byte :: stride]
    if not any(alpha):
        return bytes(len(alpha) // size)
    if space.depth == "U16":
        return bytes(-(-sample // 257) for sample in _samples(bytes(alpha), space.depth))
    return bytes(min(255, max(0, ceil(sample * 255))) for sample in _samples(bytes(alpha), space.depth))


def _multiplied(alpha: bytes, depth: str, blend: bytes) -> bytes:
    samples = _samples(alpha, depth)
    if depth == "U8":
        return bytes((sample * share + 127) // 255 for sample, share in zip(samples, blend))
    if depth == "U16":
        return _packed("H", ((sample * share + 127) // 255 for sample, share in zip(samples, blend)))
    products = (sample * share / 255 for sample, share in zip(samples, blend))
    if depth == "F32":
        return _packed("f", products)
    return struct.pack(f"<{len(blend)}e", *products)


def _samples(data: bytes, depth: str):
    """Little endian samples as numbers."""
    if depth == "U8":
        return data
    if depth == "F16":
        return struct.unpack(f"<{len(data) // 2}e", data)
    # Every system that Krita runs on is little endian, as `array` is there.
    return array({"U16": "H", "F32": "f"}[depth], data)


def _packed(code: str, values) -> bytes:
    return array(code, values).tobytes()


def _tables(depth: str) -> tuple:
    """For each byte of a sample: what it is for 0/255, 1/255 ... 255/255."""
    code, scale = {"U8": ("<B", 1), "U16": ("<H", 257), "F16": ("<e", 1 / 255), "F32": ("<f", 1 / 255)}[depth]
    samples = [struct.pack(code, value * scale if scale != 1 else value) for value in range(256)]
    return tuple(bytes(sample[byte] for sample in samples) for byte in range(len(samples[0])))


_SAMPLES = {depth: _tables(depth) for depth in _OPAQUE}
