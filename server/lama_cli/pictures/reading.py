"""Reading picture files: pixels, and all that has to be written again with them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvips
from numpy.typing import NDArray

from lama_cli.pictures import jpeg, png, tiff
from lama_cli.pictures.kinds import find_loader
from lama_cli.pictures.picture import Metadata, Picture, PictureError
from lama_cli.pictures.previews import clean_exif, clean_xmp
from lama_cli.pictures.samples import ASSOCIATED, Samples, split
from lama_cli.pictures.tiff_tags import Entry
from lama_cli.pictures.transfer import transfer_of

#: The default limit for width times height of a picture: beyond every camera, far below a decompression bomb.
MAX_PIXELS: Final = 400_000_000

_DTYPES: Final = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_COLOURS: Final = ("b-w", "grey16", "srgb", "rgb", "rgb16", "scrgb", "multiband")

#: Metadata that is written again. Left out: the orientation, because the pixels are upright, and thumbnails
#: and the like, because they still show what was removed.
_KEPT: Final = re.compile(
    r"icc-profile-data|exif-data|exif-ifd[0234]-.*|xmp-data|iptc-data|resolution-unit|png-comment-.*"
)
_NOT_KEPT: Final = re.compile(r"exif-ifd0-Orientation")

_PROFILE: Final = "icc-profile-data"
#: Set on an image whose file lacks its end.
_NO_END: Final = "lama-fill-no-end"

#: What libvips says of kinds of a file that are whole, and not supported.
_NOT_SUPPORTED: Final = {
    "not a whole number of bytes": "has 10 or 12 bits a channel: convert it to 8 or 16 bit",
    "unsupported": "is of a kind that is not supported: convert it to PNG or a plain TIFF",
    "compression": "is compressed in a way that is not supported: convert it to PNG or a plain TIFF",
    "labq": "has CIELAB colours: convert it to RGB",
}


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a PNG, JPEG, WebP or TIFF file; of several pages the first.

    Palettes and 1-bit pictures are expanded, half floats become floats. The pixels are turned upright as
    the file's orientation says.

    Raises:
        PictureError: no such file, none of these kinds, damaged, larger than `max_pixels` (its header is
            enough to know), or colours that are neither gray nor RGB.
    """
    image = open_image(path, max_pixels, max_channels=3 + tiff.MAX_EXTRA_SAMPLES)
    loader = find_loader(path)
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    upright, orientation = turn_upright(image)
    pixels = decode(upright, path)
    samples: Samples | None = None
    if loader == "tiffload":
        pixels, samples = split(pixels, _extra_samples(path, pixels))
    metadata, notes = _metadata(image, path, loader, turned=orientation >= 5)
    if image.get_typeof(_NO_END):
        notes.append(f"{path} lacks its end, but nothing of the picture")
    if loader == "pngload" and png.is_animated(path):
        notes.append(f"{path} is an animation, only its first picture was taken")
    if pages > 1:
        notes.append(f"{path} has {pages} pages, only the first was taken")
    if samples is not None and samples.beside:
        notes.append(
            f"{path} has channels that are neither colour nor transparency ({samples.beside}): "
            "they stay as they are"
        )
    profile = bytes(image.get(_PROFILE)) if image.get_typeof(_PROFILE) else None
    transfer = transfer_of(profile, is_float=pixels.dtype.kind == "f")
    if loader == "pngload" and png.is_linear(metadata.parts):
        transfer = "linear"
    return Picture(
        pixels=pixels,
        metadata=metadata,
        transfer=transfer,
        note="; ".join(notes),
        orientation=orientation,
        samples=samples,
    )


def orientation_of(image: pyvips.Image) -> int:
    """EXIF's orientation of an image, 1 where there is none."""
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1


def turn_upright(image: pyvips.Image) -> tuple[pyvips.Image, int]:
    """An image as it is to be seen, and by which of EXIF's orientations, 1 to 8, it was turned."""
    orientation = orientation_of(image)
    if not 1 < orientation <= 8:
        return image, 1
    try:
        return image.copy_memory().autorot(), orientation
    except pyvips.Error:
        return image, 1  # it cannot be decoded: whoever decodes it says so


def decode(image: pyvips.Image, path: Path) -> NDArray[Any]:
    """The pixels of an image: (H, W, C).

    Raises:
        PictureError: the file is damaged.
    """
    try:
        # numpy() leaves out dimensions of 1.
        pixels: NDArray[Any] = image.numpy().reshape(image.height, image.width, image.bands)
    except pyvips.Error as error:
        raise _unreadable(path, error) from error
    return pixels


