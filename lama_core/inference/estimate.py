"""How much memory a prediction takes at most, by what is in memory at the same time."""

from __future__ import annotations

from lama_core.inference.row_strips import row_strips
from lama_core.model.config import GeneratorConfig
from lama_core.model.generator import padded_size

_PICTURE_VALUES = 15
"""Float32 values a pixel: the picture, the hole, both as the network's input, the prediction and what is made
of it."""
_BOTTLENECK_MAPS = 4.2
"""Maps of all channels of the bottleneck: a block's input, what its first half gives, and in the second half
the spectral path or the padded maps."""
_STRIP_MAPS = 4
"""Maps of a strip: a level and the next one, and each with its padding."""
_MARGIN = 1.15
_FIXED = 24 << 20
"""Bytes that small windows take too: what oneDNN and the allocator keep for each thread."""


def peak_bytes(config: GeneratorConfig, height: int, width: int, element: int) -> int:
    """Bytes that a prediction takes beside the weights and the interpreter.

    Args:
        config: of the generator.
        height, width: of the window, in pixels.
        element: bytes of a value: 4 in fp32, 2 in half precision.
    """
    height, width = padded_size(config, height, width)
    cell = 2**config.downsamplings
    pixels, cells = height * width, (height // cell) * (width // cell)
    pictures = pixels * _PICTURE_VALUES * 4
    channels = config.local_channels + config.global_channels
    bottleneck = _BOTTLENECK_MAPS * cells * channels * element
    cut = row_strips(height // cell, width * cell, config.width, element)
    rows = max(end - begin for begin, end in cut)
    strip = rows * cell * width * config.width * element * _STRIP_MAPS
    needed: float = (pictures + bottleneck + strip) * _MARGIN + _FIXED
    return round(needed)
