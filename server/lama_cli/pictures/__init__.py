"""Picture files, read and written with libvips: what `lama-fill fill` takes and gives.

The server itself never opens one: pixels cross the wire, files do not.
"""

from __future__ import annotations

from lama_cli.pictures.files import MAX_PIXELS, Picture, PictureError, read_mask, read_picture
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
