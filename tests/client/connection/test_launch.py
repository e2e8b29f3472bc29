from __future__ import annotations

import json
import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from lama_core.client import places
from lama_core.client.connection import (
    FillCancelledError,
    NotTrustedError,
    SandboxError,
    ServerSilentError,
    ServerStartError,
    connect,
    discovery,
    launch,
)
from lama_core.client.connection.launch import Starter, clean_environment, find_command, sandbox

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the commands here are scripts")


def script(path: Path, code: str) -> Path:
    """A program that runs this Python code."""
    path.write_text(f"#!{sys.executable}\n{textwrap.dedent(code)}")
    path.chmod(0o755)
    return path


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_command_is_looked_for_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServerStartError, match="install"):
        find_command(folder)
    usual = script(folder / "usual", "")
    monkeypatch.setattr(launch, "_usual_places", lambda: [folder / "missing", usual])
    assert find_command(folder) == [str(usual)]
    on_path = script(folder / "lama-fill", "")
    monkeypatch.setenv("PATH", str(folder))
    assert find_command(folder) == [str(on_path)]
    record = folder / "launch.json"
    record.write_text(json.dumps({"command": [sys.executable, "-m", "lama_cli"]}))
    record.chmod(0o600)
    assert find_command(folder) == [sys.executable, "-m", "lama_cli"]
    monkeypatch.setenv(places.COMMAND_VARIABLE, "'/a b/lama-fill' --verbose")
    assert find_command(folder) == ["/a b/lama-fill", "--verbose"]
    monkeypatch.setenv(places.COMMAND_VARIABLE, "'/a b/lama-fill")
    with pytest.raises(ServerStartError, match=r"cannot be read.*'/a b/lama-fill"):
        find_command(folder)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"command": []}',
        '{"command": "/bin/sh"}',
        '{"command": [1]}',
        '{"command": ["sh"]}',
        '{"command": ["/removed/lama-fill"]}',
    ],
)
def test_a_useless_record_is_passed_over(folder: Path, content: str) -> None:
    record = folder / "launch.json"
    record.write_text(content)
    record.chmod(0o600)
    with pytest.raises(ServerStartError):
        find_command(folder)


@posix_only
def test_a_record_that_others_can_write_is_not_trusted(folder: Path) -> None:
    record = folder / "launch.json"
    record.write_text(json.dumps({"command": [sys.executable]}))
    record.chmod(0o666)
    with pytest.raises(NotTrustedError):
        find_command(folder)


def test_the_editors_environment_stays_in_the_editor() -> None:
    own = {
        "HOME": "/home/me",
        "LANG": "de_DE.UTF-8",
        "LAMA_FILL_DEVICE": "cpu",
        "CUDA_VISIBLE_DEVICES": "0",
        "XDG_CONFIG_HOME": "/home/me/.config",
    }
    editor = {
        "PYTHONHOME": "/opt/editor",
        "PYTHONPATH": "/opt/editor/plug-ins",
        "LD_LIBRARY_PATH": "/opt/editor/lib",
        "LD_PRELOAD": "/opt/editor/lib/x.so",
        "DYLD_LIBRARY_PATH": "/opt/editor/lib",
        "GI_TYPELIB_PATH": "/opt/editor/lib/girepository-1.0",
        "GIMP3_DATADIR": "/opt/editor/share",
        "QT_PLUGIN_PATH": "/opt/editor/plugins",
        "APPDIR": "/tmp/.mount_editor",
    }
    path = {"PATH": os.pathsep.join(["/tmp/.mount_editor/usr/bin", "/tmp/.mount_editor2/bin", "/usr/bin"])}
    cleaned = clean_environment({**own, **editor, **path})
    assert cleaned == {**own, "PATH": os.pathsep.join(["/tmp/.mount_editor2/bin", "/usr/bin"])}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python always looks in the current folder")
def test_a_file_in_the_home_folder_is_not_run_in_place_of_pythons_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "home_folder", lambda: folder)
    (folder / "random.py").write_text("raise SystemExit(9)")
    starter = Starter([sys.executable, "-c", "import random, sys; sys.exit(random.Random is None)"])
    wait_for(lambda: starter.status is not None)
    assert starter.status == 0, starter.last_words()
    starter.close()


@posix_only
def test_what_starts_is_free_of_this_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME_OF_EDITOR", "/nowhere")
    report = folder / "report.json"
    program = script(
        folder / "program",
        f"""
        import json, os, sys
        facts = dict(argv=sys.argv[1:], session=os.getsid(0), pid=os.getpid(), cwd=os.getcwd(),
                     stdin=os.read(0, 1).decode(), environment=dict(os.environ))
        open({str(report)!r} + ".new", "w").write(json.dumps(facts))
        os.rename({str(report)!r} + ".new", {str(report)!r})
        print("first", file=sys.stderr)
        print("last words", file=sys.stderr)
        sys.exit(3)
        """,
    )
    starter = Starter([str(program)])
    wait_for(lambda: starter.status is not None)
    facts = json.loads(report.read_text())
    assert facts["argv"] == ["serve", "--started-by-client"]
    assert facts["session"] == facts["pid"] != os.getsid(0)
    assert facts["stdin"] == ""
    assert facts["cwd"] == str(folder)
    assert "PYTHONHOME_OF_EDITOR" not in facts["environment"]
    assert facts["environment"]["LAMA_FILL_RUNTIME_DIR"] == str(folder)
    assert starter.status == 3
    assert starter.stderr_tail() == "last words"
    starter.close()
    assert not [child for child in psutil.Process().children() if child.pid == facts["pid"]], "no zombie"


