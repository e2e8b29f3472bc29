"""`lama-fill fill` as its user meets it: what it writes, what it says, and never half a file."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import sysconfig
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from lama_cli import main
from lama_cli.pictures import Picture, read_picture, write_picture
from lama_cli.pictures.picture import Metadata
from lama_core.fill import FillOptions, fill
from lama_core.model.installed.load import load_generator

COMMAND = Path(sysconfig.get_path("scripts")) / ("lama-fill.exe" if sys.platform == "win32" else "lama-fill")

Run = Callable[..., "Done"]


class Done:
    """What a run of the command left: exit status and both outputs."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    def said(self) -> str:
        """The one line that it failed with."""
        assert self.status == 2
        assert self.out == ""
        assert self.err.count("\n") == 1
        assert self.err.startswith("lama-fill: ")
        return self.err.removeprefix("lama-fill: ").strip()


@pytest.fixture
def run(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command in the test's folder, in this process, with the model of random weights."""

    def command(*arguments: str, model: str | None = str(weights)) -> Done:
        chosen = [] if model is None else ["--model", model]
        status = main(["fill", *arguments, *chosen])
        printed = capsys.readouterr()
        return Done(status, printed.out, printed.err)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path / "data"))
        patch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "runtime"))
        yield command


def photo(height: int = 60, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def hole(height: int = 60, width: int = 80) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[20:32, 30:45] = 255
    return mask


def save(pixels: np.ndarray, name: str, **options: object) -> None:
    Image.fromarray(pixels).save(name, **options)


def load(name: str) -> np.ndarray:
    with Image.open(name) as image:
        return np.asarray(image)


# What it does


def test_the_hole_is_filled_and_nothing_else_changes(run: Run, weights: Path) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", "--grow", "3", "--feather", "2")
    assert done.status == 0
    assert done.err == ""
    assert done.out.startswith("b.png: 80 x 60, filled in ")
    expected = fill(photo(), hole(), load_generator(weights), FillOptions(grow=3, feather=2))
    # The command may run the generator in another form, which rounds otherwise.
    assert np.abs(load("b.png").astype(int) - expected).max() <= 1
    changed = (load("b.png") != photo()).any(axis=2)
    assert changed[20:32, 30:45].mean() > 0.9
    assert not changed[:14].any()
    assert not changed[:, 52:].any()


def test_json_says_what_was_done(run: Run, weights: Path) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", "--json", "--context", "whole")
    facts = json.loads(done.out)
    assert facts["output"] == "b.png"
    assert (facts["width"], facts["height"]) == (80, 60)
    assert facts["hole"] == {"x": 30, "y": 20, "width": 15, "height": 12}
    assert facts["model"] == str(weights)
    assert facts["device"] == "cpu"
    assert 0 < facts["seconds"] <= facts["total_seconds"]
    assert facts["windows"] == [{"x": 0, "y": 0, "width": 80, "height": 60, "grow": 2, "feather": 2}]


def test_without_a_mask_what_is_transparent_is_the_hole(run: Run) -> None:
    pixels = np.dstack([photo(), 255 - hole()])
    save(pixels, "a.png")
    assert run("a.png", "-o", "b.png").status == 0
    filled = load("b.png")
    assert (filled[:, :, 3] == 255).all()
    np.testing.assert_array_equal(filled[:14], pixels[:14])
    assert run("a.png", "-o", "b.jpg").status == 0
    assert load("b.jpg").shape == (60, 80, 3)


def test_without_a_name_the_result_is_beside_the_picture(run: Run) -> None:
    Path("album").mkdir()
    save(photo(), "album/a.png")
    save(hole(), "m.png")
    assert run("album/a.png", "--mask", "m.png").status == 0
    assert sorted(path.name for path in Path("album").iterdir()) == ["a-filled.png", "a.png"]
    assert "a-filled.png is there already" in run("album/a.png", "--mask", "m.png").said()
    assert run("album/a.png", "--mask", "m.png", "--overwrite").status == 0


def test_the_picture_is_replaced_only_when_that_is_said(run: Run) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    before = Path("a.png").read_bytes()
    assert "is the picture itself" in run("a.png", "--mask", "m.png", "-o", "./a.png").said()
    assert "is the mask" in run("a.png", "--mask", "m.png", "-o", "m.png").said()
    assert Path("a.png").read_bytes() == before
    assert run("a.png", "--mask", "m.png", "-o", "a.png", "--overwrite").status == 0
    assert Path("a.png").read_bytes() != before


def test_sixteen_bits_stay_sixteen(run: Run) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (60, 80), np.uint16)
    save(deep, "a.png")
    save(hole(), "m.png")
    assert run("a.png", "--mask", "m.png", "-o", "b.png").status == 0
    filled = load("b.png")
    assert filled.dtype == np.uint16
    np.testing.assert_array_equal(filled[:14], deep[:14])
    assert "JPEG cannot hold a 16-bit picture" in run("a.png", "--mask", "m.png", "-o", "b.jpg").said()


