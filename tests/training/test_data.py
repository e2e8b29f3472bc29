from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lama_core.training.config import TrainingConfig
from lama_core.training.data import DataError, Photos, batches, make_batch


def test_photos_of_all_sub_folders_are_found_and_become_rgb(photos_folder: Path) -> None:
    photos = Photos(photos_folder)
    assert [path.name for path in photos.paths] == ["gray.jpg", "upside.webp", "stripes.png"]
    assert all(photos.photo(index).shape == (96, 128, 3) for index in range(len(photos)))


def test_a_large_photo_is_kept_at_the_side_that_is_asked_for(photos_folder: Path) -> None:
    assert Photos(photos_folder, side=48).photo(2).shape == (48, 64, 3)


def test_a_batch_follows_from_its_step_alone(photos_folder: Path, tiny: TrainingConfig) -> None:
    fresh = make_batch(Photos(photos_folder), 3, tiny)
    *_, fourth = batches(Photos(photos_folder), range(4), tiny, workers=3)
    assert torch.equal(fresh.image, fourth.image)
    assert torch.equal(fresh.hole, fourth.hole)


def test_batches_have_the_pixels_and_ranges_that_the_config_says(
    photos_folder: Path, tiny: TrainingConfig
) -> None:
    sides = set()
    for batch in batches(Photos(photos_folder), range(12), tiny):
        count, _, height, width = batch.image.shape
        sides.add(height)
        assert height == width
        assert count == tiny.step_pixels // height**2
        assert batch.hole.shape == (count, 1, height, width)
        assert 0 <= batch.image.min() <= batch.image.max() <= 1
        assert set(np.unique(batch.hole)) == {0.0, 1.0}
    assert sides == set(tiny.sizes)


def test_folders_and_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        Photos(tmp_path / "none")
    with pytest.raises(DataError, match="no photos in"):
        Photos(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        Photos(tmp_path).photo(0)
