"""Picture files, read and written with libvips: what `lama-fill fill` takes and gives.

The server itself never opens one: pixels cross the wire, files do not.
"""

from __future__ import annotations

from lama_cli.pictures.masks import read_mask
from lama_cli.pictures.picture import Picture, PictureError
from lama_cli.pictures.reading import MAX_PIXELS, read_picture
from lama_cli.pictures.writing import check_output, write_picture

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "PictureError",
    "check_output",
    "read_mask",
    "read_picture",
    "write_picture",
]
