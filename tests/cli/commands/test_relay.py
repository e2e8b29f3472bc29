"""`lama-fill relay` as a process: it starts the server, ends with its pipe, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lama_core.client.connection import connect
from lama_core.client.gimp.frames import Frame, read_frame, write_frame
from lama_core.client.gimp.relay import FAILED
from tests.server.harness import ServerProcess, wait_until

Start = Callable[..., ServerProcess]

_started: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _none_stays() -> Iterator[None]:
    yield
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def spawn(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lama_cli", "relay"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _started.append(process)
    return process


def send(process: subprocess.Popen[bytes], seed: int = 0, side: int = 96) -> None:
    """Everything at once: a square with a square hole."""
    hole = bytearray(side * side)
    for y in range(40, 56):
        hole[y * side + 40 : y * side + 56] = b"\xff" * 16
    header = {
        "type": "fill",
        "relay": 1,
        "name": "photo",
        "canvas": [0, 0, side, side],
        "hole": [0, 0, side, side],
        "selection": True,
        "format": "rgb",
        "depth": "u8",
        "transfer": "perceptual",
        "options": {"grow": 0, "feather": 0, "variation": seed, "quality": "fast"},
    }
    assert process.stdin is not None
    write_frame(process.stdin, Frame(header, bytes(range(256)) * (side * side * 3 // 256) + bytes(hole)))


def frames(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    while (frame := read_frame(process.stdout)) is not None:
        yield dict(frame.header)


def test_the_server_is_started_and_stays(data_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    process = spawn({**os.environ, "LAMA_FILL_RUNTIME_DIR": str(folder)})
    send(process)
    try:
        headers = list(frames(process))
        assert process.wait(20) == 0
        assert headers[-1]["type"] == "done"
        assert headers[-1]["rect"] == [40, 40, 16, 16]
        assert "LaMa Fill: Starting the server…" in [header.get("text") for header in headers]
    finally:
        with connect(client="tests", start=False, folder=folder) as server:
            server.shutdown()
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_the_end_of_its_input_cancels(start: Start) -> None:
    server = start().ready()
    process = spawn(server.environment)
    send(process, seed=60_000)
    with server.connect() as client:
        wait_until(lambda: client.status().running == 1, what="the fill")
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == FAILED
        wait_until(lambda: client.status().running == 0, what="the end of the fill")
    assert "done" not in [header["type"] for header in frames(process)]
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_it_ends_when_it_is_done_though_nobody_has_closed_the_pipe(start: Start) -> None:
    process = spawn(start().ready().environment)
    send(process)
    assert list(frames(process))[-1]["type"] == "done"
    assert process.wait(10) == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_nothing_came_at_all() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lama_cli", "relay"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, b"", b"")


def test_a_person_is_told_whose_it_is() -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "lama_cli", "relay"],
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "GIMP 2.10" in done.stderr
