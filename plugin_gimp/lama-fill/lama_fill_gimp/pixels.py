"""Which pixels to ask GIMP for.

The network was trained on sRGB as pictures are stored. So the pixels are read and written in a perceptual
encoding ("R'G'B'A", "Y'A") whatever the image's own is: GIMP converts these to and from linear light, other
colour spaces and palettes. The depth is one that loses nothing of the image.
"""

from __future__ import annotations

from lama_core.client.errors import LamaFillError
from lama_core.client.plugin.alpha import PixelLayout
from lama_core.client.plugin.texts import _
from lama_core.client.protocol import messages

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
"""The depth of a sample on its way to the server, by the precision of the image as GIMP calls it.

The dark tones of 8 linear bits lie farther apart than those of 8 perceptual bits, and the bright ones closer
together: the next depth holds both.
"""

_BABL_DEPTHS: dict[messages.Depth, str] = {"u8": "u8", "u16": "u16", "f16": "half", "f32": "float"}
_BABL_CHANNELS: dict[messages.PixelFormat, str] = {
    "gray": "Y'",
    "graya": "Y'A",
    "rgb": "R'G'B'",
    "rgba": "R'G'B'A",
}

SELECTION = "Y u8"
"""The soft edge of a selection is not light, so it is not encoded as light: not "Y' u8"."""

HALF_OR_MORE = bytes(128) + b"\xff" * 128
"""For `bytes.translate`: what is half selected or more."""

ALPHA = "A u8"


class PrecisionError(LamaFillError):
    """The image has a precision that is not known."""


def babl_format(layout: PixelLayout) -> str:
    """GIMP's name for a layout."""
    return f"{_BABL_CHANNELS[layout.format]} {_BABL_DEPTHS[layout.depth]}"


def find_layout(*, gray: bool, has_alpha: bool, precision: str) -> PixelLayout:
    """How to send the pixels of a layer.

    Args:
        gray: the image has no colours. (One with a palette has.)
        has_alpha: the layer has an alpha channel.
        precision: of the image, as a key of `DEPTHS`.

    Raises:
        PrecisionError: the precision is not one of `DEPTHS`.
    """
    if precision not in DEPTHS:
        raise PrecisionError(
            _("The precision of this image is not known: choose another one (Image > Precision).")
        )
    formats: tuple[messages.PixelFormat, messages.PixelFormat] = (
        ("gray", "graya") if gray else ("rgb", "rgba")
    )
    return PixelLayout(formats[has_alpha], DEPTHS[precision])
