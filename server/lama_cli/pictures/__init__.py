"""Picture files, read and written with libvips: what `lama-fill fill` takes and gives.

The server itself never opens one: pixels cross the wire, files do not.
"""

from __future__ import annotations

from lama_cli.pictures.kinds import ending_of
from lama_cli.pictures.masks import check_mask_size, read_mask
from lama_cli.pictures.picture import Picture, PictureError
from lama_cli.pictures.reading import MAX_PIXELS, read_picture
from lama_cli.pictures.streams import STREAM, Inputs, is_standard_output, is_stream, open_inputs
from lama_cli.pictures.writing import ENDINGS, check_output, write_picture

__all__ = [
    "ENDINGS",
    "MAX_PIXELS",
    "STREAM",
    "Inputs",
    "Picture",
    "PictureError",
    "check_mask_size",
    "check_output",
    "ending_of",
    "is_standard_output",
    "is_stream",
    "open_inputs",
    "read_mask",
    "read_picture",
    "write_picture",
]