def test_a_turned_photograph_with_a_profile(run: Run) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    save(np.rot90(photo()).copy(), "a.jpg", exif=exif, icc_profile=profile, quality=95)
    save(hole(), "m.png")
    assert run("a.jpg", "--mask", "m.png", "-o", "b.jpg").status == 0
    with Image.open("b.jpg") as image:
        assert image.size == (60, 80)
        assert image.getexif()[0x0112] == 6
        assert image.info["icc_profile"] == profile


def test_a_mask_in_a_jpeg(run: Run) -> None:
    save(photo(), "a.png")
    save(hole(), "m.jpg", quality=70)
    assert run("a.png", "--mask", "m.jpg", "-o", "b.png").status == 0
    changed = (load("b.png") != photo()).any(axis=2)
    assert changed[22:30, 32:43].mean() > 0.9
    assert not changed[:8].any()


def test_a_name_with_spaces_brackets_and_umlauts(run: Run) -> None:
    Path("Bäume [1]").mkdir()
    save(photo(), "Bäume [1]/größer [page=2].png")
    save(hole(), "m.png")
    assert run("Bäume [1]/größer [page=2].png", "--mask", "m.png").status == 0
    assert Path("Bäume [1]/größer [page=2]-filled.png").exists()


def test_of_several_pages_the_first_is_filled_and_that_is_said(run: Run) -> None:
    Image.fromarray(photo()).save("a.tif", save_all=True, append_images=[Image.fromarray(photo())])
    save(hole(), "m.png")
    done = run("a.tif", "--mask", "m.png", "-o", "b.tif")
    assert done.status == 0
    assert done.err == "lama-fill: a.tif has 2 pages, only the first was taken\n"


def test_an_installed_model_is_taken_by_its_name(run: Run, weights: Path) -> None:
    Path("data/models").mkdir(parents=True)
    shutil.copy(weights, "data/models/mine.safetensors")
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", "--no-server", "--json", model="mine")
    assert json.loads(done.out)["model"] == "mine"


def test_the_model_that_ships_is_the_default(run: Run) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", "--no-server", "--json", model=None)
    assert json.loads(done.out)["model"] == "compact"


def test_a_picture_of_floats_is_taken_for_linear_light_unless_said_otherwise(run: Run) -> None:
    light = photo(90, 100).astype(np.float32) / 255
    write_picture(Picture(pixels=light, metadata=Metadata()), Path("a.tif"))
    save(hole(90, 100), "m.png")
    filled = {}
    for choice in ("auto", "linear", "perceptual"):
        assert run("a.tif", "--mask", "m.png", "-o", f"{choice}.tif", "--light", choice).status == 0
        filled[choice] = read_picture(Path(f"{choice}.tif")).pixels
    np.testing.assert_array_equal(filled["auto"], filled["linear"])
    assert np.abs(filled["auto"] - filled["perceptual"]).max() > 0.01


def test_seam_and_grain_can_be_switched_off(run: Run, weights: Path) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    assert (
        run("a.png", "--mask", "m.png", "-o", "b.png", "--no-seam", "--no-grain", "--quality", "fast").status
        == 0
    )
    bare = FillOptions(quality="fast", seam=False, grain=False)
    expected = fill(photo(), hole(), load_generator(weights), bare)
    # The command may run the generator in another form, which rounds otherwise.
    assert np.abs(load("b.png").astype(int) - expected).max() <= 1


