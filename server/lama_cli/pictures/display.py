"""A picture's pixels as a browser shows them: 8 bit, in sRGB."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

from lama_cli.pictures.picture import Picture, PictureError
from lama_cli.pictures.writing import vips_image
from lama_core.image.pixels import WHITE


def for_display(pixels: NDArray[Any], picture: Picture) -> NDArray[np.uint8]:
    """Pixels in the colours that a screen shows them in.

    Args:
        pixels: (H, W, C), in the form of the picture's own.
        picture: whose profile they are in.

    Returns:
        (H, W, 3), or (H, W, 4) with transparency.

    Raises:
        PictureError: the picture's profile cannot be used.
    """
    colours = pixels[:, :, :-1] if picture.has_alpha else pixels
    shown = _colours_for_display(colours, picture)
    if shown.shape[2] == 1:
        shown = shown.repeat(3, axis=2)
    if picture.has_alpha:
        alpha = pixels[:, :, -1:].astype(np.float32) / np.float32(WHITE[pixels.dtype])
        shown = np.concatenate([shown, _bytes(alpha)], axis=2)
    return np.ascontiguousarray(shown)


def png_for_display(picture: Picture) -> bytes:
    """The whole picture for a browser, as a PNG that is quick to make and to read.

    Raises:
        PictureError: the picture's profile cannot be used.
    """
    shown = for_display(picture.pixels, picture)
    height, width, channels = shown.shape
    image = pyvips.Image.new_from_memory(shown.data, width, height, channels, "uchar")
    data: bytes = image.copy(interpretation="srgb").pngsave_buffer(compression=1, keep="none")
    return data


def _colours_for_display(colours: NDArray[Any], picture: Picture) -> NDArray[np.uint8]:
    is_gray = colours.shape[2] == 1
    if colours.dtype.kind == "f" and picture.transfer == "perceptual":
        return _bytes(colours)
    image = vips_image(colours, picture, is_gray=is_gray)
    try:
        if image.get_typeof("icc-profile-data") and colours.dtype.kind != "f":
            image = image.icc_transform("srgb", embedded=True, intent="relative", depth=8)
        elif colours.dtype.kind == "f" and is_gray:
            image = image.bandjoin([image, image]).copy(interpretation="scrgb").colourspace("srgb")
        else:
            image = image.colourspace("b-w" if is_gray else "srgb")
        shown: NDArray[np.uint8] = image.cast("uchar").numpy()
    except pyvips.Error as error:
        reason = " ".join(str(error).split())
        raise PictureError(
            f"the picture's colour profile cannot be used ({reason}): convert the picture to sRGB first"
        ) from error
    return shown.reshape(*colours.shape[:2], -1)


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Numbers from 0 to 1 as bytes."""
    rounded: NDArray[np.uint8] = np.rint(np.nan_to_num(values).clip(0, 1) * 255).astype(np.uint8)
    return rounded
