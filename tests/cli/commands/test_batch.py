"""`lama-fill batch` as its user meets it, and what goes on at the same time in it."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_cli import main
from lama_cli.batch import Done, find_tasks, run_batch
from lama_cli.filling import FillReport
from lama_core.fill import FillOptions, FillPlan, fill
from lama_core.inference import load_fast
from tests.cli.commands.batches import Run, read, save

LIMIT = 1 << 24


def photo(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)


def hole() -> np.ndarray:
    mask = np.zeros((60, 80), np.uint8)
    mask[20:32, 30:45] = 255
    return mask


def test_every_picture_is_what_fill_makes_of_it(batch: Run, weights: Path) -> None:
    generator = load_fast(weights, precision="fp32")
    for seed in range(5):
        save(photo(seed), f"in/{seed}.png")
        save(hole(), f"masks/{seed}.png")
    status, out, err = batch("in", "--masks", "masks", "--no-server", "--grow", "3")
    assert (status, err) == (0, "")
    assert "5 filled" in out
    assert "a minute" in out
    for seed in range(5):
        expected = fill(photo(seed), hole(), generator, FillOptions(grow=3))
        # Of the same compiled form, as the command runs it.
        assert np.abs(read(f"in-filled/{seed}.png").astype(int) - expected).max() <= 1


def test_masks_lie_beside_the_pictures_or_in_their_alpha(batch: Run) -> None:
    save(photo(0), "in/a.png")
    save(hole(), "in/a_mask001.png")
    save(photo(1), "in/b.jpg")
    save(hole(), "in/b-mask.png")
    save(np.dstack((photo(2), 255 - hole())), "in/c.png")
    status, out, _ = batch("in", "-o", "out", "--no-server")
    assert status == 0
    assert "3 filled" in out
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.jpg", "c.png"]
    assert not np.array_equal(read("out/a.png")[20:32, 30:45], photo(0)[20:32, 30:45])
    assert (read("out/c.png")[:, :, 3] == 255).all()


def test_a_bad_picture_is_named_and_the_others_are_filled(batch: Run) -> None:
    for seed in (0, 2):
        save(photo(seed), f"in/{seed}.png")
        save(hole(), f"in/{seed}_mask.png")
    save(photo(1), "in/1.png")
    Path("in/3.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    status, out, err = batch("in", "--no-server")
    assert status == 1
    assert "2 filled" in out
    assert "2 failed" in out
    said = err.splitlines()
    assert len(said) == 2
    assert "1.png has no transparent pixels" in said[0]
    assert "3.png" in said[1]
    assert sorted(path.name for path in Path("in-filled").iterdir()) == ["0.png", "2.png"]


def test_any_exception_is_that_files_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        save(photo(0), f"in/{name}.png")
        save(hole(), f"in/{name}_mask.png")

    def fails_once(pixels: np.ndarray, *_rest: object) -> FillReport:
        calls.append(len(calls))
        if len(calls) == 2:
            raise ZeroDivisionError("a fault of ours")
        return FillReport(model="m", device="d", seconds=0.0)

    calls: list[int] = []
    done: list[Done] = []
    tasks = find_tasks(Path("in"), masks=None, output=Path("out"), ending=None).tasks
    run_batch(tasks, [fails_once], FillOptions(), max_pixels=LIMIT, tell=done.append)
    assert [one.error is None for one in done] == [True, False, True]
    assert "b.png could not be filled (ZeroDivisionError: a fault of ours)" in str(done[1].error)


@pytest.mark.parametrize("ending", ["jfif", "JPE", "jif", "jpeg"])
def test_a_jpeg_by_any_of_its_names_is_found_and_written(batch: Run, ending: str) -> None:
    save(hole(), "masks/a.png")
    Path("in").mkdir()
    Image.fromarray(photo(0)).save(f"in/a.{ending}", "JPEG")
    status, out, err = batch("in", "--masks", "masks", "--no-server")
    assert status == 0
    # Noise of all colours is the worst that JPEG can be given.
    assert err.count("\n") == 1
    assert "% of the pixels far from the fill are not bit for bit as before" in err
    assert "1 filled" in out
    with Image.open(f"in-filled/a.{ending}") as image:
        assert image.format == "JPEG"


def test_what_is_lost_of_a_file_is_said(batch: Run) -> None:
    Path("in").mkdir()
    pages = [Image.fromarray(photo(seed)) for seed in range(2)]
    pages[0].save("in/a.tif", save_all=True, append_images=pages[1:])
    save(hole(), "masks/a.png")
    status, _, err = batch("in", "--masks", "masks", "--no-server")
    assert status == 0
    assert "a.tif has 2 pages, only the first was taken" in err


def test_a_stopped_batch_goes_on(batch: Run) -> None:
    for seed in range(3):
        save(photo(seed), f"in/{seed}.png")
        save(hole(), f"in/{seed}_mask.png")
    save(photo(9), "in-filled/1.png")
    status, out, _ = batch("in", "--no-server")
    assert status == 0
    assert "2 filled" in out
    assert "1 there already" in out
    assert np.array_equal(read("in-filled/1.png"), photo(9))
    assert "3 there already" in batch("in", "--no-server")[1]
    assert "3 filled" in batch("in", "--no-server", "--overwrite")[1]
    assert not np.array_equal(read("in-filled/1.png"), photo(9))


def test_another_kind_of_file(batch: Run) -> None:
    save(photo(0), "in/a.jpg")
    save(hole(), "in/a_mask.png")
    batch("in", "-o", "out", "--ending", "png", "--no-server")
    jpeg = read("in/a.jpg")
    png = read("out/a.png")
    outside = hole() == 0
    outside[5:50, 15:60] = False
    assert np.array_equal(png[outside], jpeg[outside])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing",), "missing is not a folder"),
        (("empty",), "no pictures in empty"),
        (("in", "-o", "in"), "is the folder of the pictures themselves"),
        (("in", "--masks", "nowhere"), "nowhere is not a folder"),
        (("twice", "--ending", "png"), "would both be written to"),
        (("in", "--grow", "-1"), "grow is a number of pixels"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(batch: Run, arguments: tuple[str, ...], said: str) -> None:
    Path("empty").mkdir()
    save(photo(0), "in/a.png")
    save(photo(0), "twice/a.png")
    save(photo(0), "twice/a.jpg")
    status, out, err = batch(*arguments, "--no-server")
    assert status == 2
    assert out == ""
    assert err.count("\n") == 1
    assert said in err


def test_one_is_read_and_one_is_written_while_another_is_filled(tmp_path: Path) -> None:
    """The filler of the third picture waits until the first is on the disk and later ones were looked at."""
    folder, output = tmp_path / "in", tmp_path / "out"
    for seed in range(6):
        save(photo(seed), str(folder / f"{seed}.png"))
        save(hole(), str(folder / f"{seed}_mask.png"))
    calls = 0
    fourth_read = threading.Event()

    def filler(plan: FillPlan, progress: object) -> FillReport:
        nonlocal calls
        calls += 1
        if calls == 3:
            for _ in range(200):
                if (output / "0.png").exists() and (output / "1.png").exists():
                    fourth_read.set()
                    break
                threading.Event().wait(0.05)
        plan.picture[hole() > 0] = calls
        return FillReport(model="m", device="cpu", seconds=0.0)

    told: list[Done] = []
    tasks = find_tasks(folder, masks=None, output=output).tasks
    run_batch(tasks, [filler], FillOptions(), max_pixels=LIMIT, tell=told.append)
    assert fourth_read.is_set()
    assert [one.task.picture.name for one in told] == [f"{seed}.png" for seed in range(6)]
    assert [read(str(output / f"{seed}.png"))[25, 35, 0] for seed in range(6)] == [1, 2, 3, 4, 5, 6]


def test_memory_is_bounded_by_few_pictures_ahead(tmp_path: Path) -> None:
    """While the first picture is being filled, those far behind it are not read: they do not exist yet."""
    folder = tmp_path / "in"
    for seed in range(12):
        save(photo(seed), str(folder / f"{seed:02}.png"))
        save(hole(), str(folder / f"{seed:02}_mask.png"))
    tasks = find_tasks(folder, masks=None, output=tmp_path / "out").tasks
    for task in tasks[4:]:
        task.picture.rename(task.picture.with_suffix(".later"))
    first = True

    def filler(plan: FillPlan, progress: object) -> FillReport:
        nonlocal first
        if first:
            threading.Event().wait(0.3)
            for task in tasks[4:]:
                task.picture.with_suffix(".later").rename(task.picture)
            first = False
        return FillReport(model="m", device="cpu", seconds=0.0)

    told: list[Done] = []
    run_batch(tasks, [filler], FillOptions(), max_pixels=LIMIT, tell=told.append)
    assert [one.error for one in told] == [None] * 12


def test_interrupting_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for seed in range(9):
        save(photo(seed), str(folder / f"{seed}.png"))
        save(hole(), str(folder / f"{seed}_mask.png"))
    calls = 0

    def filler(plan: FillPlan, progress: object) -> FillReport:
        nonlocal calls
        calls += 1
        return FillReport(model="m", device="cpu", seconds=0.0)

    def tell(done: Done) -> None:
        raise KeyboardInterrupt

    tasks = find_tasks(folder, masks=None, output=tmp_path / "out").tasks
    with pytest.raises(KeyboardInterrupt):
        run_batch(tasks, [filler], FillOptions(), max_pixels=LIMIT, tell=tell)
    assert calls < 9


def test_by_the_server(batch: Run, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over several connections, and every picture gets its own fill."""
    Path("data/models").mkdir(parents=True)
    shutil.copy(weights, "data/models/mine.safetensors")
    for seed in range(4):
        save(photo(seed), f"in/{seed}.png")
        save(hole(), f"in/{seed}_mask.png")
    try:
        assert main(["batch", "in", "-o", "there", "--model", "mine"]) == 0
        assert main(["status"]) == 0
    finally:
        main(["stop"])
    assert "4 filled" in capsys.readouterr().out
    batch("in", "-o", "here", "--no-server")
    for seed in range(4):
        difference = read(f"there/{seed}.png").astype(int) - read(f"here/{seed}.png")
        assert np.abs(difference).max() <= 1  # the blend has 255 steps on its way
