"""The hole that a mask file marks: what stands out from its background, whatever it was painted with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvips
from numpy.typing import NDArray

from lama_cli.pictures.kinds import find_loader
from lama_cli.pictures.orientation import turned
from lama_cli.pictures.picture import Picture, PictureError
from lama_cli.pictures.reading import MAX_PIXELS, decode, open_image, orientation_of, turn_upright
from lama_core.image.pixels import WHITE

#: A lossy file's black and white are only nearly so: a mask from one is stretched, from these shares of
#: white.
_LOSSY_BLACK, _LOSSY_WHITE = 1 / 8, 7 / 8
#: A background that is darker than this share of white is black.
_DARK: Final = 1 / 16
#: Paint that is brighter than this share of white is white: only what is darker is scaled.
_BRIGHT: Final = 0.9
#: More levels of flat paint than this are no labels, but a picture.
_MAX_LABELS: Final = 64
#: Visible paint whose darkest and brightest are closer than this share of white is one colour.
_ONE_COLOUR: Final = 1 / 8


def read_mask(
    path: Path,
    *,
    picture: Picture | None = None,
    max_pixels: int = MAX_PIXELS,
    notes: list[str] | None = None,
) -> NDArray[Any]:
    """Read a mask from a picture file of any kind.

    The background is the darkest level, which must be nearly black, or what is transparent. Flat paint is
    hole whatever its colour, level or transparency: red, half transparent, 1 and 2 as labels. Soft edges stay
    soft. A lossy file (JPEG, WebP) is stretched first, so that its nearly black is black.

    Args:
        path: of the mask.
        picture: that it is for: a mask of the pixels as they are stored is turned as they were.
        max_pixels: the limit for its width times height.
        notes: a line is added about what was done to it.

    Returns:
        (H, W) uint8, uint16 or float32, white where the hole is.

    Raises:
        PictureError: it cannot be read, has no black background, or marks less than a pixel.
    """
    image = open_image(path, max_pixels)
    stored = (image.height, image.width)
    image, _ = turn_upright(image)
    value, alpha = _planes(image, path)
    if picture is not None and _is_as_stored(stored, picture):
        value = turned(value, picture.orientation)
        alpha = None if alpha is None else turned(alpha, picture.orientation)
        if notes is not None:
            notes.append(f"{path} was made for the picture as it is stored: it was turned as the picture is")
    if find_loader(path) in ("jpegload", "webpload"):
        white = WHITE[value.dtype]
        value = value.astype(np.float32) / white
        value = ((value - _LOSSY_BLACK) / (_LOSSY_WHITE - _LOSSY_BLACK)).clip(0, 1)
    mask = _hole(value, alpha, path)
    marked = float(mask.sum(dtype=np.float64)) / WHITE[mask.dtype]
    if 0 < marked < 1:
        raise PictureError(f"{path} marks less than a pixel, so nothing would change: mark the hole in it")
    return mask


def _planes(image: pyvips.Image, path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The brightest channel, one plane of it whatever the number of channels, and the alpha if it varies."""
    has_alpha = image.hasalpha()
    colour = image[: image.bands - 1] if has_alpha else image
    if colour.bands > 1:
        colour = colour[0].bandrank([colour[n] for n in range(1, colour.bands)], index=colour.bands - 1)
    if not has_alpha:
        return decode(colour, path)[:, :, 0], None
    planes = decode(colour.bandjoin(image[image.bands - 1]), path)
    value, alpha = planes[:, :, 0], planes[:, :, 1]
    return value, None if alpha.min() == alpha.max() else alpha


def check_mask_size(mask: Path, picture: Path, *, max_pixels: int = MAX_PIXELS) -> None:
    """Compare the sizes of a mask and its picture by their headers, before anything is decoded.

    Raises:
        PictureError: one of them cannot be read, or they differ.
    """
    pictures, masks = (open_image(path, max_pixels, max_channels=1 << 16) for path in (picture, mask))
    seen, stored = _upright_size(pictures), (pictures.width, pictures.height)
    if _upright_size(masks) != seen and (masks.width, masks.height) != stored:
        width, height = _upright_size(masks)
        raise PictureError(
            f"the picture is {seen[0]} x {seen[1]} pixels and the mask {width} x {height}: "
            "give a mask of the picture's size"
        )


def _upright_size(image: pyvips.Image) -> tuple[int, int]:
    turned = 5 <= orientation_of(image) <= 8
    return (image.height, image.width) if turned else (image.width, image.height)


def _is_as_stored(stored: tuple[int, int], picture: Picture) -> bool:
    """Whether a mask's size says that it was made for the stored pixels, which were turned on their side."""
    height, width = picture.pixels.shape[:2]
    return stored == (width, height) and height != width and picture.orientation >= 5


def _hole(value: NDArray[Any], alpha: NDArray[Any] | None, path: Path) -> NDArray[Any]:
    white = WHITE[value.dtype]
    if alpha is not None:
        value = _painted(value, alpha, white)
    low, high = value.min(), value.max()
    if low == high:
        return value if high == 0 else np.full_like(value, white)
    if low > _DARK * white:
        raise PictureError(
            f"{path}: its background cannot be told, because its darkest level is {low} of {white:g}: "
            "make black what should stay"
        )
    value = value - low
    high -= low
    if _is_flat(value, high):
        binary: NDArray[Any] = (value > 0).astype(value.dtype) * value.dtype.type(white)
        return binary
    if high >= _BRIGHT * white:
        return value
    scaled: NDArray[Any] = (value / np.float32(high)).astype(np.float32)
    return scaled


def _painted(value: NDArray[Any], alpha: NDArray[Any], white: float) -> NDArray[Any]:
    """The transparency of paint of one colour or of bright colours; of black and white paint the white."""
    seen = value[alpha > 0]
    low, high = float(seen.min()), float(seen.max())
    if low > _DARK * white or high - low < _ONE_COLOUR * white:
        return alpha
    mixed: NDArray[Any] = value.astype(np.float32) * (alpha / np.float32(WHITE[alpha.dtype]))
    return mixed if value.dtype.kind == "f" else np.rint(mixed).astype(value.dtype)


def _is_flat(value: NDArray[Any], high: Any) -> bool:
    """Whether what is neither background nor the brightest level is flat paint, not soft edges.

    Flat are pixels whose four neighbours are equal to them.
    """
    between = (value > 0) & (value < high)
    count = int(np.count_nonzero(between))
    if count == 0:
        return True
    inner = value[1:-1, 1:-1]
    flat = between[1:-1, 1:-1].copy()
    for rows, columns in (((0, -2), (1, -1)), ((2, None), (1, -1)), ((1, -1), (0, -2)), ((1, -1), (2, None))):
        flat &= inner == value[rows[0] : rows[1], columns[0] : columns[1]]
    if 2 * int(np.count_nonzero(flat)) <= count:
        return False
    return len(np.unique(inner[flat])) <= _MAX_LABELS
