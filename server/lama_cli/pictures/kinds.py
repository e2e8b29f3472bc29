"""What kind of picture a file is: by its first bytes, whatever its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from lama_cli.pictures.picture import PictureError

#: How each kind of file begins, and libvips's reader for it. Nothing else is opened.
_READ: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "pngload"),
    (re.compile(rb"\xff\xd8\xff"), "jpegload"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webpload"),
    (re.compile(rb".{4}ftyp(avif|mif1.{4,60}avif)", re.DOTALL), "heifload"),
)
_ENDINGS: Final = {"jpegload": ".jpg", "webpload": ".webp", "tiffload": ".tif"}
_TIFF: Final = re.compile(rb"II[*+]\x00|MM\x00[*+]")

#: What people have that is not read, and what to do about it.
_NOT_READ: Final = (
    (re.compile(rb".{8}CR\x02", re.DOTALL), "a raw file of a camera: develop it first"),
    (re.compile(rb"FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\x00"), "a raw file of a camera: develop it first"),
    (re.compile(rb".{4}ftypcrx ", re.DOTALL), "a raw file of a camera: develop it first"),
    (re.compile(rb".{4}ftypavis", re.DOTALL), "an AVIF animation: convert one of its pictures to PNG"),
    (re.compile(rb".{4}ftyp", re.DOTALL), "a HEIC picture or a film: convert it to PNG, JPEG or TIFF"),
    (re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "), "a JPEG XL picture: convert it to PNG or TIFF"),
    (re.compile(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51"), "a JPEG 2000 picture: convert it to PNG or TIFF"),
    (re.compile(rb"8BPS"), "a Photoshop file: export it as PNG or TIFF"),
    (re.compile(rb"gimp xcf"), "a GIMP file: fill in GIMP, or export it as PNG or TIFF"),
    (re.compile(rb"PK\x03\x04.{26}mimetypeapplication/x-krita", re.DOTALL), "a Krita file: fill in Krita"),
    (re.compile(rb"%PDF"), "a PDF: export its picture as PNG or TIFF"),
    (re.compile(rb"GIF8"), "a GIF picture: convert it to PNG"),
    (re.compile(rb"BM.{4}\x00{4}", re.DOTALL), "a BMP picture: convert it to PNG"),
    (re.compile(rb"\x76\x2f\x31\x01"), "an OpenEXR picture: convert it to a TIFF of floats"),
    (
        re.compile(rb"\s*(<\?xml.*)?<svg|\s*<\?xml[^>]*>.{0,200}<svg", re.DOTALL),
        "a drawing: export it as PNG",
    ),
)
#: Bytes of a file that tell its kind.
BEGINNING: Final = 512


def find_loader(path: Path) -> str:
    """The name of libvips's reader for a file.

    Raises:
        PictureError: the file cannot be read, or is of no kind that is; the message says what to do.
    """
    try:
        with path.open("rb") as file:
            beginning = file.read(BEGINNING)
    except OSError as error:
        raise PictureError(_cannot_open(path, error)) from error
    for pattern, loader in _READ:
        if pattern.match(beginning):
            return loader
    for pattern, remedy in _NOT_READ:
        if pattern.match(beginning):
            raise PictureError(f"{path} is not a PNG, JPEG, WebP, AVIF or TIFF picture but {remedy}")
    if _TIFF.match(beginning):
        return "tiffload"
    if not beginning:
        raise PictureError(f"{path} is empty: give a picture")
    raise PictureError(f"{path} is not a PNG, JPEG, WebP, AVIF or TIFF picture: convert it to one of them")


def _cannot_open(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {path}"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder: give a picture in it"
    return f"{path} cannot be read: {error.strerror or error}"


def ending_of(path: Path) -> str:
    """The ending of a name for the kind of picture that a file is; of a kind that is only read, PNG's.

    Raises:
        PictureError: as `find_loader` does.
    """
    return _ENDINGS.get(find_loader(path), ".png")
