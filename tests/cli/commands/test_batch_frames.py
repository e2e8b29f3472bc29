"""`lama-fill batch --frames` as its user meets it: which files are a sequence, and what is the same in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_cli.batch import BatchError, Task
from lama_cli.sequence import as_sequence
from lama_core.fill import FillOptions, fill
from lama_core.inference import load_fast
from tests.cli.commands.batches import Run, read, save
from tests.fill.scenes import scene


@pytest.fixture
def run(batch: Run) -> Run:
    """Quick fills without a server."""
    return lambda *arguments: batch(*arguments, "--no-server", "--quality", "fast")


def grainy() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 12, (96, 120, 3))
    return (np.linspace(60, 190, 120)[None, :, None] + noise).clip(0, 255).astype(np.uint8)


def hole() -> np.ndarray:
    mask = np.zeros((96, 120), np.uint8)
    mask[40:60, 50:80] = 255
    return mask


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


# A still camera.


def walk(folder: str, *, count: int = 6, step: int = 14, width: int = 12, noise: float = 0.0) -> np.ndarray:
    """Frames and masks of a thing that walks by, in files. Returns the background."""
    background = np.rint(scene(96, 120) * 255).astype(np.uint8)
    generator = np.random.default_rng(1)
    for number in range(count):
        frame = background + generator.normal(0, 1, background.shape) * noise
        mask = np.zeros((96, 120), np.uint8)
        left = 12 + step * number
        mask[30:70, left : left + width] = 255
        frame[mask > 0] = generator.integers(0, 256, (np.count_nonzero(mask), 3))
        save(np.rint(frame.clip(0, 255)).astype(np.uint8), f"{folder}/f_{number + 7}.png")
        save(mask, f"{folder}-masks/f_{number + 7}.png")
    return background


def test_a_still_camera_gives_the_background_bit_for_bit(run: Run) -> None:
    background = walk("in")
    status, out, err = run("in", "--masks", "in-masks", "--still-camera")
    assert (status, err) == (0, "")
    assert "6 filled" in out
    for number in range(7, 13):
        assert np.array_equal(read(f"in-filled/f_{number}.png"), background)


def test_a_stopped_sequence_goes_on_with_what_all_frames_show(run: Run) -> None:
    background = walk("in")
    for number in (8, 9):
        save(background, f"in-filled/f_{number}.png")
    status, out, _ = run("in", "--masks", "in-masks", "--still-camera")
    assert status == 0
    assert "4 filled" in out
    assert "2 there already" in out
    assert np.array_equal(read("in-filled/f_7.png"), background)


def test_what_no_frame_shows_is_filled_by_the_model(run: Run) -> None:
    """Steps of less than the thing's width: of two frames the middle is hidden in both."""
    background = walk("in", count=2, step=8, width=20)
    arguments = ("--masks", "in-masks", "--still-camera", "--grow", "0", "--feather", "0", "--no-seam")
    status, out, err = run("in", *arguments)
    assert status == 0
    assert "2 filled" in out
    assert "42.9 % of what the holes cover is seen in no frame: the model fills that" in err
    hidden = np.zeros((96, 120), np.bool_)
    hidden[30:70, 20:32] = True
    for number in (7, 8):
        filled = read(f"in-filled/f_{number}.png")
        assert np.array_equal(filled[~hidden], background[~hidden])
        assert (filled != read(f"in/f_{number}.png"))[hidden].any()


def test_one_mask_for_all_frames_of_a_still_camera_is_filled_by_the_model_and_said(run: Run) -> None:
    for number in (1, 2):
        save(grainy(), f"in/f_{number}.png")
    save(hole(), "mask.png")
    still = run("in", "--mask", "mask.png", "--still-camera", "--grow", "0", "--feather", "3", "-o", "still")
    plain = run("in", "--mask", "mask.png", "--frames", "--grow", "0", "--feather", "3", "-o", "plain")
    assert (still[0], plain[0]) == (0, 0)
    assert "the holes cover the same place in all frames: the model fills it" in still[2]
    for number in (1, 2):
        assert np.array_equal(read(f"still/f_{number}.png"), read(f"plain/f_{number}.png"))


def test_the_grain_of_a_still_camera_moves(run: Run) -> None:
    background = walk("in", noise=5.0)
    assert run("in", "--masks", "in-masks", "--still-camera")[0] == 0
    assert run("in", "--masks", "in-masks", "--still-camera", "--no-grain", "-o", "smooth")[0] == 0
    inside = (slice(32, 68), slice(56, 64))  # in the mask of f_10
    noise = [
        (read(f"{name}/f_10.png")[inside] - background[inside].astype(float)).std()
        for name in ("in-filled", "smooth")
    ]
    assert noise[0] == pytest.approx(5, rel=0.15)
    assert noise[1] < 3.5


def test_a_frame_that_shows_something_else_is_filled_by_the_model_and_a_bad_one_is_named(run: Run) -> None:
    background = walk("in")
    save(np.rint(scene(96, 120, seed=9) * 255).astype(np.uint8), "in/f_13.png")
    save(hole(), "in-masks/f_13.png")
    Path("in/f_14.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    save(hole(), "in-masks/f_14.png")
    status, out, err = run("in", "--masks", "in-masks", "--still-camera")
    assert status == 1
    assert "7 filled" in out
    assert "1 failed" in out
    said = err.splitlines()
    assert len(said) == 2
    assert "f_13.png does not show what the other frames show" in said[0]
    assert "f_14.png" in said[1]
    assert np.array_equal(read("in-filled/f_9.png"), background)


def test_frames_without_a_mask_are_filled_where_they_are_transparent(run: Run) -> None:
    background = walk("in")
    for number in range(7, 13):
        alpha = 255 - read(f"in-masks/f_{number}.png")
        save(np.dstack((read(f"in/f_{number}.png"), alpha)), f"clear/f_{number}.png")
    assert run("clear", "--still-camera")[0] == 0
    for number in range(7, 13):
        filled = read(f"clear-filled/f_{number}.png")
        assert np.array_equal(filled[:, :, :3], background)
        assert (filled[:, :, 3] == 255).all()


@pytest.mark.parametrize(
    ("other", "arguments", "said"),
    [
        (grainy()[:50], (), "is 120 x 96 pixels and in/f_2.png 120 x 50: the frames of a still camera"),
        (grainy()[:, :, 0], (), "differ in their channels or depth: convert the frames to one format"),
        (grainy(), ("--engine", "ray"), "--still-camera works on this machine alone: leave out --engine ray"),
    ],
)
def test_what_a_still_camera_cannot_do_is_said(
    run: Run, other: np.ndarray, arguments: tuple, said: str
) -> None:
    save(grainy(), "in/f_1.png")
    save(other, "in/f_2.png")
    for number in (1, 2):
        height = len(read(f"in/f_{number}.png"))
        save(hole()[:height], f"in/f_{number}_mask.png")
    if "ray" in arguments:
        pytest.importorskip("ray")
    status, out, err = run("in", "--still-camera", *arguments)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err
