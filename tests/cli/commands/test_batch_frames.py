"""`lama-fill batch --frames` as its user meets it: which files are a sequence, and what is the same in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lama_cli import main
from lama_cli.batch import BatchError, Task
from lama_cli.sequence import as_sequence
from lama_core.fill import FillOptions, fill
from lama_core.inference import load_fast

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command in the test's folder, in this process, with the model of random weights."""

    def command(*arguments: str) -> tuple[int, str, str]:
        status = main(["batch", *arguments, "--model", str(weights), "--no-server", "--quality", "fast"])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path / "data"))
        patch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "runtime"))
        yield command


def grainy() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 12, (96, 120, 3))
    return (np.linspace(60, 190, 120)[None, :, None] + noise).clip(0, 255).astype(np.uint8)


def hole() -> np.ndarray:
    mask = np.zeros((96, 120), np.uint8)
    mask[40:60, 50:80] = 255
    return mask


def save(pixels: np.ndarray, path: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def read(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_all_frames_have_the_same_seed_and_grain_that_moves(run: Run, weights: Path) -> None:
    """With one mask, and each as `fill` makes it of the frame's number."""
    generator = load_fast(weights, precision="fp32")
    for number in (8, 9, 10):
        save(grainy(), f"in/shot_{number}.png")
    save(hole(), "in/mask.png")
    status, out, err = run("in", "--mask", "in/mask.png", "--frames", "--seed", "5")
    assert (status, err) == (0, "")
    assert "3 filled" in out
    frames = [read(f"in-filled/shot_{number}.png").astype(int) for number in (8, 9, 10)]
    for number, frame in zip((8, 9, 10), frames, strict=True):
        options = FillOptions(quality="fast", seed=5, frame=number)
        assert np.abs(fill(grainy(), hole(), generator, options) - frame).max() <= 1
    inside = hole() > 0
    assert (frames[0] != frames[1])[inside].mean() > 0.5
    assert (frames[1] != frames[2])[inside].mean() > 0.5
    assert run("in", "--mask", "in/mask.png", "--seed", "5", "-o", "still")[0] == 0
    assert np.array_equal(*[read(f"still/shot_{number}.png") for number in (8, 9)])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a.png", "b.png"), "a.png has no number at the end of its name"),
        (("a_1.png",), "a_1.png is the only frame"),
        (("a_1.png", "b_2.png"), "are of two sequences: give each a folder of its own"),
        (("a_1.png", "a_01.png"), "are both frame 1"),
        (("a_1.png", "a_99999999999.png"), "frames are numbered up to 4294967295"),
    ],
)
def test_what_is_no_sequence_is_said_in_one_line(run: Run, names: tuple[str, ...], said: str) -> None:
    for name in names:
        save(grainy(), f"in/{name}")
    save(hole(), "mask.png")
    status, out, err = run("in", "--mask", "mask.png", "--frames")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err


def test_a_mask_that_is_not_there(run: Run) -> None:
    save(grainy(), "in/a_1.png")
    status, _, err = run("in", "--mask", "nowhere.png")
    assert (status, err.count("\n")) == (2, 1)
    assert "nowhere.png is not a file: give the mask of all pictures" in err


def tasks_of(stems: list[str]) -> list[Task]:
    return [Task(picture=Path(f"{stem}.png"), mask=None, output=Path(f"out/{stem}.png")) for stem in stems]


@given(
    st.sets(st.integers(0, 2**32 - 1), min_size=2, max_size=30),
    st.text("ab_-. é", max_size=6),
    st.integers(0, 12),
    st.randoms(),
)
def test_frames_are_in_the_order_of_their_numbers(numbers, name, width, random) -> None:
    stems = [f"{name}{number:0{width}}" for number in numbers]
    random.shuffle(stems)
    found = as_sequence(tasks_of(stems))
    assert [task.frame for task in found] == sorted(numbers)
    assert {task.picture for task in found} == {Path(f"{stem}.png") for stem in stems}


@given(st.integers(0, 999), st.integers(0, 5), st.integers(6, 9))
def test_a_number_stands_once(number: int, width: int, other: int) -> None:
    stems = [f"x_{number:0{width}}", f"x_{number:0{other}}"]
    with pytest.raises(BatchError, match="both frame"):
        as_sequence(tasks_of(stems))
