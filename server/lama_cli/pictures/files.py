"""Reading picture files: pixels, and all that has to be written again with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyvips
from numpy.typing import NDArray

from lama_cli.pictures.transfer import transfer_of
from lama_core.client.errors import LamaFillError
from lama_core.client.options import Transfer

#: The default limit for width times height of a picture: beyond every camera, far below a decompression bomb.
MAX_PIXELS: Final = 400_000_000

#: How each kind of file begins, and libvips's reader for it. Nothing else is opened, whatever its name.
_KINDS: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "pngload"),
    (re.compile(rb"\xff\xd8\xff"), "jpegload"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webpload"),
    (re.compile(rb"II[*+]\x00|MM\x00[*+]"), "tiffload"),
)
_MAGIC_BYTES: Final = 12

_DTYPES: Final = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_COLOURS: Final = ("b-w", "grey16", "srgb", "rgb", "rgb16", "scrgb", "multiband")

#: Metadata that is written again. Left out: the orientation, because the pixels are upright, and thumbnails
#: and the like, because they still show what was removed.
_KEPT: Final = re.compile(
    r"icc-profile-data|exif-data|exif-ifd[0234]-.*|xmp-data|iptc-data|resolution-unit|png-comment-.*"
)
_NOT_KEPT: Final = re.compile(r"exif-ifd0-Orientation")
_EXIF_PREFIX: Final = b"Exif\x00\x00"
_XMP_ORIENTATION: Final = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[2-8]")

_PROFILE: Final = "icc-profile-data"

#: A lossy file's black and white are only nearly so: a mask from one is stretched, from these shares of
#: white.
_LOSSY_BLACK, _LOSSY_WHITE = 1 / 8, 7 / 8

_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of Rec. 709


class PictureError(LamaFillError):
    """A picture file cannot be read, or not be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What belongs to a picture beside its pixels.

    `fields` are libvips's: type, name, value. The resolution is in pixels per millimetre.
    """

    fields: tuple[tuple[int, str, Any], ...] = ()
    x_resolution: float = 1.0
    y_resolution: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture from a file, upright.

    Attributes:
        pixels: (H, W, C), 1 to 4 channels; uint8, uint16 or float32; writable.
        metadata: what is written again with them.
        light: how its numbers stand for light, as far as the file tells.
        note: one line about what of the file is not in `pixels`, or empty.
    """

    pixels: NDArray[Any]
    metadata: Metadata
    transfer: Transfer = "perceptual"
    note: str = ""

    @property
    def has_alpha(self) -> bool:
        return self.pixels.shape[2] in (2, 4)


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a PNG, JPEG, WebP or TIFF file; of several pages the first.

    Palettes and 1-bit pictures are expanded, half floats become floats. The pixels are turned upright as
    the file's orientation says.

    Raises:
        PictureError: no such file, none of these kinds, damaged, larger than `max_pixels` (its header is
            enough to know), or colours that are neither gray nor RGB.
    """
    image = _opened(path, max_pixels)
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    # libvips raises what goes wrong while it decodes, so everything until the pixels are there is inside.
    try:
        if image.get_typeof("orientation") and image.get("orientation") > 1:
            image = image.copy_memory().autorot()
        # numpy() leaves out dimensions of 1.
        pixels: NDArray[Any] = image.numpy().reshape(image.height, image.width, image.bands)
    except pyvips.Error as error:
        raise _unreadable(path, error) from error
    profile = bytes(image.get(_PROFILE)) if image.get_typeof(_PROFILE) else None
    return Picture(
        pixels=pixels,
        metadata=_metadata(image),
        transfer=transfer_of(profile, is_float=pixels.dtype.kind == "f"),
        note=f"{path} has {pages} pages, only the first was taken" if pages > 1 else "",
    )


def read_mask(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read a mask from a picture file of any kind: (H, W) uint8, uint16 or float32, white where the hole is.

    Of a picture in colour the luminance counts, and what is transparent is not part of the hole. A lossy file
    (JPEG, WebP) is stretched, so that its nearly black is black and its nearly white white: (H, W) float32.

    Raises:
        PictureError: as `read_picture`.
    """
    picture = read_picture(path, max_pixels=max_pixels)
    pixels = picture.pixels
    lossy = _kind(path) in ("jpegload", "webpload")
    if pixels.shape[2] == 1 and not lossy:
        return pixels[:, :, 0]
    white = np.float32(np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1)
    light = pixels[:, :, : pixels.shape[2] - picture.has_alpha].astype(np.float32)
    mask: NDArray[Any] = (light @ _LUMINANCE if light.shape[2] == 3 else light[:, :, 0]) / white
    if picture.has_alpha:
        mask *= pixels[:, :, -1] / white
    if lossy:
        mask = ((mask - _LOSSY_BLACK) / (_LOSSY_WHITE - _LOSSY_BLACK)).clip(0, 1)
    elif pixels.dtype.kind == "u":
        # Luminance of gray that was stored as RGB: the same levels again, without float's crumbs.
        mask = np.rint(mask * white).astype(pixels.dtype)
    return mask


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            magic = file.read(_MAGIC_BYTES)
    except OSError as error:
        raise PictureError(_cannot_open(path, error)) from error
    for beginning, loader in _KINDS:
        if beginning.match(magic):
            return loader
    if not magic:
        raise PictureError(f"{path} is empty: give a picture")
    raise PictureError(f"{path} is not a PNG, JPEG, WebP or TIFF picture: convert it to one of them")


