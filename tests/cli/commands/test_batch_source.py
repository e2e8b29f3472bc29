"""`lama-fill batch --source`: which mask says for which picture where its fill may be copied from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lama_core.fill import FillOptions, fill
from lama_core.inference import load_fast
from tests.cli.commands.batches import Run, read, save


@pytest.fixture
def run(batch: Run) -> Run:
    """Fills without a server, of the holes in `masks`."""
    save(hole(), "masks/a.png")
    save(hole(), "masks/b.png")
    return lambda *arguments: batch("in", "--masks", "masks", *arguments, "--no-server")


def photo(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)


def hole() -> np.ndarray:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:32, 30:45] = 255
    return mask


def left() -> np.ndarray:
    mask = np.zeros((60, 80), np.uint8)
    mask[:, :25] = 255
    return mask


@pytest.mark.parametrize("name", ["a.png", "a_source.png", "a-mask01.png"])
def test_a_folder_has_a_mask_by_the_picture_s_name_and_the_others_are_filled_from_everywhere(
    run: Run, weights: Path, name: str
) -> None:
    generator = load_fast(weights, precision="fp32")
    save(photo(0), "in/a.png")
    save(photo(1), "in/b.png")
    save(left(), f"from/{name}")
    status, _, err = run("--source", "from")
    assert (status, err) == (0, "")
    for seed, picture, source in ((0, "a.png", left()), (1, "b.png", None)):
        expected = fill(photo(seed), hole(), generator, FillOptions(), source=source)
        assert np.abs(read(f"in-filled/{picture}").astype(int) - expected).max() <= 1
    everywhere = fill(photo(0), hole(), generator, FillOptions())
    assert np.abs(read("in-filled/a.png").astype(int) - everywhere).max() > 5


def test_one_file_is_that_of_every_frame_though_it_lies_beside_them(run: Run, weights: Path) -> None:
    generator = load_fast(weights, precision="fp32")
    for number in (1, 2):
        save(photo(0), f"in/shot_{number}.png")
        save(hole(), f"masks/shot_{number}.png")
    save(left(), "in/from.png")
    status, out, _ = run("--source", "in/from.png", "--frames", "--quality", "balanced")
    assert status == 0
    assert "2 filled" in out
    for number in (1, 2):
        expected = fill(photo(0), hole(), generator, FillOptions(frame=number), source=left())
        assert np.abs(read(f"in-filled/shot_{number}.png").astype(int) - expected).max() <= 1


def test_what_a_still_camera_does_not_see_is_copied_from_there(run: Run, weights: Path) -> None:
    generator = load_fast(weights, precision="fp32")
    for number in (1, 2):
        save(photo(0), f"in/shot_{number}.png")
        save(hole(), f"masks/shot_{number}.png")
    save(left(), "from.png")
    assert run("--source", "from.png", "--still-camera", "--grow", "0")[0] == 0
    expected = fill(photo(0), hole(), generator, FillOptions(frame=1, grow=0), source=left())
    assert np.abs(read("in-filled/shot_1.png").astype(int) - expected).max() <= 1


def test_masks_that_are_not_used_are_named(run: Run) -> None:
    save(photo(0), "in/a.png")
    for name in ("a.png", "a_source.png", "c.png"):
        save(left(), f"from/{name}")
    Path("from/notes.txt").write_text("not a picture")
    status, _, err = run("--source", "from")
    assert status == 0
    assert "notes.txt is left out: its ending" in err
    assert "c.png is left out: there is no picture of its name in in" in err
    assert "a_source.png is left out: from/a.png is the mask of what may be copied of that picture" in err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "nowhere is not there: give a mask of what may be copied, or a folder of such"),
        ("in", "in is the folder of the pictures themselves: put the masks of what may be copied into"),
    ],
)
def test_a_source_that_cannot_be_used(run: Run, source: str, said: str) -> None:
    save(photo(0), "in/a.png")
    status, out, err = run("--source", source)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_mask_that_allows_nothing_is_that_picture_s_line(run: Run) -> None:
    for name in ("a.png", "b.png"):
        save(photo(0), f"in/{name}")
    save(hole(), "from/a.png")
    status, out, err = run("--source", "from")
    assert status == 1
    assert "1 filled" in out
    assert "all of what may be copied is in the hole: mark something outside of it" in err
