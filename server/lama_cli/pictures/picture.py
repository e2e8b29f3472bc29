"""A picture from a file: its pixels, and all that is written again with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from lama_cli.pictures.samples import Samples
from lama_cli.pictures.tiff_tags import Entry
from lama_core.client.errors import LamaFillError
from lama_core.client.options import Transfer


class PictureError(LamaFillError):
    """A picture file cannot be read, or not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What belongs to a picture beside its pixels.

    Attributes:
        fields: libvips's type, name and value of each; written where the output is of another kind than the
            input, or of one that keeps no parts.
        x_resolution: pixels per millimetre.
        y_resolution: pixels per millimetre.
        kind: the kind of file that `parts` or `tags` come from: "PNG", "JPEG", "TIFF" or "".
        parts: the chunks or segments of the input that do not describe pixels, byte for byte but for what
            showed the picture as it was.
        tags: the same of a TIFF.
        source: the whole file of a JPEG: its pixels are written again as it stores them.
    """

    fields: tuple[tuple[int, str, Any], ...] = ()
    x_resolution: float = 1.0
    y_resolution: float = 1.0
    kind: str = ""
    parts: tuple[tuple[bytes, bytes, bool], ...] = ()
    tags: tuple[Entry, ...] = ()
    source: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture from a file, upright.

    Attributes:
        pixels: (H, W, C), 1 to 4 channels; uint8, uint16 or float32; writable.
        metadata: what is written again with them.
        transfer: how its numbers stand for light, as far as the file tells.
        note: one line about what of the file is not kept, or empty.
        orientation: by which of EXIF's orientations, 1 to 8, the stored pixels were turned upright.
        samples: a TIFF's channels that are more than colour and transparency, or stored in another way.
    """

    pixels: NDArray[Any]
    metadata: Metadata
    transfer: Transfer = "perceptual"
    note: str = ""
    orientation: int = 1
    samples: Samples | None = None

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is transparency."""
        return self.pixels.shape[2] in (2, 4)

    @property
    def extra_channels(self) -> int:
        """The number of channels of the file that are neither colour nor transparency."""
        return 0 if self.samples is None else self.samples.beside
