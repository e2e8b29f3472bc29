"""Krita's colour spaces, and which pixels can go to the server as they are.

The network was trained on sRGB as pictures are stored. RGB and gray travel as they lie in memory, and the
server is told when they are in linear light, where dark tones would be next to black for the network.
Everything else (CMYK, L*a*b*, XYZ, YCbCr) is converted: Krita converts the window to `DETOUR`, and the result
back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lama_core.client.options import Transfer
from lama_core.client.plugin.alpha import PixelLayout
from lama_core.client.protocol import messages

_CHANNELS = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4, "XYZA": 4, "YCbCrA": 4}
_DEPTHS: dict[str, messages.Depth] = {"U8": "u8", "U16": "u16", "F16": "f16", "F32": "f32"}

_LINEAR = re.compile(r"g10\b|scrgb|(?<!non)(?<!non[-_ ])linear", re.IGNORECASE)
"""Profiles in linear light, by the names that they have: "sRGB-elle-V2-g10.icc", "scRGB (linear)"."""


@dataclass(frozen=True)
class Space:
    """A colour space as Krita names it. In memory, alpha is the last channel of all of them."""

    model: str
    depth: str
    profile: str

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return _CHANNELS[self.model] * self.sample_bytes

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample."""
        return messages.DEPTH_BYTES[self.wire_depth]

    @property
    def is_known(self) -> bool:
        """Whether pixels of it can be read at all. Krita's "A", the space of masks, cannot."""
        return self.model in _CHANNELS and self.depth in _DEPTHS

    @property
    def is_direct(self) -> bool:
        """Whether its pixels go to the server as they are."""
        return self.model in ("RGBA", "GRAYA")

    @property
    def sent(self) -> Space:
        """The space that its pixels are sent in."""
        return self if self.is_direct else DETOUR

    @property
    def transfer(self) -> Transfer:
        """How the numbers of RGB and gray stand for light."""
        return "perceptual" if _LINEAR.search(self.profile) is None else "linear"

    @property
    def wire_depth(self) -> messages.Depth:
        """The depth, as the protocol calls it."""
        return _DEPTHS[self.depth]

    @property
    def layout(self) -> PixelLayout:
        """What a pixel of a direct space is in memory."""
        if self.model == "GRAYA":
            return PixelLayout("graya", self.wire_depth)
        # Krita keeps integers as BGRA and floats as RGBA.
        return PixelLayout("bgra" if self.depth in ("U8", "U16") else "rgba", self.wire_depth)


DETOUR = Space("RGBA", "F32", "sRGB-elle-V2-srgbtrc.icc")
"""Float keeps the colours that sRGB does not have, and steps finer than 16 bits."""