def _cannot_open(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {path}"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder: give a picture in it"
    return f"{path} cannot be read: {error.strerror or error}"


def _opened(path: Path, max_pixels: int) -> pyvips.Image:
    """The header, checked; no pixel is decoded yet."""
    loader = _kind(path)
    try:
        load = getattr(pyvips.Image, loader)
        image: pyvips.Image = load(str(path), access="sequential", fail_on="error", revalidate=True)
    except pyvips.Error as error:
        raise _unreadable(path, error) from error
    if image.width * image.height > max_pixels:
        raise PictureError(
            f"{path} has {image.width} x {image.height} pixels, more than the limit of {max_pixels}: "
            "if it is what you expect, raise the limit with --max-pixels"
        )
    if image.interpretation not in _COLOURS or image.bands > 4:
        raise PictureError(
            f"{path} has {image.bands} channels of {image.interpretation}: convert it to gray or RGB first"
        )
    if image.format not in _DTYPES:
        raise PictureError(
            f"{path} has numbers of type {image.format}: convert it to 8 or 16 bit or to float first"
        )
    return image


def _unreadable(path: Path, error: pyvips.Error) -> PictureError:
    lines = [line.strip() for line in str(error).splitlines()]
    reason = next((line for line in lines[1:] if line), lines[0])
    return PictureError(f"{path} is damaged and cannot be read ({reason}): get it again from where it came")


def _metadata(image: pyvips.Image) -> Metadata:
    fields = []
    for name in image.get_fields():
        if _KEPT.fullmatch(name) and not _NOT_KEPT.fullmatch(name):
            value = image.get(name)
            if name == "xmp-data":
                value = _XMP_ORIENTATION.sub(rb"\g<1>1", bytes(value))
            elif name == "exif-data":
                value = _without_thumbnail(bytes(value))
            fields.append((image.get_typeof(name), name, value))
    fields.append((pyvips.GValue.gint_type, "orientation", 1))
    return Metadata(fields=tuple(fields), x_resolution=image.xres, y_resolution=image.yres)


def _without_thumbnail(exif: bytes) -> bytes:
    """An EXIF block whose first directory is its last: the second one describes the thumbnail.

    The block is a small TIFF: byte order, 42, where the first directory is; a directory is the number of its
    entries, 12 bytes for each, and where the next one is. One that is not in order is left to libvips.
    """
    start = len(_EXIF_PREFIX) if exif.startswith(_EXIF_PREFIX) else 0
    orders: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
    order = orders.get(exif[start : start + 2])
    if order is None:
        return exif
    directory = start + int.from_bytes(exif[start + 4 : start + 8], order)
    following = directory + 2 + 12 * int.from_bytes(exif[directory : directory + 2], order)
    if following + 4 > len(exif):
        return exif
    return exif[:following] + bytes(4) + exif[following + 4 :]
