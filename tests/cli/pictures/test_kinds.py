"""Files that are no pictures of a kind that is read: each says what it is and what to do."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from lama_cli.pictures import PictureError, read_picture, write_picture


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0\0\0\x1cftypheic", "a HEIC picture or a film: convert it"),
        (b"\0\0\0\x18ftypcrx ", "a raw file of a camera: develop it"),
        (b"FUJIFILMCCD-RAW 0201", "a raw file of a camera: develop it"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture: convert it"),
        (b"\xff\x0a\0", "a JPEG XL picture: convert it"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture: convert it"),
        (b"8BPS\0\1", "a Photoshop file: export it"),
        (b"gimp xcf v011", "a GIMP file"),
        (b"PK\3\4" + bytes(26) + b"mimetypeapplication/x-krita", "a Krita file"),
        (b"%PDF-1.7", "a PDF"),
        (b"GIF89a", "a GIF picture: convert it to PNG"),
        (b"BM\x36\x10\0\0\0\0\0\0", "a BMP picture: convert it to PNG"),
        (b"\x76\x2f\x31\x01\2\0\0\0", "an OpenEXR picture"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "a drawing: export it"),
    ],
)
def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureError) as error:
        read_picture(path)
    assert words in str(error.value)
    assert "damaged" not in str(error.value)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tags", [[(254, 1), (330, 1000)], [(50706, 0x01040000)]])
def test_a_raw_file_laid_out_as_tiff_is_no_picture(
    tmp_path: Path, order: str, tags: list[tuple[int, int]]
) -> None:
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    path = tmp_path / "a.tif"
    path.write_bytes(head + struct.pack(f"{order}H", len(tags)) + entries + bytes(4))
    with pytest.raises(PictureError, match="a raw file of a camera: develop it first"):
        read_picture(path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_an_avif_picture_is_read_and_written_as_another_kind(tmp_path: Path, mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 4), np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[0x010E] = "a title"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "a.avif", quality=100, subsampling="4:4:4", exif=exif, icc_profile=profile)
    picture = read_picture(tmp_path / "a.avif")
    decoded = np.asarray(Image.open(tmp_path / "a.avif").convert(mode if mode != "L" else "RGB"))
    close = np.abs(picture.pixels[:, :, : decoded.shape[2]].astype(int) - decoded)
    assert close.max() <= 3  # two decoders round in their own ways
    write_picture(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as written:
        assert written.info["icc_profile"] == profile
        assert written.getexif()[0x010E] == "a title"
    with pytest.raises(PictureError, match="does not say what kind of picture to write"):
        write_picture(picture, tmp_path / "b.avif")


def test_an_avif_picture_is_turned_upright(tmp_path: Path) -> None:
    pixels = np.zeros((40, 56, 3), np.uint8)
    pixels[:, :20] = 200
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.avif", quality=100, subsampling="4:4:4", exif=exif)
    picture = read_picture(tmp_path / "a.avif")
    assert picture.pixels.shape == (56, 40, 3)
    assert picture.pixels[5].min() > 150
    assert picture.pixels[50].max() < 50


def test_a_damaged_avif_picture_is_one_line(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.avif")
    data = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "a.avif").write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError, match="damaged"):
        read_picture(tmp_path / "a.avif")
