"""In the real GIMP: cancelled, without a server, or with one that dies, the image stays as it was."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from tests.hosts.conftest import Server, running, start_server
from tests.hosts.gimp import Gimp


@pytest.fixture
def alone(system: Path, inside_folder: Path, archives: Mapping[str, Path], tmp_path: Path) -> Iterator[Gimp]:
    """GIMP with the plug-in and no server yet. Its folder has a place for the state of one."""
    folder = inside_folder / tmp_path.name
    state = folder / "state"
    state.mkdir(parents=True, mode=0o700)
    inside = "/" + folder.relative_to(system).as_posix()
    environment = {
        "LAMA_FILL_RUNTIME_DIR": f"{inside}/state",
        "LAMA_FILL_COMMAND": f"{inside}/lama-fill",
    }
    editor = Gimp.install(system, folder, archives["gimp"], environment)
    yield editor
    editor.close()


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.02)


def plugin_process(gimp: Gimp) -> psutil.Process:
    """The process that GIMP kills when the artist cancels."""
    script = f"{gimp.inside}/profile/plug-ins/lama-fill/lama-fill.py"
    processes = psutil.process_iter(["cmdline"])
    (found,) = [process for process in processes if script in (process.info["cmdline"] or [])]
    return found


def test_cancel_leaves_the_image_untouched_and_the_server_idle(gimp: Gimp, server: Server) -> None:
    with gimp.calling("a_slow_one") as answer:
        until(lambda: running(server) == 1, "the fill runs")
        plugin_process(gimp).kill()
        said = answer()
    assert said["error"]
    assert said["fills"] == 0
    assert said["same"]
    assert said["images"] == 1, "a copy of the image was left behind"
    until(lambda: running(server) == 0, "the server is idle", seconds=15)
    assert gimp.call("one")["error"] == "", "the next fill works"


def test_the_server_is_killed_in_the_middle(system: Path, alone: Gimp) -> None:
    server = start_server(system, alone.folder / "state", "--model=compact")
    workers = []
    try:
        with alone.calling("a_slow_one") as answer:
            until(lambda: running(server) == 1, "the fill runs")
            workers = psutil.Process(server.process.pid).children(recursive=True)
            server.process.kill()
            said = answer()
        assert "connection to the LaMa Fill server was lost" in said["error"]
        assert said["fills"] == 0
        assert said["same"]
        assert said["images"] == 1, "a copy of the image was left behind"
    finally:
        server.process.kill()
        server.process.wait(timeout=10)
        for worker in workers:
            if worker.is_running():
                os.kill(worker.pid, signal.SIGKILL)


def test_no_server_and_none_to_start(alone: Gimp) -> None:
    answer = alone.call("one")
    assert "could not be started" in answer["error"]
    assert "lama-fill serve" in answer["error"]
    assert answer["fills"] == []
    assert answer["changed"] == {"outside": 0, "inside": 0}


def test_the_server_is_started_by_itself(system: Path, alone: Gimp) -> None:
    # The command that the plug-in runs is inside; the real one runs outside as soon as that asks for it.
    command = alone.folder / "lama-fill"
    command.write_text('#!/bin/sh\necho "$@" >"$0.asked.part"; mv "$0.asked.part" "$0.asked"; sleep 30\n')
    command.chmod(0o755)
    asked = alone.folder / "lama-fill.asked"
    started: list[Server] = []

    def start() -> None:
        until(asked.exists, "the plug-in starts a server")
        started.append(start_server(system, alone.folder / "state", "--model=compact"))

    starter = threading.Thread(target=start)
    starter.start()
    try:
        answer = alone.call("one")
        assert answer["error"] == ""
        assert len(answer["fills"]) == 1
        assert asked.read_text().split() == ["serve", "--started-by-client"]
    finally:
        starter.join()
        for server in started:
            server.process.terminate()
            server.process.wait(timeout=20)