def open_image(path: Path, max_pixels: int, *, max_channels: int = 4) -> pyvips.Image:
    """The header of a file, checked; no pixel is decoded yet.

    Args:
        path: of the file.
        max_pixels: the limit for its width times height.
        max_channels: more channels than these are not supported.

    Raises:
        PictureError: the file cannot be read, or holds what is not supported.
    """
    loader = find_loader(path)
    try:
        if loader == "tiffload" and tiff.is_raw(path):
            raise PictureError(f"{path} is a raw file of a camera: develop it first")
        image = _loaded(path, loader)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    except pyvips.Error as error:
        raise _unreadable(path, error) from error
    if image.width * image.height > max_pixels:
        raise PictureError(
            f"{path} has {image.width} x {image.height} pixels, more than the limit of {max_pixels}: "
            "if it is what you expect, raise the limit with --max-pixels"
        )
    if image.interpretation not in _COLOURS or image.bands > max_channels:
        raise PictureError(
            f"{path} has {image.bands} channels of {image.interpretation}: convert it to gray or RGB first"
        )
    if image.format not in _DTYPES:
        raise PictureError(
            f"{path} has numbers of type {image.format}: convert it to 8 or 16 bit or to float first"
        )
    return image


def _loaded(path: Path, loader: str) -> pyvips.Image:
    """The header by libvips.

    Raises:
        OSError: the file cannot be read.
        pyvips.Error: it is damaged.
    """
    if loader == "jpegload" and jpeg.lacks_end(path):
        # Some cameras and many transfers lose the last bytes. Where more than the end is lost libvips warns.
        data = path.read_bytes() + jpeg.END
        image: pyvips.Image = pyvips.Image.jpegload_buffer(data, fail_on="warning").copy_memory()
        image.set_type(pyvips.GValue.gint_type, _NO_END, 1)
        return image
    if loader == "tiffload" and ASSOCIATED in tiff.read_extra_samples(path):
        # libvips would divide by alpha, and lose the colours where it is 0.
        data = tiff.as_unassociated(path)
        return pyvips.Image.tiffload_buffer(data, access="sequential", fail_on="error")
    load = getattr(pyvips.Image, loader)
    opened: pyvips.Image = load(os.fsencode(path), access="sequential", fail_on="error", revalidate=True)
    return opened


def _extra_samples(path: Path, pixels: NDArray[Any]) -> tuple[int, ...]:
    """What a TIFF's channels after gray or RGB are."""
    try:
        extra = tiff.read_extra_samples(path)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    colours = pixels.shape[2] - len(extra)
    if colours not in (1, 3):
        raise PictureError(f"{path} has {colours} channels of colour: convert it to gray or RGB first")
    return extra


def _unreadable(path: Path, error: pyvips.Error) -> PictureError:
    lines = [line.strip() for line in str(error).splitlines()]
    reason = next((line for line in lines[1:] if line), lines[0])
    for words, remedy in _NOT_SUPPORTED.items():
        if words in reason.lower():
            return PictureError(f"{path} {remedy}")
    return PictureError(f"{path} is damaged and cannot be read ({reason}): get it again from where it came")


def _metadata(image: pyvips.Image, path: Path, loader: str, *, turned: bool) -> tuple[Metadata, list[str]]:
    """What is written again, and a line about each thing that is not."""
    fields = []
    found = False
    for name in _fields_of(image):
        if _KEPT.fullmatch(name) and not _NOT_KEPT.fullmatch(name):
            value = image.get(name)
            if name == "xmp-data":
                value, _ = clean_xmp(bytes(value))
                if value.startswith(jpeg.EXTENDED_XMP):
                    continue
            elif name == "exif-data":
                value, found = clean_exif(bytes(value))
            fields.append((image.get_typeof(name), name, value))
    fields.append((pyvips.GValue.gint_type, "orientation", 1))
    parts: tuple[tuple[bytes, bytes, bool], ...] = ()
    tags: tuple[Entry, ...] = ()
    source = b""
    kind = {"pngload": "PNG", "jpegload": "JPEG", "tiffload": "TIFF"}.get(loader, "")
    try:
        if kind == "PNG":
            parts, found = png.read_chunks(path, turned=turned)
        elif kind == "JPEG":
            source = path.read_bytes() + (jpeg.END if image.get_typeof(_NO_END) else b"")
            parts, found = jpeg.read_segments(source)
        elif kind == "TIFF":
            tags, found = tiff.read_tags(path, turned=turned)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror or error}") from error
    notes = [f"{path}: its preview was left out, because it shows what is removed"] if found else []
    metadata = Metadata(
        fields=tuple(fields),
        x_resolution=image.xres,
        y_resolution=image.yres,
        kind=kind,
        parts=parts,
        tags=tags,
        source=source,
    )
    return metadata, notes


def _fields_of(image: pyvips.Image) -> list[str]:
    """The names of an image's fields; where one of them is no UTF-8, those that other kinds of file keep."""
    try:
        names: list[str] = image.get_fields()
    except UnicodeDecodeError:
        names = [name for name in (_PROFILE, "exif-data", "xmp-data", "iptc-data") if image.get_typeof(name)]
    return names
