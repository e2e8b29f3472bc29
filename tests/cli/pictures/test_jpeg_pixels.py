"""A JPEG that is written again as it was compressed: what is far from the fill stays."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_cli.pictures import read_picture, write_picture
from lama_cli.pictures.jpeg_pixels import encode_like
from lama_cli.pictures.orientation import turned


def photo(height: int = 205, width: int = 331) -> np.ndarray:
    """Smooth colours, edges and grain: nothing beyond black and white."""
    rng = np.random.default_rng(0)
    y, x = np.indices((height, width))
    waves = [128 + 60 * np.sin(x / 9 + phase) * np.cos(y / 13 - phase) for phase in (0, 1, 2)]
    pixels = np.stack(waves, 2) + rng.normal(0, 4, (height, width, 3))
    pixels[40:90, 60:140] = (90, 140, 70)
    return pixels.clip(20, 235).astype(np.uint8)


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    output = io.BytesIO()
    Image.fromarray(pixels.squeeze()).save(output, "JPEG", **options)
    return output.getvalue()


def decoded(data: bytes | Path) -> np.ndarray:
    image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data)
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def filled(pixels: np.ndarray) -> np.ndarray:
    after = pixels.copy()
    after[100:130, 200:260] = np.random.default_rng(1).integers(90, 110, (30, 60, pixels.shape[2]))
    return after


@pytest.mark.parametrize("quality", [50, 75, 90])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_far_from_the_fill_nearly_nothing_changes(quality: int, subsampling: int, progressive: bool) -> None:
    source = jpeg(photo(), quality=quality, subsampling=subsampling, progressive=progressive)
    before = decoded(source)
    after = filled(before)
    encoded = encode_like(source, after)
    assert encoded is not None
    got = decoded(encoded.data)
    far = np.ones(before.shape[:2], np.bool_)
    far[80:150, 180:280] = False
    changed = (got != before).any(axis=2)[far]
    # Only in the blocks at the right and bottom edge, of which a part is not in the picture.
    assert changed.mean() < 0.05
    assert abs(encoded.changed - changed.mean()) < 0.01
    assert ((got != before).any(axis=2) & far)[:192, :320].mean() < 0.002
    # Compressed the usual way, a third and more of it changes.
    plain = decoded(jpeg(after, quality=97, subsampling=0))
    assert (plain != before).any(axis=2)[far].mean() > 5 * changed.mean()
    # The fill is there, as well as these tables can.
    assert np.abs(got[104:124, 208:248].astype(int) - after[104:124, 208:248]).mean() < 12
    with Image.open(io.BytesIO(source)) as one, Image.open(io.BytesIO(encoded.data)) as other:
        assert one.quantization == other.quantization
        assert [layer[1:3] for layer in one.layer] == [layer[1:3] for layer in other.layer]
        assert one.info.get("progressive") == other.info.get("progressive")
    assert len(encoded.data) < 1.3 * len(source)


def test_gray_pictures() -> None:
    source = jpeg(photo()[:, :, 0], quality=80)
    before = decoded(source)
    encoded = encode_like(source, filled(before))
    assert encoded is not None
    got = decoded(encoded.data)
    assert got.shape == before.shape
    assert (got != before)[:90].mean() < 0.01


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_picture_that_exif_turns_keeps_its_blocks(
    tmp_path: Path, orientation: int, subsampling: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photo(208, 336)
    (tmp_path / "a.jpg").write_bytes(jpeg(stored, quality=80, subsampling=subsampling, exif=exif))
    picture = read_picture(tmp_path / "a.jpg")
    before = picture.pixels.copy()
    np.testing.assert_array_equal(before, turned(decoded(tmp_path / "a.jpg"), orientation))
    picture.pixels[100:120, 90:150] = 100
    note = write_picture(picture, tmp_path / "b.jpg")
    got = turned(decoded(tmp_path / "b.jpg"), orientation)
    far = np.ones(before.shape[:2], np.bool_)
    far[80:140, 70:170] = False
    assert (got != before).any(axis=2)[far].mean() < 0.002
    assert np.abs(got[104:116, 98:142].astype(int) - 100).mean() < 12
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.getexif()[0x0112] == orientation
    assert "% of the pixels far from the fill" in note or note == ""


@pytest.mark.parametrize(
    "options",
    [{"subsampling": "4:1:1"}, {"keep_rgb": True}],
)
def test_rarely_stored_pictures_are_still_written(tmp_path: Path, options: dict[str, object]) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo(), quality=80, **options))
    picture = read_picture(tmp_path / "a.jpg")
    picture.pixels[100:120, 90:150] = 100
    note = write_picture(picture, tmp_path / "b.jpg")
    assert decoded(tmp_path / "b.jpg").shape == (205, 331, 3)
    assert note.endswith("PNG and TIFF keep every bit")


def test_sizes_that_are_no_whole_blocks() -> None:
    for height, width in ((1, 1), (2, 3), (8, 8), (17, 15), (16, 33), (1, 40), (40, 1)):
        for subsampling in (0, 1, 2):
            source = jpeg(photo(height, width), quality=85, subsampling=subsampling)
            before = decoded(source)
            encoded = encode_like(source, before)
            assert encoded is not None
            assert np.abs(decoded(encoded.data).astype(int) - before).max() <= 8, (height, width, subsampling)


def test_another_kind_of_file_from_a_jpeg_and_a_jpeg_from_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(photo(), quality=80))
    picture = read_picture(tmp_path / "a.jpg")
    assert write_picture(picture, tmp_path / "b.png") == ""
    np.testing.assert_array_equal(decoded(tmp_path / "b.png"), picture.pixels)
    again = read_picture(tmp_path / "b.png")
    assert "its pixels are not bit for bit as before" in write_picture(again, tmp_path / "c.jpg")
