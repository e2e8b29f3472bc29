from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from lama_core.research.training.config import TrainingConfig
from lama_core.research.training.data import DataError, Photos, Share, batches, make_batch


def test_photos_of_all_sub_folders_are_found_and_become_rgb(photos_folder: Path) -> None:
    photos = Photos(photos_folder)
    assert [path.name for path in photos.paths] == ["gray.jpg", "upside.webp", "stripes.png"]
    assert all(photos.photo(index).shape == (96, 128, 3) for index in range(len(photos)))


def test_a_large_photo_is_kept_at_the_side_that_is_asked_for(photos_folder: Path) -> None:
    assert Photos(photos_folder, side=48).photo(2).shape == (48, 64, 3)


def test_a_batch_follows_from_its_step_alone(photos_folder: Path, tiny: TrainingConfig) -> None:
    fresh = make_batch(Photos(photos_folder), 3, tiny)
    *_, fourth = batches(Photos(photos_folder), range(4), tiny)
    assert torch.equal(fresh.image, fourth.image)
    assert torch.equal(fresh.hole, fourth.hole)


def test_processes_make_the_batches_that_a_thread_makes(photos_folder: Path, tiny: TrainingConfig) -> None:
    alone = list(batches(Photos(photos_folder), range(2, 7), tiny))
    several = list(batches(Photos(photos_folder), range(2, 7), tiny, processes=2))
    assert len(several) == 5
    for one, other in zip(alone, several, strict=True):
        assert torch.equal(one.image, other.image)
        assert torch.equal(one.hole, other.hole)


def test_shares_of_a_batch_make_up_the_whole(photos_folder: Path, tiny: TrainingConfig) -> None:
    photos = Photos(photos_folder)
    config = dataclasses.replace(tiny, sizes=(32,), step_pixels=5 * 32**2)
    whole = make_batch(photos, 1, config)
    parts = [make_batch(photos, 1, config, Share(part=part, of=2)) for part in range(2)]
    assert torch.equal(whole.image[0::2], parts[0].image)
    assert torch.equal(whole.image[1::2], parts[1].image)
    assert torch.equal(whole.hole[1::2], parts[1].hole)
    with pytest.raises(DataError, match="5 pictures cannot be shared by 6 processes"):
        make_batch(photos, 1, config, Share(part=0, of=6))


def test_native_crops_are_pieces_of_the_photo(photos_folder: Path, tiny: TrainingConfig) -> None:
    config = dataclasses.replace(tiny, crops="native", sizes=(32,))
    photos = Photos(photos_folder)
    photo = photos.photo(2).astype(int)
    # Whole pixels are not insisted on, so colours lie between those of the photo's: red is twice the column.
    crop = next(
        one
        for one in (photos.crop(32, config, np.random.default_rng(seed)) for seed in range(40))
        if (np.diff(one[0].astype(int), axis=1) >= 0).all() and one[1, 0, 0] < one[1, 31, 0]
    ).astype(int)
    assert crop[0, 0, 31] - crop[0, 0, 0] == pytest.approx(photo[0, 31, 0] - photo[0, 0, 0], abs=4)


def test_colours_change_within_their_range_and_only_when_asked(
    photos_folder: Path, tiny: TrainingConfig
) -> None:
    photos = Photos(photos_folder)
    coloured = dataclasses.replace(tiny, colour=0.3)
    plain = photos.crop(48, tiny, np.random.default_rng(3)).astype(float)
    changed = photos.crop(48, coloured, np.random.default_rng(3)).astype(float)
    assert changed.shape == plain.shape
    assert np.abs(changed - plain).max() > 5
    # What was brighter stays brighter, channel by channel.
    for before, after in zip(plain.reshape(3, -1), changed.reshape(3, -1), strict=True):
        assert (np.diff(after[np.argsort(before, kind="stable")]) >= 0).all()


def test_decoded_photos_are_kept_only_while_there_is_memory(photos_folder: Path) -> None:
    photos = Photos(photos_folder, memory=2 * 96 * 128 * 3)
    photos.decode(2)
    kept = [photos.photo(index) is photos.photo(index) for index in range(3)]
    assert sum(kept) == 2
    assert np.array_equal(photos.photo(2), Photos(photos_folder).photo(2))


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
        assert batch.image.dtype == batch.hole.dtype == torch.uint8
        assert set(np.unique(batch.hole)) == {0, 1}
    assert sides == set(tiny.sizes)


def test_folders_and_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        Photos(tmp_path / "none")
    with pytest.raises(DataError, match="no photos in"):
        Photos(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        Photos(tmp_path).photo(0)
    with pytest.raises(DataError, match=r"broken\.png cannot be read"):
        Photos(tmp_path).decode(2)


def test_a_photo_that_another_process_cannot_read_is_named_in_one_line(
    photos_folder: Path, tiny: TrainingConfig
) -> None:
    photos = Photos(photos_folder, memory=0)  # so that nothing is decoded beforehand
    for path in photos.paths:
        path.write_bytes(b"not a picture")
    with pytest.raises(DataError, match="cannot be read") as caught:
        list(batches(photos, range(3), tiny, processes=1))
    assert "\n" not in str(caught.value)
