from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_core.research.evaluation.dataset import EvaluationError, EvaluationSet


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photo(value: int = 90, side: int = 32) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


def test_masks_are_taken_from_their_folders_thin_first(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a.png", photo())
    mask = np.zeros((32, 32), np.uint8)
    mask[4:8] = 255
    for kind in ("object", "thick", "thin"):
        save(tmp_path / "masks" / kind / "a.png", mask)
    data = EvaluationSet.open(tmp_path)
    assert data.kinds == ("thin", "thick", "object")
    (case,) = data.cases("object")
    assert case.name == "a"
    assert np.array_equal(case.hole, mask > 0)
    assert np.array_equal(case.photo, photo())


def test_a_plain_folder_gets_the_same_holes_every_time(tmp_path: Path) -> None:
    save(tmp_path / "a.png", photo())
    save(tmp_path / "b.jpg", photo())
    first = [case.hole for case in EvaluationSet.open(tmp_path).cases("medium")]
    (tmp_path / "a.png").unlink()
    (alone,) = EvaluationSet.open(tmp_path).cases("medium")
    assert np.array_equal(first[1], alone.hole)
    assert not np.array_equal(first[0], first[1])


def test_what_cannot_be_evaluated_on_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="is not a folder"):
        EvaluationSet.open(tmp_path / "none")
    with pytest.raises(EvaluationError, match="no photos in"):
        EvaluationSet.open(tmp_path)
    save(tmp_path / "photos" / "a.png", photo())
    (tmp_path / "masks" / "thin").mkdir(parents=True)
    data = EvaluationSet.open(tmp_path)
    mask = tmp_path / "masks" / "thin" / "a.png"
    with pytest.raises(EvaluationError, match=r"a\.png cannot be read \(No such file"):
        list(data.cases("thin"))
    save(mask, np.zeros((31, 32), np.uint8))
    with pytest.raises(EvaluationError, match="another size"):
        list(data.cases("thin"))
    save(mask, np.zeros((32, 32), np.uint8))
    with pytest.raises(EvaluationError, match="no white pixel"):
        list(data.cases("thin"))
    save(tmp_path / "photos" / "a.png", photo(side=8))
    with pytest.raises(EvaluationError, match="smaller than 16"):
        list(data.cases("thin"))


def test_photos_are_enlarged_and_shrunk_with_their_holes_and_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    save(tmp_path / "photos" / "small.png", rng.integers(0, 256, (32, 48, 3), dtype=np.uint8))
    save(tmp_path / "photos" / "wide.png", rng.integers(0, 256, (128, 256, 3), dtype=np.uint8))
    for name, height, width in (("small", 32, 48), ("wide", 128, 256)):
        mask = np.zeros((height, width), np.uint8)
        mask[: height // 2, : width // 2] = 255
        save(tmp_path / "masks" / "thick" / f"{name}.png", mask)
    data = EvaluationSet.open(tmp_path, size=64)
    small, wide = data.cases("thick")
    assert small.photo.shape == (64, 96, 3)
    assert wide.photo.shape == (64, 128, 3)
    for case in (small, wide):
        corner = np.zeros(case.hole.shape, bool)
        corner[:32, : case.hole.shape[1] // 2] = True
        assert np.array_equal(case.hole, corner)
    photo = np.asarray(Image.open(tmp_path / "photos" / "wide.png")).astype(float)
    by_area = photo.reshape(64, 2, 128, 2, 3).mean(axis=(1, 3))
    assert np.abs(wide.photo - by_area).max() <= 0.5
    assert data.remark == (
        "2 photos, short side 64: 1 enlarged from 32 pixels by Lanczos, so that no detail finer than 2 "
        "pixels is in them; 1 shrunk by area"
    )
    assert EvaluationSet.open(tmp_path).remark == "2 photos as they are"


def test_a_scratch_does_not_vanish_when_its_photo_shrinks(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a.png", photo(side=128))
    mask = np.zeros((128, 128), np.uint8)
    mask[60] = 255
    save(tmp_path / "masks" / "thin" / "a.png", mask)
    (case,) = EvaluationSet.open(tmp_path, size=16).cases("thin")
    assert case.hole.sum() == 16


def test_random_holes_have_the_same_shape_at_every_size(tmp_path: Path) -> None:
    save(tmp_path / "a.png", photo(side=64))
    (small,) = EvaluationSet.open(tmp_path).cases("object")
    (large,) = EvaluationSet.open(tmp_path, size=256).cases("object")
    assert large.hole.shape == (256, 256)
    share = large.hole.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    assert np.abs(share - small.hole).mean() < 0.06


def test_some_photos_are_taken_from_all_over_the_folder(tmp_path: Path) -> None:
    for name in "abcdef":
        save(tmp_path / f"{name}.png", photo())
    assert [path.stem for path in EvaluationSet.open(tmp_path, most=3).photos] == ["a", "c", "e"]
    assert EvaluationSet.open(tmp_path, most=9).count == 6
