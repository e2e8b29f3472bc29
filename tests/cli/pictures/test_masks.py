"""Masks as people have them: what stands out from the background is the hole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lama_cli.pictures import Picture, PictureError, read_mask
from lama_cli.pictures.picture import Metadata

HOLE = np.zeros((40, 60), bool)
HOLE[10:20, 15:40] = True


def saved(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    Image.fromarray(pixels, mode).save(path)
    return path


def is_hole(mask: np.ndarray, hole: np.ndarray = HOLE) -> bool:
    white = np.iinfo(mask.dtype).max if mask.dtype.kind == "u" else 1
    return bool(np.array_equal(mask, np.where(hole, white, 0)))


@pytest.mark.parametrize("paint", [(255, 0, 0), (0, 0, 255), (128, 0, 0), (1, 2, 3), (255, 255, 255)])
def test_paint_of_any_colour_on_black_is_hole(tmp_path: Path, paint: tuple[int, int, int]) -> None:
    assert is_hole(read_mask(saved(tmp_path / "m.png", np.where(HOLE[..., None], paint, 0).astype(np.uint8))))


@pytest.mark.parametrize("paint", [(255, 0, 0, 255), (255, 204, 0, 187), (0, 0, 0, 255), (9, 9, 9, 60)])
def test_paint_on_nothing_is_hole_however_transparent(
    tmp_path: Path, paint: tuple[int, int, int, int]
) -> None:
    assert is_hole(read_mask(saved(tmp_path / "m.png", np.where(HOLE[..., None], paint, 0).astype(np.uint8))))


def test_a_palette_is_seen_by_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(HOLE.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    image.save(tmp_path / "m.png")
    assert is_hole(read_mask(tmp_path / "m.png"))


@pytest.mark.parametrize(("dtype", "level"), [(np.uint8, 1), (np.uint16, 255), (np.uint16, 4095)])
def test_white_may_be_any_level(tmp_path: Path, dtype: type, level: int) -> None:
    assert is_hole(read_mask(saved(tmp_path / "m.png", HOLE.astype(dtype) * dtype(level))))


def test_all_labels_are_hole(tmp_path: Path) -> None:
    labels = HOLE.astype(np.uint8)
    labels[25:38, 5:20] = 2
    labels[25:38, 30:50] = 9
    assert is_hole(read_mask(saved(tmp_path / "m.png", labels)), labels > 0)


def test_nearly_black_is_black(tmp_path: Path) -> None:
    assert is_hole(read_mask(saved(tmp_path / "m.png", np.where(HOLE, 231, 1).astype(np.uint8))))


def test_soft_edges_stay_soft(tmp_path: Path) -> None:
    ramp = np.zeros((40, 60), np.uint8)
    ramp[:] = np.linspace(0, 255, 60).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "m.png", ramp)), ramp)


def test_soft_paint_that_is_nowhere_white_is_made_white(tmp_path: Path) -> None:
    ramp = np.zeros((40, 60), np.uint8)
    ramp[:] = np.linspace(0, 100, 60).astype(np.uint8)
    mask = read_mask(saved(tmp_path / "m.png", ramp))
    assert mask.max() == 1
    np.testing.assert_allclose(mask, ramp / 100, atol=1e-6)


def test_a_background_that_is_not_black_cannot_be_told(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="its darkest level is 90 of 255: make black what should stay"):
        read_mask(saved(tmp_path / "m.png", np.where(HOLE, 200, 90).astype(np.uint8)))


def test_less_than_a_pixel_is_an_error(tmp_path: Path) -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[4, 3:6] = (5, 240, 7)
    with pytest.raises(PictureError, match="marks less than a pixel, so nothing would change"):
        read_mask(saved(tmp_path / "m.png", mask))


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_pixels_is_turned_as_they_were(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = HOLE.astype(np.uint8) * 255
    Image.fromarray(stored).save(tmp_path / "turned.png", exif=exif)
    upright = read_mask(tmp_path / "turned.png")
    assert upright.shape == (60, 40)
    picture = Picture(pixels=np.zeros((60, 40, 3), np.uint8), metadata=Metadata(), orientation=orientation)
    mask = read_mask(saved(tmp_path / "plain.png", stored), picture=picture)
    np.testing.assert_array_equal(mask, upright)
    again = read_mask(saved(tmp_path / "upright.png", upright), picture=picture)
    np.testing.assert_array_equal(again, upright)


@given(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.integers(1, 255)))
def test_any_paint_on_nothing_is_hole(
    tmp_path_factory: pytest.TempPathFactory, paint: tuple[int, int, int, int]
) -> None:
    path = tmp_path_factory.mktemp("mask") / "m.png"
    assert is_hole(read_mask(saved(path, np.where(HOLE[..., None], paint, 0).astype(np.uint8))))
