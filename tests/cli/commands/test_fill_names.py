"""Names and pipes that `lama-fill fill` takes, and what it prints of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_cli import main


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a picture and its mask, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "runtime"))
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[20:28, 30:40] = 255
    Image.fromarray(pixels).save("a.png")
    Image.fromarray(mask).save("m.png")


def fill(weights: Path, *arguments: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, with pipes."""
    command = [sys.executable, "-P", "-m", "lama_cli", "fill", *arguments, "--model", str(weights)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)  # type: ignore[call-overload,no-any-return]


def filled(weights: Path, *options: str) -> np.ndarray:
    """What a fill from files to a file gives."""
    assert (
        main(["fill", "a.png", "--mask", "m.png", "-o", "plain.png", *options, "--model", str(weights)]) == 0
    )
    return np.asarray(Image.open("plain.png"))


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize("which", ["picture", "mask"])
def test_standard_input_to_standard_output(weights: Path, name: str, which: str, tmp_path: Path) -> None:
    if name != "-" and not os.path.exists(name):
        pytest.skip("there is no such device")
    files = {"picture": "a.png", "mask": "m.png"}
    given = {**files, which: name}
    done = fill(
        weights,
        *(given["picture"], "--mask", given["mask"], "-o", "-"),
        input=Path(files[which]).read_bytes(),
    )
    assert done.returncode == 0, done.stderr
    Path("piped.png").write_bytes(done.stdout)
    np.testing.assert_array_equal(np.asarray(Image.open("piped.png")), filled(weights))
    assert done.stderr.decode().startswith("lama-fill: -: 64 x 48, filled in ")
    assert done.stderr.count(b"\n") == 1


def test_what_is_piped_keeps_its_kind(weights: Path) -> None:
    Image.open("a.png").save("a.tif")
    done = fill(weights, "-", "--mask", "m.png", "-o", "-", "--json", input=Path("a.tif").read_bytes())
    assert done.stdout.startswith(b"II*\0")
    assert json.loads(done.stderr)["output"] == "-"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names here")
def test_named_pipes(weights: Path) -> None:
    os.mkfifo("in")
    os.mkfifo("out")
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: Path("in").write_bytes(Path("a.png").read_bytes())),
        threading.Thread(target=lambda: got.append(Path("out").read_bytes())),
    ]
    for thread in threads:
        thread.start()
    assert main(["fill", "in", "--mask", "m.png", "-o", "out", "--model", str(weights)]) == 0
    for thread in threads:
        thread.join(30)
    Path("piped.png").write_bytes(got[0])
    np.testing.assert_array_equal(np.asarray(Image.open("piped.png")), filled(weights))
    assert sorted(path.name for path in Path().iterdir() if path.is_fifo()) == ["in", "out"]


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (("-", "--mask", "-", "-o", "b.png"), b"", "standard input is empty: give a picture"),
        (("-", "--mask", "m.png"), b"", "- has no folder to write to"),
        (("-", "--mask", "m.png", "-o", "-"), b"not a picture", "standard input is not a PNG"),
        (("a.png", "--mask", "-", "-o", "-"), b"\x89PNG\r\n\x1a\n", "standard input is damaged"),
        (
            ("a.png", "--mask", "-", "-o", "-"),
            b"GIF89a",
            "standard input is not a PNG, JPEG, WebP, AVIF or TIFF",
        ),
    ],
)
def test_a_pipe_that_cannot_be_used_is_one_line(
    weights: Path, arguments: tuple[str, ...], given: bytes, said: str
) -> None:
    done = fill(weights, *arguments, input=given)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"lama-fill: {said}")
    assert done.stderr.count(b"\n") == 1


def test_one_pipe_is_not_two_pictures(weights: Path) -> None:
    done = fill(weights, "-", "--mask", "-", "-o", "-", input=Path("a.png").read_bytes())
    assert done.returncode == 2
    assert b"standard input can be read only once: give the picture or the mask as a file" in done.stderr


def test_a_device_without_end_is_no_picture(weights: Path) -> None:
    if not os.path.exists("/dev/zero"):
        pytest.skip("there is no such device")
    done = fill(weights, "/dev/zero", "--mask", "m.png", "-o", "b.png")
    assert b"/dev/zero is not a PNG" in done.stderr


