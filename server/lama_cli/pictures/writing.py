"""Writing picture files: all of a file, or none of it."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyvips
from numpy.typing import NDArray

from lama_cli.pictures import jpeg, png, tiff_writing
from lama_cli.pictures.orientation import as_stored
from lama_cli.pictures.picture import Picture, PictureError
from lama_cli.pictures.samples import join
from lama_cli.pictures.streams import is_stream, write_to_stream
from lama_cli.pictures.tiff_tags import EXTRA_SAMPLES, SHORT, Entry
from lama_core.client.files import write_atomically
from lama_core.client.geometry import Rect


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What a kind of file can keep, and how libvips writes it: without loss, where there is a way."""

    name: str
    saver: str
    dtypes: tuple[str, ...]
    alpha: bool
    max_side: int
    settings: dict[str, Any]


_PNG: Final = _Kind(
    name="PNG",
    saver="pngsave_buffer",
    dtypes=("uint8", "uint16"),
    alpha=True,
    max_side=2**31 - 1,
    settings={"compression": 6},
)
_JPEG: Final = _Kind(
    name="JPEG",
    saver="jpegsave_buffer",
    dtypes=("uint8",),
    alpha=False,
    max_side=65535,
    # 4:4:4: no colour is averaged over neighbours.
    settings={"Q": 97, "subsample_mode": "off", "optimize_coding": True},
)
_WEBP: Final = _Kind(
    name="WebP",
    saver="webpsave_buffer",
    dtypes=("uint8",),
    alpha=True,
    max_side=16383,
    # Lossless, the colours of transparent pixels included.
    settings={"lossless": True, "exact": True},
)
_TIFF: Final = _Kind(
    name="TIFF",
    saver="tiffsave_buffer",
    dtypes=("uint8", "uint16", "float32"),
    alpha=True,
    max_side=2**31 - 1,
    settings={"compression": "deflate"},
)
_KINDS: Final = {
    ".png": _PNG,
    ".apng": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".jpe": _JPEG,
    ".jif": _JPEG,
    ".jfif": _JPEG,
    ".webp": _WEBP,
    ".tif": _TIFF,
    ".tiff": _TIFF,
}

#: The endings of names that can be written to.
ENDINGS: Final = frozenset(_KINDS)

_VIPS_FORMATS: Final = {"uint8": "uchar", "uint16": "ushort", "float32": "float"}
_GRAY: Final = {"uint8": "b-w", "uint16": "grey16", "float32": "b-w"}
_RGB: Final = {"uint8": "srgb", "uint16": "rgb16", "float32": "scrgb"}


def check_output(
    path: Path,
    pixels: NDArray[Any],
    *,
    changed: Sequence[Rect],
    extra_channels: int = 0,
    ending: str = "",
) -> None:
    """Find out before the work whether a picture of this form can be written there.

    Args:
        path: where it is to be written.
        pixels: (H, W, C), as they are before the fill.
        changed: where they may become opaque.
        extra_channels: the number of channels that the file has beside them.
        ending: what kind to write where the path is a pipe or standard output.

    Raises:
        PictureError: the kind of file cannot hold these pixels, or the folder takes no files.
    """
    kind = _suitable(path, pixels, ending)
    if extra_channels and kind is not _TIFF:
        raise _no_extra_channels(kind, extra_channels)
    if pixels.shape[2] in (2, 4) and not kind.alpha:
        opaque = _opaque(pixels)
        for rect in changed:
            opaque[rect.y : rect.bottom, rect.x : rect.right] = True
        if not opaque.all():
            raise _no_transparency(kind)
    if path.is_dir():
        raise PictureError(f"{path} is a folder: give a file's name with -o")
    if is_stream(path):
        return
    with _cannot_write(path):
        tempfile.TemporaryFile(dir=path.parent).close()


def write_picture(picture: Picture, path: Path, *, ending: str = "") -> str:
    """Write a picture, as the kind of file that the path's ending says: PNG, JPEG, WebP or TIFF.

    PNG, WebP and TIFF keep every value. A JPEG from a JPEG is compressed as that one is, which leaves nearly
    all blocks without any fill as they are; any other with quality 97 and without averaging colours. The
    file is made under another name beside the target and renamed when all of it is on the disk, so there is
    never half of one. A file that is there is replaced. A pipe, and standard output, are just written to.

    Args:
        picture: what to write.
        path: where.
        ending: what kind to write where the path is a pipe or standard output.

    Returns:
        A line about pixels that are not as they were, or nothing.

    Raises:
        PictureError: the kind of file cannot hold the picture, or it cannot be written.
        BrokenPipeError: nobody reads the pipe.
    """
    data, note = encode_picture(picture, path, ending)
    if write_to_stream(path, data):
        return note
    target = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
    with _cannot_write(path):
        write_atomically(target, data, fsync=True)
    return note


