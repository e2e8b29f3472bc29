"""An older version of LaMa Fill, out of the history: its client, and its server."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.installers.new_user import PROJECT
from tests.server.harness import wait_until

COMMIT = "c490366"
"""Version 0.1 of November 22, before client and server changed their folders and their messages' classes."""

_PARTS = ("lama_core", "server", "tests/server")

_CLIENT = """
import sys
from pathlib import Path
from lama_core.client import connect
with connect(client="older", start=False, folder=Path(sys.argv[1])) as client:
    done = 0
    for number in range(int(sys.argv[2])):
        pixels = bytes([number % 256]) * (16 * 8 * 4)
        window = dict(width=16, height=8, format="rgba", depth="u8", pixels=pixels, hole=b"\\xff" * 128)
        done += bytes(client.fill(**window).pixels) == bytes(255 - value for value in pixels)
print(done)
"""


def unpack_older(folder: Path, *parts: str) -> Path:
    """Its sources, or these parts of them, in a new folder; skips where the history is not at hand."""
    command = ["git", "-C", str(PROJECT), "archive", COMMIT, *(parts or _PARTS)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("the older version is not in this clone's history")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def older_archive(folder: Path, editor: str) -> Path:
    """The archive of its plug-in, as its own builder makes it."""
    parts = ("lama_core", "server", "installers", f"plugin_{editor}", "LICENSE", "pyproject.toml")
    sources = unpack_older(folder / "older", *parts)
    done = subprocess.run(
        [sys.executable, "installers/build_plugins.py", "--out", "dist", "--only", editor],
        env={**os.environ, "PYTHONPATH": str(sources), "SOURCE_DATE_EPOCH": "1763769600"},
        cwd=sources,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (archive,) = (sources / "dist").glob(f"lama-fill-{editor}-*.zip")
    return archive


def _environment(sources: Path, state: Path) -> dict[str, str]:
    path = os.pathsep.join([str(sources), str(sources / "server")])
    return {**os.environ, "PYTHONPATH": path, "LAMA_FILL_RUNTIME_DIR": str(state)}


def older_client_fills(sources: Path, state: Path, count: int) -> int:
    """Have its client fill so often with the server of a state folder; returns how many were right."""
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT, str(state), str(count)],
        env=_environment(sources, state),
        cwd=sources,  # which comes before every other place
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@contextmanager
def older_server(sources: Path, state: Path) -> Iterator[None]:
    """Its server, with a worker that inverts what it gets."""
    state.mkdir(mode=0o700)
    process = subprocess.Popen(
        [sys.executable, str(sources / "tests/server/serve_with.py"), "scripted"],
        env=_environment(sources, state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=state,
    )
    try:
        wait_until((state / "server.json").exists, seconds=30, what="the older server's start")
        yield
    finally:
        process.terminate()
        process.wait(20)
