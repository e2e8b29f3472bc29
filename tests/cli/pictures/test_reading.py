"""Picture files in and out: pixels, metadata, and what is refused."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageCms, ImageOps

from lama_cli.pictures import (
    Picture,
    PictureError,
    check_output,
    read_mask,
    read_picture,
    write_picture,
)
from lama_cli.pictures.picture import Metadata
from lama_core.client.geometry import Rect


def values(dtype: str, channels: int) -> np.ndarray:
    random = np.random.default_rng(0)
    if dtype == "float32":
        return (random.standard_normal((13, 17, channels)) * 3).astype(np.float32)
    return random.integers(0, np.iinfo(dtype).max, (13, 17, channels), dtype, endpoint=True)


def picture(pixels: np.ndarray) -> Picture:
    return Picture(pixels=pixels, metadata=Metadata())


LOSSLESS = [
    (ending, dtype, channels)
    for ending, dtypes in ((".png", ("uint8", "uint16")), (".tif", ("uint8", "uint16", "float32")))
    for dtype in dtypes
    for channels in (1, 2, 3, 4)
] + [(".webp", "uint8", 3), (".webp", "uint8", 4), (".TIFF", "uint8", 3)]


@pytest.mark.parametrize(("ending", "dtype", "channels"), LOSSLESS)
def test_every_value_comes_back(tmp_path: Path, ending: str, dtype: str, channels: int) -> None:
    pixels = values(dtype, channels)
    write_picture(picture(pixels), tmp_path / f"a{ending}")
    back = read_picture(tmp_path / f"a{ending}")
    assert back.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.pixels.flags.writeable
    assert back.note == ""


def test_floats_that_are_not_numbers_come_back_too(tmp_path: Path) -> None:
    pixels = values("float32", 3)
    pixels[3, 4] = (np.nan, np.inf, -np.inf)
    write_picture(picture(pixels), tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif").pixels.tobytes() == pixels.tobytes()


def test_a_jpeg_is_close_and_keeps_its_colours_apart(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = (255, 0, 0)
    pixels[:, 1::2] = (0, 0, 255)
    write_picture(picture(pixels), tmp_path / "a.jpg")
    back = read_picture(tmp_path / "a.jpg").pixels
    assert np.abs(back.astype(int) - pixels).mean() < 6
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)


def test_palettes_and_bits_are_expanded(tmp_path: Path) -> None:
    rgb = Image.fromarray(values("uint8", 3))
    rgb.convert("P").save(tmp_path / "palette.png")
    rgb.convert("1").save(tmp_path / "bits.png")
    rgb.convert("1").save(tmp_path / "bits.tif")
    assert read_picture(tmp_path / "palette.png").pixels.shape == (13, 17, 3)
    for name in ("bits.png", "bits.tif"):
        bits = read_picture(tmp_path / name).pixels
        assert set(np.unique(bits)) == {0, 255}
        np.testing.assert_array_equal(bits[:, :, 0], np.asarray(rgb.convert("1")) * 255)


def test_alpha_is_straight_whatever_the_file_holds(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(
        np.full((4, 4, 4), (200, 100, 50, 128), np.uint8), interpretation="srgb"
    )
    image.tiffsave(str(tmp_path / "a.tif"), premultiply=True)
    pixels = read_picture(tmp_path / "a.tif").pixels
    np.testing.assert_allclose(pixels[0, 0], (200, 100, 50, 128), atol=1)


# Orientation, profile, resolution


def upright() -> np.ndarray:
    pixels = np.zeros((48, 32, 3), np.uint8)  # in whole blocks of JPEG, so that its colours are nearly exact
    pixels[:16, :16] = (255, 0, 0)
    pixels[32:, 16:] = (0, 0, 255)
    return pixels


# What each value of the EXIF orientation asks a viewer to do, undone.
STORED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif"])
def test_a_picture_is_upright_and_stays_so(tmp_path: Path, orientation: int, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Some maker"
    source, target = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    lossless = (
        {"lossless": True}
        if ending == ".webp"
        else {"quality": 98, "subsampling": 0}
        if ending == ".jpg"
        else {}
    )
    stored = np.ascontiguousarray(STORED[orientation](upright()))
    Image.fromarray(stored).save(source, exif=exif, **lossless)
    read = read_picture(source)
    np.testing.assert_allclose(read.pixels, upright(), atol=3)
    write_picture(read, target)
    with Image.open(target) as image:
        # A JPEG stays as it is stored, with its orientation: turned blocks would be other blocks.
        assert image.getexif().get(0x0112, 1) == (orientation if ending == ".jpg" else 1)
        if ending != ".tif":
            assert image.getexif().get(0x010F) == "Some maker"
        shown = ImageOps.exif_transpose(image) if ending == ".jpg" else image
        np.testing.assert_allclose(np.asarray(shown.convert("RGB")), upright(), atol=3)


def test_the_orientation_in_xmp_is_upright_too(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6" dc:title="5"/></x:xmpmeta>'
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(upright()).save(tmp_path / "a.jpg", exif=exif, xmp=xmp)
    for name, number in (("b.jpg", b"6"), ("b.webp", b"1")):
        write_picture(read_picture(tmp_path / "a.jpg"), tmp_path / name)
        with Image.open(tmp_path / name) as image:
            assert b'tiff:Orientation="' + number + b'" dc:title="5"' in image.info["xmp"]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".tif"])
def test_profile_and_resolution_are_kept(tmp_path: Path, ending: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(values("uint8", 3)).save(tmp_path / f"a{ending}", icc_profile=profile, dpi=(300, 300))
    write_picture(read_picture(tmp_path / f"a{ending}"), tmp_path / f"b{ending}")
    with Image.open(tmp_path / f"b{ending}") as image:
        assert image.info["icc_profile"] == profile
        if ending != ".webp":  # which has no resolution
            np.testing.assert_allclose([float(value) for value in image.info["dpi"]], (300, 300), rtol=1e-3)


def test_a_picture_without_a_profile_gets_none(tmp_path: Path) -> None:
    Image.fromarray(values("uint8", 3)).save(tmp_path / "a.png")
    write_picture(read_picture(tmp_path / "a.png"), tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert "icc_profile" not in image.info


def test_no_thumbnail_goes_on_showing_what_was_removed(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(values("uint8", 3), interpretation="srgb").copy()
    thumbnail = image.jpegsave_buffer(keep="none")
    image.set_type(pyvips.GValue.blob_type, "jpeg-thumbnail-data", thumbnail)
    image.jpegsave(str(tmp_path / "a.jpg"))
    assert (tmp_path / "a.jpg").read_bytes().count(b"\xff\xd8\xff") == 2
    write_picture(read_picture(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes().count(b"\xff\xd8\xff") == 1
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif().get_ifd(1) == {}


# What is refused, and what is noted


def test_of_several_pages_the_first_is_taken_and_that_is_said(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((8, 9, 3), level, np.uint8)) for level in (10, 200)]
    for name in ("a.tif", "a.webp"):
        lossless = {"lossless": True} if name.endswith("webp") else {}
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], **lossless)
        read = read_picture(tmp_path / name)
        assert read.pixels.shape == (8, 9, 3)
        assert (read.pixels == 10).all()
        assert "2 pages" in read.note


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_half_a_file_is_damaged(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match="damaged") as caught:
        read_picture(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"no picture at all", "not a PNG, JPEG, WebP, AVIF or TIFF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a PNG, JPEG, WebP, AVIF or TIFF"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
        (b"II*\x00\x08\x00\x00\x00", "damaged"),
        (b"RIFF\x04\x00\x00\x00WEBP", "damaged"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match=message) as caught:
        read_picture(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"no file .*nowhere\.png"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk_is_refused(tmp_path: Path, name: str) -> None:
    Image.fromarray(values("uint8", 3)).convert("CMYK").save(tmp_path / name)
    with pytest.raises(PictureError, match="cmyk: convert it to gray or RGB"):
        read_picture(tmp_path / name)


def test_signed_numbers_are_refused(tmp_path: Path) -> None:
    pyvips.Image.new_from_array(np.zeros((4, 4), np.int16)).tiffsave(str(tmp_path / "a.tif"))
    with pytest.raises(PictureError, match="type short"):
        read_picture(tmp_path / "a.tif")


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bomb(100_000, 90_000))
    for read in (read_picture, read_mask):
        with pytest.raises(PictureError, match=r"100000 x 90000 pixels, .* --max-pixels"):
            read(tmp_path / "a.png")


def test_the_limit_can_be_set(tmp_path: Path) -> None:
    write_picture(picture(values("uint8", 3)), tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", max_pixels=13 * 17).pixels.shape == (13, 17, 3)
    with pytest.raises(PictureError, match="limit of 220"):
        read_picture(tmp_path / "a.png", max_pixels=13 * 17 - 1)


# Masks


def test_the_white_of_any_kind_of_picture_is_the_hole(tmp_path: Path) -> None:
    gray = np.array([[0, 64, 255]], np.uint8)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(np.repeat(gray[:, :, None], 3, axis=2)).save(tmp_path / "rgb.png")
    write_picture(picture((gray * 257.0).astype(np.uint16)[:, :, None]), tmp_path / "deep.png")
    write_picture(picture((gray / 255).astype(np.float32)[:, :, None]), tmp_path / "float.tif")
    np.testing.assert_array_equal(read_mask(tmp_path / "gray.png"), gray)
    np.testing.assert_array_equal(read_mask(tmp_path / "rgb.png"), gray)
    np.testing.assert_array_equal(read_mask(tmp_path / "deep.png"), gray * np.uint16(257))
    np.testing.assert_array_equal(read_mask(tmp_path / "float.tif"), gray / np.float32(255))


def test_what_is_transparent_in_a_mask_is_no_hole(tmp_path: Path) -> None:
    pixels = np.array([[[255, 255, 255, 0], [255, 255, 255, 255], [0, 0, 0, 255]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[0, 255, 0]])


@pytest.mark.parametrize(("name", "quality"), [("a.jpg", 60), ("a.webp", 50)])
def test_the_noise_of_a_lossy_mask_is_no_hole(tmp_path: Path, name: str, quality: int) -> None:
    mask = np.zeros((96, 96), np.uint8)
    y, x = np.indices(mask.shape)
    inside = np.hypot(y - 48, x - 48)
    mask[inside < 20] = 255
    Image.fromarray(mask).save(tmp_path / name, quality=quality)
    hole = read_mask(tmp_path / name)
    assert (hole[inside > 34] == 0).all()
    assert (hole[inside < 12] == 1).all()


# Writing


@pytest.mark.parametrize(
    ("name", "dtype", "channels", "message"),
    [
        ("a.jpg", "uint16", 3, "JPEG cannot hold a 16-bit picture: write PNG or TIFF"),
        ("a.webp", "float32", 3, "WebP cannot hold a float picture: write TIFF"),
        ("a.png", "float32", 3, "PNG cannot hold a float picture: write TIFF"),
        ("a.gif", "uint8", 3, "does not say what kind"),
        ("a", "uint8", 3, "does not say what kind"),
        ("a.jpg", "uint8", 4, "JPEG has no transparency"),
        ("nowhere/a.png", "uint8", 3, "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_known_before_the_work(
    tmp_path: Path, name: str, dtype: str, channels: int, message: str
) -> None:
    pixels = values(dtype, channels)
    with pytest.raises(PictureError, match=message):
        check_output(tmp_path / name, pixels, changed=[])
    with pytest.raises(PictureError, match=message):
        write_picture(picture(pixels), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_place_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(PictureError, match="is a folder"):
        check_output(tmp_path / "a.png", values("uint8", 3), changed=[])
    with pytest.raises(PictureError, match="cannot be written"):
        write_picture(picture(values("uint8", 3)), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_too_many_pixels_a_side_for_webp(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="WebP holds at most 16383 pixels a side"):
        check_output(tmp_path / "a.webp", np.zeros((1, 16384, 3), np.uint8), changed=[])


def test_a_picture_that_becomes_opaque_may_be_a_jpeg(tmp_path: Path) -> None:
    pixels = np.full((20, 20, 4), 255, np.uint8)
    pixels[5:9, 5:9, 3] = 0
    check_output(tmp_path / "a.jpg", pixels, changed=[Rect(4, 4, 8, 8)])
    with pytest.raises(PictureError, match="JPEG has no transparency"):
        check_output(tmp_path / "a.jpg", pixels, changed=[Rect(6, 4, 8, 8)])
    pixels[:, :, 3] = 255
    write_picture(picture(pixels), tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").pixels.shape == (20, 20, 3)


def test_looking_whether_a_place_can_be_written_leaves_nothing_there(tmp_path: Path) -> None:
    check_output(tmp_path / "a.png", values("uint8", 3), changed=[])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    real, link = tmp_path / "real.png", tmp_path / "link.png"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_picture(picture(values("uint8", 3)), link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(read_picture(real).pixels, values("uint8", 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.png", "real.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_a_full_disk_leaves_nothing_and_the_old_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"old")
    program = f"""
import resource, sys, numpy as np
from pathlib import Path
from lama_core.client.errors import LamaFillError
from lama_cli.pictures import Picture, write_picture
from lama_cli.pictures.picture import Metadata
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
try:
    write_picture(Picture(pixels=pixels, metadata=Metadata()), Path({name!r}))
except LamaFillError as error:
    sys.exit(str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 1
    assert f"{name} cannot be written (File too large)" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"
