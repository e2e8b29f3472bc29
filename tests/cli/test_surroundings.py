"""The command where the usual surroundings are missing, or hold what is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).parent.parent.parent

# As a container has it whose user is in no database.
NOBODY = """
import os, sys
if sys.platform != "win32":
    import pwd
    def unknown(uid):
        raise KeyError(uid)
    pwd.getpwuid = unknown
from lama_cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture and its mask."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    mask = np.zeros((48, 64), np.uint8)
    mask[20:28, 30:40] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    return tmp_path


def surroundings(**variables: str) -> dict[str, str]:
    """The environment without a home folder and without what the tests set."""
    gone = ("HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "USER", "LOGNAME", "PYTHONPATH", "PYTHONSAFEPATH")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in gone and not name.startswith(("LAMA_FILL", "XDG_"))
    }
    return kept | variables


def as_nobody(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", NOBODY, *arguments],
        cwd=folder,
        env=surroundings(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def named_folders(folder: Path) -> dict[str, str]:
    return {
        "LAMA_FILL_RUNTIME_DIR": str(folder / "state"),
        "LAMA_FILL_DATA_DIR": str(folder / "data"),
        "LAMA_FILL_CACHE_DIR": str(folder / "cache"),
    }


def test_without_a_home_folder_it_works_where_the_folders_are_named(folder: Path, weights: Path) -> None:
    fill = ("fill", "a.png", "--mask", "m.png", "-o", "b.png", "--no-server")
    done = as_nobody(folder, *fill, "--model", str(weights), **named_folders(folder))
    assert done.returncode == 0, done.stderr
    assert (folder / "b.png").exists()
    for command in (
        ("models", "list"),
        ("status",),
        ("doctor", "--no-fill"),
        ("models", "import", "~nobody/x"),
    ):
        done = as_nobody(folder, *command, **named_folders(folder))
        assert "Traceback" not in done.stderr, command


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always knows a profile")
@pytest.mark.parametrize(
    "command",
    [("fill", "a.png", "--mask", "m.png", "-o", "b.png"), ("status",), ("models", "list"), ("doctor",)],
)
def test_without_a_home_folder_the_variables_are_named(folder: Path, command: tuple[str, ...]) -> None:
    done = as_nobody(folder, *command)
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        assert "this user has no home folder: name one for each of LAMA_FILL_RUNTIME_DIR" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (folder / "~").exists()


def test_folders_are_named_from_where_the_command_is_given(folder: Path, weights: Path) -> None:
    """The server and its worker work in other folders."""
    variables = surroundings(
        HOME=str(folder),
        LAMA_FILL_RUNTIME_DIR="state",
        LAMA_FILL_DATA_DIR="data",
        LAMA_FILL_CACHE_DIR="./cache",
        LAMA_FILL_CONFIG="",
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "lama_cli", *arguments],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    assert run("models", "import", str(weights), "--name", "mine").returncode == 0
    assert run("models", "use", "mine").returncode == 0
    try:
        done = run("fill", "a.png", "--mask", "m.png", "-o", "b.png")
        assert (done.returncode, done.stderr) == (0, "")
        assert "with mine on" in done.stdout
        assert (folder / "state" / "server.json").exists()
        assert any((folder / "cache").rglob("*"))
    finally:
        run("stop")
    # Nothing lies in folders of these names elsewhere.
    assert [path.name for path in folder.rglob("server.log")] == ["server.log"]
    assert not (folder / "state" / "state").exists()


def test_no_file_of_the_users_is_ever_run(folder: Path, weights: Path) -> None:
    """Whatever a Python module may be called, and wherever it lies: beside the picture, in HOME, here."""
    home, pictures, here = folder / "home", folder / "pictures", folder / "here"
    names = (
        *("random", "json", "numpy", "torch", "lama_core", "lama_cli", "sitecustomize", "usercustomize"),
        *("pyvips", "PIL", "msgpack", "asyncio", "logging", "tempfile", "secrets", "platformdirs"),
    )
    for place in (home, pictures, here):
        place.mkdir()
        for name in names:
            (place / f"{name}.py").write_text(f"open({str(folder / 'EXECUTED')!r}, 'a').write(__file__)\n")
        (place / "lama.pth").write_text(f"import os; open({str(folder / 'EXECUTED')!r}, 'a')\n")
    for name in ("a.png", "m.png"):
        (folder / name).rename(pictures / name)
    command = Path(sys.executable).parent / ("lama-fill.exe" if sys.platform == "win32" else "lama-fill")
    variables = surroundings(HOME=str(home), USERPROFILE=str(home), **named_folders(folder))
    picture, mask = str(pictures / "a.png"), str(pictures / "m.png")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(command), *arguments],
            cwd=here,
            env=variables,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    assert run("models", "import", str(weights), "--name", "mine").returncode == 0
    assert run("models", "use", "mine").returncode == 0
    try:
        done = run("fill", picture, "--mask", mask)
        assert (done.returncode, done.stderr) == (0, "")
        run("doctor", "--no-fill")
    finally:
        run("stop")
    assert run("batch", str(pictures), "--no-server").returncode in (0, 1)
    assert not (folder / "EXECUTED").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of POSIX")
def test_a_drive_without_modes_and_without_fsync_is_written_to(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lama_cli import main

    def refused(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in ("chmod", "fchmod", "fsync"):
        monkeypatch.setattr(os, name, refused)
    monkeypatch.setattr(Path, "chmod", refused)
    monkeypatch.chdir(folder)
    for name, value in named_folders(folder).items():
        monkeypatch.setenv(name, value)
    assert main(["models", "import", str(weights), "--name", "mine"]) == 0
    for _ in range(2):  # the second time a file is replaced
        arguments = ["fill", "a.png", "--mask", "m.png", "-o", "b.png", "--no-server", "--model", "mine"]
        assert main(arguments) == 0
    assert main(["doctor", "--no-fill", "--report", str(folder / "report.txt")]) in (0, 1)