def test_a_program_that_cannot_be_run_is_said_so(folder: Path) -> None:
    with pytest.raises(ServerStartError, match="missing could not be started"):
        Starter([str(folder / "missing")])


def test_a_sandbox_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAP", raising=False)
    assert sandbox() == ""
    monkeypatch.setenv("SNAP", "/snap/gimp/47")
    monkeypatch.setenv("SNAP_NAME", "gimp")
    assert sandbox() == "Snap"
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/.flatpak-info")
    assert sandbox() == "Flatpak"


def test_a_sandbox_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "sandbox", lambda: "Flatpak")
    with pytest.raises(SandboxError, match="Flatpak cannot start it: run `lama-fill service install`"):
        connect(client="test")


def test_a_sandbox_uses_a_server_that_runs(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "sandbox", lambda: "Flatpak")
    connect(client="test").close()


class FakeStarter:
    """Starts the fake server after a while, in this process."""

    def __init__(self, begin: Callable[[], None] | None, seconds: float, status: int | None = None) -> None:
        self.status: int | None = status
        self.closed = False
        if begin is not None:
            self.timer = threading.Timer(seconds, begin)
            self.timer.start()

    def stderr_tail(self) -> str:
        return "lama-fill: port 1 cannot be used"

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def later(server: Any) -> Iterator[Any]:
    """A fake server that does not run yet."""
    server.stop()
    (server.folder / "server.json").unlink()
    begun = threading.Event()

    def begin() -> None:
        type(server).start(server)
        begun.set()

    server.begin, server.begun = begin, begun
    yield server
    if not begun.is_set():
        begin()


def test_a_missing_server_is_started_and_waited_for(later: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    starters: list[FakeStarter] = []

    def start(folder: Path, command: object) -> FakeStarter:
        starters.append(FakeStarter(later.begin, 0.5))
        return starters[-1]

    monkeypatch.setattr(launch, "start", start)
    stages: list[str] = []
    with connect(client="test", progress=stages.append) as client:
        assert client.status().state == "ready"
    assert len(starters) == 1
    assert starters[0].closed
    assert set(stages) == {"starting"}
    assert len(stages) >= 3


def test_a_foreign_program_on_the_old_port_does_not_stop_a_start(
    later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed server left says a port that somebody else has now."""
    later.write_file(token="B" * 43)
    monkeypatch.setattr(launch, "start", lambda folder, command: FakeStarter(later.begin, 0.2))
    connect(client="test").close()


def test_a_start_that_fails_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "start", lambda folder, command: FakeStarter(None, 0, status=2))
    with pytest.raises(ServerStartError, match="lama-fill: port 1 cannot be used"):
        connect(client="test")


def test_a_start_that_takes_too_long_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "start", lambda folder, command: FakeStarter(None, 0))
    with pytest.raises(ServerStartError, match=r"not up after 0\.3 s"):
        connect(client="test", start_seconds=0.3)


def test_a_start_can_be_cancelled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "start", lambda folder, command: FakeStarter(None, 0))
    begun = time.monotonic()
    with pytest.raises(FillCancelledError):
        connect(client="test", cancelled=lambda: time.monotonic() - begun > 0.2)
    assert time.monotonic() - begun < 3


def test_a_server_that_is_just_ending_is_followed_by_a_new_one(
    later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start finds the place taken and exits with 0; the second one finds it free."""
    monkeypatch.setattr(discovery, "RESTART_SECONDS", 0.1)
    starters: list[FakeStarter] = []

    def start(folder: Path, command: object) -> FakeStarter:
        first = not starters
        starters.append(FakeStarter(None, 0, status=0) if first else FakeStarter(later.begin, 0.1))
        return starters[-1]

    monkeypatch.setattr(launch, "start", start)
    connect(client="test").close()
    assert len(starters) == 2
    assert all(starter.closed for starter in starters)


def test_a_server_that_holds_its_place_and_does_not_answer_is_said_so(
    later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr(discovery, "ATTEMPT_SECONDS", 0.2)
    monkeypatch.setattr(launch, "start", lambda folder, command: FakeStarter(None, 0, status=0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        later.port = listener.getsockname()[1]
        later.write_file()
        with pytest.raises(ServerSilentError, match="does not answer"):
            connect(client="test")


@posix_only
def test_a_real_program_is_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process that writes a runtime file and listens, but proves nothing."""
    program = script(
        folder / "lama-fill",
        """
        import json, os, socket, time
        listener = socket.create_server(("127.0.0.1", 0))
        folder = os.environ["LAMA_FILL_RUNTIME_DIR"]
        facts = dict(port=listener.getsockname()[1], pid=os.getpid(), version="0", token="A" * 43,
                     started=time.time())
        descriptor = os.open(folder + "/new", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps(facts).encode())
        os.rename(folder + "/new", folder + "/server.json")
        peer, _ = listener.accept()
        open(folder + "/request", "wb").write(peer.recv(65536))
        """,
    )
    monkeypatch.setenv(places.COMMAND_VARIABLE, "/nowhere/lama-fill")
    before = dict(os.environ)
    with pytest.raises((NotTrustedError, ServerStartError)):
        connect(client="test", command=[sys.executable, str(program)], start_seconds=2)
    assert dict(os.environ) == before, "no other program of this process is told"
    request = (folder / "request").read_bytes()
    assert request.startswith(b"GET / HTTP/1.1\r\n")
    assert b"A" * 43 not in request
