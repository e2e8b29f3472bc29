"""The hole that a picture brings along: what is transparent in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lama_cli.pictures.picture import Picture, PictureError
from lama_core.image.pixels import WHITE


def transparent_hole(picture: Picture, path: Path) -> NDArray[Any]:
    """(H, W) bool, True where the picture is not opaque.

    Args:
        picture: from a file.
        path: that file's, for the message.

    Raises:
        PictureError: it is opaque everywhere.
    """
    pixels = picture.pixels
    hole: NDArray[Any] | None = pixels[:, :, -1] < WHITE[pixels.dtype] if picture.has_alpha else None
    if hole is None or not hole.any():
        raise PictureError(f"{path} has no transparent pixels that could be the hole: give a mask for it")
    return hole