def test_nobody_reads_what_is_written(weights: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-P", "-m", "lama_cli", "fill", "a.png", "--mask", "m.png", "-o", "-"]
    done = subprocess.run(
        [*command, "--model", str(weights)], stdout=writer, stderr=subprocess.PIPE, timeout=120, check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr


NAMES = [
    b"a\nb.png",
    b"\x1b[2J\x07.png",
    b"\xff\xfe.png",
    b"[red][#1].png",
    b"-.png",
    "写.png".encode("gb2312"),
]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
@pytest.mark.parametrize("name", NAMES, ids=[repr(name) for name in NAMES])
def test_a_name_is_any_bytes(weights: Path, name: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    os.rename("a.png", name)
    path = os.path.join(".", os.fsdecode(name))
    for model, status in ((str(weights), 0), (path, 2)):
        output = os.path.join(".", f"{status}{os.fsdecode(name)}")
        assert main(["fill", path, "--mask", "m.png", "-o", output, "--model", model]) == status
        assert os.path.exists(output) == (status == 0)
        printed = capsys.readouterr()
        for text in (printed.out, printed.err):
            assert all(character.isprintable() for character in text.removesuffix("\n")), repr(text)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_a_name_that_the_terminal_cannot_show_loses_nothing(weights: Path) -> None:
    os.rename("a.png", b"\xff.png")
    surroundings = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii:strict"}
    done = fill(
        weights,
        os.fsdecode(b"\xff.png"),
        "--mask",
        "m.png",
        "-o",
        os.fsdecode(b"\xfe\xc3.png"),
        env=surroundings,
    )
    assert done.returncode == 0, done.stderr
    assert os.path.exists(b"\xfe\xc3.png")
    assert done.stdout.startswith(b"\\udcfe\\udcc3.png: 64 x 48")


def test_an_option_that_is_not_known_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fill", "a.png", "\x1b[2J\n"])
    assert "\x1b" not in capsys.readouterr().err


def test_a_model_of_any_name(capsys: pytest.CaptureFixture[str], weights: Path) -> None:
    if sys.platform in ("win32", "darwin"):
        pytest.skip("names are text there")
    for name, status in ((b"\x1b[2J\n\xff.ckpt", 2), (b"\x1b[2J\n\xff.safetensors", 0)):
        path = os.fsdecode(name)
        Path(path).write_bytes(weights.read_bytes() if status == 0 else b"nothing of use")
        assert main(["models", "import", path, "--name", "model"]) == status
        assert main(["models", "list"]) == 0
        printed = capsys.readouterr()
        for text in (printed.out, printed.err):
            assert all(character.isprintable() or character == "\n" for character in text), repr(text)
        assert "\\x1b[2J\\n" in printed.out + printed.err


def test_the_sizes_are_compared_before_anything_is_decoded(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lama_cli.pictures.reading.decode", None)
    Image.new("L", (20000, 15000)).save("large.png")
    assert main(["fill", "large.png", "--mask", "m.png", "-o", "b.png", "--model", str(weights)]) == 2
    assert "the picture is 20000 x 15000 pixels and the mask 64 x 48" in capsys.readouterr().err


def test_what_a_file_loses_is_said_before_it_is_replaced(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = Image.open("a.png")
    image.save("pages.tif", save_all=True, append_images=[image, image])
    said: list[str] = []

    def write(*arguments: object, **options: object) -> None:
        said.append(capsys.readouterr().err)

    monkeypatch.setattr("lama_cli.pictures.write_picture", write)
    arguments = ["fill", "pages.tif", "--mask", "m.png", "-o", "pages.tif", "--overwrite"]
    assert main([*arguments, "--model", str(weights)]) == 0
    assert said == ["lama-fill: pages.tif has 3 pages, only the first was taken\n"]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_orientation_is_turned_and_that_is_said(
    weights: Path, orientation: int, capsys: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.open("a.png").save("turned.png", exif=exif)
    assert main(["fill", "turned.png", "--mask", "m.png", "-o", "b.png", "--model", str(weights)]) == 0
    printed = capsys.readouterr()
    assert (
        printed.err
        == "lama-fill: m.png was made for the picture as it is stored: it was turned as the picture is\n"
    )
    assert "48 x 64" in printed.out