def test_by_the_server_it_is_the_same(run: Run, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/models").mkdir(parents=True)
    shutil.copy(weights, "data/models/mine.safetensors")
    far = np.zeros((300, 1500), np.uint8)
    far[100:130, 60:90] = far[160:190, 1400:1420] = 255
    far[140, 60:90] = 100
    save(photo(300, 1500), "a.png")
    save(far, "m.png")
    try:
        there = run("a.png", "--mask", "m.png", "-o", "there.png", "--json", model="mine")
        assert main(["status"]) == 0
    finally:
        main(["stop"])
    capsys.readouterr()
    here = run("a.png", "--mask", "m.png", "-o", "here.png", "--json", "--no-server", model="mine")
    assert there.err == ""
    assert len(json.loads(here.out)["windows"]) == 2
    assert json.loads(there.out)["model"] == "mine"
    difference = load("there.png").astype(int) - load("here.png")
    assert np.abs(difference).max() <= 1  # the blend has 255 steps on its way
    assert (load("here.png") != photo(300, 1500)).any(axis=2)[110, 70:80].all()


def test_where_to_copy_from_is_a_mask(run: Run, tmp_path: Path, weights: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "a.png")
    Image.fromarray(hole()).save(tmp_path / "m.png")
    left = np.zeros((60, 80), np.uint8)
    left[:, :25] = 255
    Image.fromarray(left).save(tmp_path / "s.png")
    done = run("a.png", "--mask", "m.png", "--source", "s.png", "-o", "b.png", "--no-server")
    assert done.status == 0
    expected = fill(photo(), hole(), load_generator(str(weights)), FillOptions(), source=left)
    assert np.abs(np.asarray(Image.open(tmp_path / "b.png")).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.zeros((60, 80), np.uint8), "marks nothing|selects nothing"),
        (hole(), "all of what may be copied is in the hole: mark something outside of it"),
        (np.full((6, 8), 255, np.uint8), "6"),
    ],
)
def test_a_mask_of_what_may_be_copied_that_is_none(
    run: Run, tmp_path: Path, source: np.ndarray, said: str
) -> None:
    Image.fromarray(photo()).save(tmp_path / "a.png")
    Image.fromarray(hole()).save(tmp_path / "m.png")
    Image.fromarray(source).save(tmp_path / "s.png")
    done = run("a.png", "--mask", "m.png", "--source", "s.png", "-o", "b.png", "--no-server")
    assert re.search(said, done.said())
    assert not (tmp_path / "b.png").exists()


def test_a_picture_that_is_not_there_starts_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = tmp_path / "started"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("LAMA_FILL_COMMAND", f"{sys.executable} -c 'open({str(started)!r}, \"w\")'")
    assert main(["fill", "missing.png", "--mask", "m.png"]) == 2
    assert "missing.png" in capsys.readouterr().err
    assert not started.exists()


def test_without_a_server_it_is_filled_here_and_that_is_said(
    run: Run, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMA_FILL_COMMAND", str(Path("nowhere").absolute()))
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", model=None)
    assert done.status == 0
    assert done.err.startswith("lama-fill: filling without the server: ")
    assert Path("b.png").exists()


# What it refuses, in one line, leaving nothing behind


def bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def inputs(run: Run) -> None:
    """Every picture and mask that the refusals below name."""
    save(photo(), "a.png")
    save(photo(1, 1), "pixel.png")
    save(hole(), "m.png")
    save(np.zeros((60, 80), np.uint8), "empty.png")
    save(np.full((60, 80), 255, np.uint8), "full.png")
    save(np.full((1, 1), 255, np.uint8), "full-pixel.png")
    save(np.zeros((1, 1), np.uint8), "empty-pixel.png")
    save(hole()[:, :70], "narrow.png")
    save(np.dstack([photo(), np.full((60, 80), 9, np.uint8)]), "glass.png")
    Path("broken.png").write_bytes(Path("a.png").read_bytes()[:2000])
    Path("text.png").write_text("no picture")
    Path("bomb.png").write_bytes(bomb())
    Path("broken.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("none.png --mask m.png", "there is no file none.png"),
        ("a.png --mask none.png", "there is no file none.png"),
        ("broken.png --mask m.png", "broken.png is damaged"),
        ("a.png --mask broken.png", "broken.png is damaged"),
        ("text.png --mask m.png", "text.png is not a PNG, JPEG, WebP, AVIF or TIFF"),
        ("bomb.png --mask m.png", "bomb.png has 60000 x 60000 pixels"),
        ("a.png --mask bomb.png", "bomb.png has 60000 x 60000 pixels"),
        ("a.png --mask m.png --max-pixels 4799", "more than the limit of 4799"),
        ("a.png --mask narrow.png", "80 x 60 pixels and the mask 70 x 60"),
        ("a.png --mask empty.png", "nothing to fill"),
        ("a.png --mask full.png", "selects the whole picture"),
        ("pixel.png --mask full-pixel.png", "selects the whole picture"),
        ("pixel.png --mask empty-pixel.png", "nothing to fill"),
        ("a.png", "no transparent pixels"),
        ("glass.png", "selects the whole picture"),
        ("a.png --mask m.png --grow 200", "smaller grow"),
        ("a.png --mask m.png --grow -1", "grow is a number of pixels from 0 to 4096, not -1"),
        ("a.png --mask m.png --grow 5000", "grow is a number of pixels from 0 to 4096, not 5000"),
        ("a.png --mask m.png --seed -1", "seed is a number from 0 to 4294967295, not -1"),
        (
            "a.png --mask m.png --seed 18446744073709551616",
            "seed is a number from 0 to 4294967295, not 18446744073709551616",
        ),
        ("a.png --mask m.png --context 70000", "a number of pixels from 0 to 65536, not 70000"),
        ("a.png --mask m.png --feather -1", "feather is a number of pixels from 0 to 4096, not -1"),
        ("a.png --mask m.png --context some", 'context is "auto", "whole" or a number'),
        ("glass.png --mask m.png -o b.jpg", "JPEG has no transparency"),
        ("a.png --mask m.png -o b.bmp", "does not say what kind of picture"),
        ("a.png --mask m.png -o none/b.png", "none/b.png cannot be written"),
        ("a.png --mask m.png -o .", "does not say what kind of picture"),
        ("a.png --mask m.png --model nobodys", "nobodys"),
        ("a.png --mask m.png --model none.safetensors", "none.safetensors"),
        ("a.png --mask m.png --model broken.safetensors", "broken.safetensors"),
        ("a.png --mask m.png --device xpu", "xpu"),
    ],
)
def test_bad_input_is_one_line_and_no_file(run: Run, arguments: str, said: str) -> None:
    before = sorted(Path().iterdir())
    words = arguments.split()
    if "-o" not in words:
        words += ["-o", "b.png"]
    chosen = {"model": None} if "--model" in words else {}
    assert said in run(*words, **chosen).said()
    assert sorted(Path().iterdir()) == before


