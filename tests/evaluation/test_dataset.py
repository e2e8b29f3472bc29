from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_core.evaluation.dataset import EvaluationError, EvaluationSet


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