def _suitable(path: Path, pixels: NDArray[Any], ending: str) -> _Kind:
    kind = _KINDS.get(path.suffix.lower())
    if kind is None and is_stream(path):
        kind = _KINDS.get(ending)
    if kind is None:
        raise PictureError(
            f"{path} does not say what kind of picture to write: end its name in .png, .jpg, .webp or .tif"
        )
    if pixels.dtype.name not in kind.dtypes:
        depth = "16-bit" if pixels.dtype == np.uint16 else "float"
        others = [other.name for other in (_PNG, _TIFF) if pixels.dtype.name in other.dtypes]
        raise PictureError(
            f"{kind.name} cannot hold a {depth} picture: write {' or '.join(others)} instead, by -o's ending"
        )
    if max(pixels.shape[:2]) > kind.max_side:
        raise PictureError(
            f"{kind.name} holds at most {kind.max_side} pixels a side, the picture has "
            f"{pixels.shape[1]} x {pixels.shape[0]}: write PNG or TIFF instead, by -o's ending"
        )
    return kind


def encode_picture(picture: Picture, path: Path, ending: str = "") -> tuple[bytes, str]:
    """The file that `write_picture` would write, and the line that it returns.

    Raises:
        PictureError: the kind of file cannot hold the picture.
    """
    pixels = picture.pixels
    kind = _suitable(path, pixels, ending)
    if picture.has_alpha and not kind.alpha:
        if not _opaque(pixels).all():
            raise _no_transparency(kind)
        pixels = pixels[:, :, :-1]
    if picture.extra_channels and kind is not _TIFF:
        raise _no_extra_channels(kind, picture.extra_channels)
    is_gray = pixels.shape[2] < 3
    settings = dict(kind.settings)
    tags = picture.metadata.tags
    if kind is _TIFF:
        if picture.samples is not None:
            pixels = join(pixels, picture.samples)
            extra = picture.samples.extra
            tags += (Entry(tag=EXTRA_SAMPLES, kind=SHORT, value=struct.pack(f"<{len(extra)}H", *extra)),)
        settings["predictor"] = "float" if pixels.dtype.kind == "f" else "horizontal"
        settings["bigtiff"] = tiff_writing.needs_big(tags, pixels.nbytes)
    own_parts = kind.name == picture.metadata.kind
    if own_parts:
        settings["keep"] = "none"
    if kind is _JPEG and own_parts:
        from lama_cli.pictures.jpeg_pixels import encode_like  # with Pillow, which nothing else here needs

        # Not upright: turned blocks are other blocks.
        pixels = as_stored(pixels, picture.orientation)
        encoded = encode_like(picture.metadata.source, pixels)
        if encoded is not None:
            return jpeg.insert_segments(encoded.data, picture.metadata.parts), _lossy(path, encoded.changed)
    note = _lossy(path) if kind is _JPEG else ""
    try:
        data: bytes = getattr(vips_image(pixels, picture, is_gray=is_gray), kind.saver)(**settings)
    except pyvips.Error as error:
        reason = " ".join(str(error).split())
        raise PictureError(f"{path} cannot be encoded ({reason}): write another kind of file") from error
    if own_parts and kind is _TIFF:
        data = tiff_writing.insert_tags(data, tags)
    elif own_parts:
        insert = png.insert_chunks if kind is _PNG else jpeg.insert_segments
        data = insert(data, picture.metadata.parts)
    return data, note


def _lossy(path: Path, changed: float = 1.0) -> str:
    """The line about a JPEG of whose blocks without any fill this share of pixels is not as it was."""
    if changed == 0:
        return ""
    if changed == 1:
        share = "its pixels are"
    elif changed < 0.001:
        share = "less than 0.1 % of the pixels far from the fill are"
    else:
        share = f"{100 * changed:.1f} % of the pixels far from the fill are"
    return (
        f"{path}: a JPEG is compressed anew, {share} not bit for bit as before; PNG and TIFF keep every bit"
    )


def _opaque(pixels: NDArray[Any]) -> NDArray[np.bool_]:
    opaque: NDArray[np.bool_] = pixels[:, :, -1] == np.iinfo(pixels.dtype).max
    return opaque


def _no_extra_channels(kind: _Kind, count: int) -> PictureError:
    channels = "a channel that is" if count == 1 else f"{count} channels that are"
    return PictureError(
        f"{kind.name} has no place for {channels} neither colour nor transparency: "
        "write TIFF instead, by -o's ending"
    )


def _no_transparency(kind: _Kind) -> PictureError:
    return PictureError(
        f"{kind.name} has no transparency, and the picture has transparent pixels: "
        "write PNG instead, by -o's ending"
    )


def vips_image(pixels: NDArray[Any], picture: Picture, *, is_gray: bool) -> pyvips.Image:
    """Pixels as libvips's image, with the metadata of a picture."""
    height, width, channels = pixels.shape
    dtype = pixels.dtype.name
    image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(pixels).data, width, height, channels, _VIPS_FORMATS[dtype]
    )
    image = image.copy(
        interpretation=(_GRAY if is_gray else _RGB)[dtype],
        xres=picture.metadata.x_resolution,
        yres=picture.metadata.y_resolution,
    )
    for gtype, name, value in picture.metadata.fields:
        image.set_type(gtype, name, value)
    return image


@contextlib.contextmanager
def _cannot_write(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise PictureError(
            f"{path} cannot be written ({reason}): choose another place with -o, or make room there"
        ) from error
