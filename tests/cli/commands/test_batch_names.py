"""What `lama-fill batch` does with names of all kinds, and what it says that it leaves out."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_cli import main
from lama_cli.batch import find_tasks

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command in the test's folder; gives its status and the lines of both outputs."""

    def command(*arguments: str) -> tuple[int, list[str], list[str]]:
        status = main(["batch", *arguments, "--model", str(weights)])
        printed = capsys.readouterr()
        for text in (printed.out, printed.err):
            assert all(character.isprintable() or character == "\n" for character in text), repr(text)
        return status, printed.out.splitlines(), printed.err.splitlines()

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path / "data"))
        patch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "runtime"))
        yield command


def save(path: str | bytes, *, mask: bool = False) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    if mask:
        pixels = np.zeros((48, 64), np.uint8)
        pixels[20:28, 30:40] = 255
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        Image.fromarray(pixels).save(file, "PNG")


# Names that a disk may hold, without their ending; a mask of each is in another folder.
NAMES = [
    b"a\nb",
    b"a\rb",
    b"\x1b]0;owned\x07\x1b[2J",
    b"-o",
    b"--help",
    b"[bold]red[#1]",
    b"%s%d{0}{name}",
    b"\xff\xfe\x80",
    "é".encode("latin-1"),
    unicodedata.normalize("NFD", "café").encode(),
    "写真".encode(),
    b"a;b|c&d$(e)`f`",
    b"[0]",
    b"n" * 251,
    b" ",
    b"a.b.c",
]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_a_name_is_any_bytes(run: Run) -> None:
    for name in NAMES:
        save(b"in/" + name + b".png")
        save(b"masks/" + name + b".png", mask=True)
    status, out, err = run("in", "--masks", "masks")
    assert err == []
    assert status == 0
    assert f"in-filled: {len(NAMES)} filled" in out[-1]
    assert sorted(os.listdir(b"in-filled")) == sorted(name + b".png" for name in NAMES)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
@pytest.mark.parametrize("name", NAMES, ids=[repr(name[:12]) for name in NAMES])
def test_what_fails_is_named_without_steering_the_terminal(run: Run, name: bytes) -> None:
    os.mkdir("in")
    Path(os.fsdecode(b"in/" + name + b".png")).write_bytes(b"\x89PNG\r\n\x1a\nno more")
    status, out, err = run("in")
    assert status == 1
    assert len(out) == len(err) == 1


def test_a_mask_is_found_in_another_unicode_form_or_case(run: Run) -> None:
    save("in/" + unicodedata.normalize("NFC", "Café") + ".png")
    save("masks/" + unicodedata.normalize("NFD", "café") + ".PNG", mask=True)
    status, _, err = run("in", "--masks", "masks")
    assert (status, err) == (0, [])


def test_of_names_that_differ_in_case_only_each_has_its_own_mask(tmp_path: Path) -> None:
    for name in ("a", "A"):
        save(f"{tmp_path}/in/{name}.png")
        save(f"{tmp_path}/masks/{name}.png", mask=True)
    if len(os.listdir(tmp_path / "in")) == 1:
        pytest.skip("this disk does not tell case apart")
    tasks = find_tasks(tmp_path / "in", masks=tmp_path / "masks", output=tmp_path / "out").tasks
    assert [(task.picture.stem, task.mask and task.mask.stem) for task in tasks] == [("A", "A"), ("a", "a")]
    # Which of the two this one means cannot be told.
    (tmp_path / "masks" / "a.png").unlink()
    (tmp_path / "masks" / "A.png").rename(tmp_path / "masks" / "a_mask.png")
    (tmp_path / "in" / "a.png").rename(tmp_path / "in" / "ǆ.png")
    (tmp_path / "in" / "A.png").rename(tmp_path / "in" / "Ǆ.png")
    (tmp_path / "masks" / "a_mask.png").rename(tmp_path / "masks" / "ǅ.png")
    found = find_tasks(tmp_path / "in", masks=tmp_path / "masks", output=tmp_path / "out")
    assert [task.mask for task in found.tasks] == [None, None]
    assert "ǅ.png is left out" in found.left_out[0]


def test_equal_stems_are_told_apart_by_their_endings(run: Run) -> None:
    save("in/a.png")
    Image.open("in/a.png").save("in/a.tif")
    save("masks/a.png", mask=True)
    assert run("in", "--masks", "masks")[0] == 0
    assert sorted(os.listdir("in-filled")) == ["a.png", "a.tif"]
    with pytest.raises(SystemExit):  # argparse's own line
        run("in", "--ending", "bmp")
    assert main(["batch", "in", "--masks", "masks", "-o", "other", "--ending", "png"]) == 2


def test_what_is_left_out_is_named(run: Run) -> None:
    save("in/a.png")
    for name in ("in/b.heic", "in/notes.txt", "masks/old.bmp"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Path(name).write_bytes(b"something")
    save("masks/a.png", mask=True)
    save("masks/a_mask.png", mask=True)
    save("masks/unused.png", mask=True)
    status, _, err = run("in", "--masks", "masks")
    assert status == 0
    assert [line.removeprefix("lama-fill: ").split(" ")[0] for line in err] == [
        "in/b.heic",
        "in/notes.txt",
        "masks/old.bmp",
        "masks/unused.png",
        "masks/a_mask.png",
    ]
    assert err[-1].endswith("masks/a.png is the mask of that picture")


def test_second_masks_beside_a_picture_are_named(run: Run) -> None:
    save("in/a.png")
    save("in/a_mask.png", mask=True)
    save("in/a_mask001.png", mask=True)
    status, out, err = run("in")
    assert status == 0
    assert err == ["lama-fill: in/a_mask001.png is left out: in/a_mask.png is the mask of that picture"]
    assert "1 filled" in out[-1]


def test_an_output_that_is_the_picture_itself_stays(run: Run) -> None:
    save("in/a.png")
    save("masks/a.png", mask=True)
    before = Path("in/a.png").read_bytes()
    os.mkdir("out")
    try:
        os.symlink("../in/a.png", "out/a.png")
    except OSError:
        pytest.skip("this user may not make links")
    status, _, err = run("in", "--masks", "masks", "-o", "out", "--overwrite")
    assert status == 1
    assert "is in/a.png itself" in err[0]
    assert Path("in/a.png").read_bytes() == before


def test_two_outputs_that_are_one_file_are_not_both_written(run: Run) -> None:
    save("in/a.png")
    save("in/b.png")
    for name in ("a", "b"):
        save(f"masks/{name}.png", mask=True)
    os.mkdir("out")
    Path("out/a.png").write_bytes(b"")
    try:
        os.symlink("a.png", "out/b.png")  # as a drive has it that does not tell two names apart
    except OSError:
        pytest.skip("this user may not make links")
    status, out, err = run("in", "--masks", "masks", "-o", "out", "--overwrite")
    assert status == 1
    assert "1 filled" in out[-1]
    assert "is the same file here as what was written for in/a.png" in err[0]