def limited(*arguments: str, megabytes: float) -> subprocess.CompletedProcess[str]:
    """The real command, where no file may become larger than that."""
    program = (
        "import os, resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({int(megabytes * 1e6)},) * 2); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", program, str(COMMAND), "fill", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit on the size of files")
@pytest.mark.usefixtures("run")
def test_a_full_disk_leaves_what_was_there(weights: Path) -> None:
    output = "b.png"
    save(photo(200, 300), "a.png")
    save(hole(200, 300), "m.png")
    Path(output).write_bytes(b"an older one")
    before = sorted(Path().iterdir())
    done = limited("a.png", "--mask", "m.png", "-o", output, "--model", str(weights), megabytes=0.01)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"lama-fill: {output} cannot be written (File too large)")
    assert done.stderr.count("\n") == 1
    assert sorted(Path().iterdir()) == before
    assert Path(output).read_bytes() == b"an older one"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_takes_no_files(run: Run) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    Path("locked").mkdir(mode=0o500)
    assert "locked/b.png cannot be written" in run("a.png", "--mask", "m.png", "-o", "locked/b.png").said()


def test_the_real_command(run: Run, weights: Path) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    words = [str(COMMAND), "fill", "a.png", "--model", str(weights), "--mask"]
    done = subprocess.run([*words, "m.png"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a-filled.png: 80 x 60, filled in ")
    assert Path("a-filled.png").exists()
    failed = subprocess.run([*words, "none.png", "-o", "b.png"], capture_output=True, text=True, check=False)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr == "lama-fill: there is no file none.png\n"


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_on_a_terminal_there_is_a_progress_bar(run: Run, weights: Path) -> None:
    import pty

    save(photo(), "a.png")
    save(hole(), "m.png")
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [str(COMMAND), "fill", "a.png", "--mask", "m.png", "-o", "b.png", "--model", str(weights)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        text=True,
    )
    os.close(theirs)
    drawn = b""
    try:
        while part := os.read(ours, 4096):
            drawn += part
    except OSError:  # how Linux says that the other side has closed
        pass
    os.close(ours)
    out, _ = done.communicate()
    assert done.returncode == 0
    assert out.startswith("b.png: ")
    assert b"loading" in drawn or b"filling" in drawn


@pytest.mark.parametrize("size", ["much", "2XB", "-1GB"])
def test_memory_that_is_no_size(run: Run, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("a.png", f"--memory={size}")
    assert "is no size: write 800MB or 2GB" in capsys.readouterr().err


def test_memory_in_any_unit(run: Run) -> None:
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", "--no-server", "--memory", "0.5GB")
    assert (done.status, done.err) == (0, "")


def test_the_precision_of_the_settings_holds_without_a_server_too(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMA_FILL_PRECISION", "fp16")
    save(photo(), "a.png")
    save(hole(), "m.png")
    done = run("a.png", "--mask", "m.png", "-o", "b.png", "--no-server", "--device", "cpu")
    assert done.status != 0
    assert done.err.strip().endswith("this CPU does not compute in fp16: use the precision auto or fp32")
    assert not Path("b.png").exists()
