"""A server that systemd starts at a connection, with the socket that systemd made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lama_cli.autostart import discovery_files
from lama_core.client.connection import (
    ClientError,
    SandboxError,
    ServerStartError,
    connect,
    discovery,
    launch,
)
from lama_core.client.connection.launch import ACTIVATION_FILE, trigger_activation
from lama_server.lock import Lock
from lama_server.socket_activation import drain, take_passed_socket

needs_activator = pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd-socket-activate passes the socket"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Zoë's state"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def activator(folder: Path, data_folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """systemd's way of starting a server, without systemd."""
    port = discovery_files.free_port()
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}"]
    for name in ("LAMA_FILL_DATA_DIR", "LAMA_FILL_CONFIG", "PATH", "HOME"):
        command += ["-E", f"{name}={os.environ[name]}"]
    command += ["-E", f"LAMA_FILL_RUNTIME_DIR={folder}"]
    command += ["/bin/sh", "-c", 'exec "$0" "$@"']  # as the unit does
    command += [sys.executable, "-m", "lama_cli", *launch.SERVE, "--preload", "false"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    discovery_files.write_door(folder, port)
    until = time.monotonic() + 10
    while not _is_listened_on(port):
        assert time.monotonic() < until
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait()


def _is_listened_on(port: int) -> bool:
    """Looked up, because an attempt to connect would be one that starts it."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(f"0100007F:{port:04X} 00000000:0000 0A" in line for line in lines)


@needs_activator
def test_a_client_in_a_sandbox_gets_its_server(
    folder: Path, activator: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "sandbox", lambda: "Flatpak")
    with connect(client="test", folder=folder) as server:
        status = server.status()
        assert status.pid == activator.pid
        port = json.loads((folder / "server.json").read_text())["port"]
        assert port == json.loads((folder / ACTIVATION_FILE).read_text())["port"], (
            "it serves at systemd's socket"
        )
    activator.send_signal(signal.SIGTERM)
    assert activator.wait(10) == 0
    assert not (folder / "server.json").exists()
    assert not _is_listened_on(port)
    with pytest.raises(SandboxError, match="service install"):
        connect(client="test", folder=folder)


@needs_activator
def test_a_server_that_is_not_needed_turns_away_who_connected(
    folder: Path, activator: subprocess.Popen[bytes]
) -> None:
    lock = Lock(folder / "server.lock")
    assert lock.acquire()
    runtime = {"port": 9, "pid": os.getpid(), "version": "1", "token": "A" * 43, "started": 1.0}
    (folder / "server.json").write_text(json.dumps(runtime))
    (folder / "server.json").chmod(0o600)
    with socket.create_connection(
        ("127.0.0.1", json.loads((folder / ACTIVATION_FILE).read_text())["port"])
    ) as connecting:
        connecting.settimeout(10)
        assert connecting.recv(1) == b""
    assert activator.wait(10) == 0
    lock.release()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"port": 0}', '{"port": "1"}', '{"port": 9}', "[" * 9999]
)
def test_a_door_that_leads_nowhere(folder: Path, content: str) -> None:
    (folder / ACTIVATION_FILE).write_text(content)
    (folder / ACTIVATION_FILE).chmod(0o600)
    assert not trigger_activation(folder)


def test_nobody_comes_to_the_door(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "RESTART_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        discovery_files.write_door(folder, listener.getsockname()[1])
        with pytest.raises(ServerStartError, match="is not up after 1 s"):
            connect(client="test", folder=folder, start_seconds=1)
        listener.settimeout(1)
        for _ in range(2):  # the first one may have been for a server that was just ending
            listener.accept()[0].close()


def test_a_door_that_others_may_have_made(folder: Path) -> None:
    discovery_files.write_door(folder, 9)
    (folder / ACTIVATION_FILE).chmod(0o666)
    with pytest.raises(ClientError, match="can be written by other users"):
        trigger_activation(folder)


def test_a_socket_for_somebody_else_is_left_alone() -> None:
    for environ in (
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
    ):
        assert take_passed_socket(environ) is None
        assert environ == {}, "no child must find it"


_TAKE = """
import os, sys
from lama_server.app import PortError
from lama_server.socket_activation import take_passed_socket
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = sys.argv[1]
try:
    print(take_passed_socket(os.environ).getsockname()[1])
except PortError as error:
    print(error)
"""


def _take(given: socket.socket, count: int = 1) -> str:
    """What a process says that is passed this socket."""

    def place() -> None:
        os.dup2(given.fileno(), 3)

    command = [sys.executable, "-c", _TAKE, str(count)]
    done = subprocess.run(
        command, preexec_fn=place, close_fds=False, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_only_a_listening_socket_on_loopback_is_taken() -> None:
    with socket.socket() as good, socket.socket() as deaf, socket.socket() as open_to_all:
        good.bind(("127.0.0.1", 0))
        good.listen()
        assert _take(good) == str(good.getsockname()[1])
        assert "is not one listening socket" in _take(good, 2)
        deaf.bind(("127.0.0.1", 0))
        assert "is not one listening socket" in _take(deaf)
        open_to_all.bind(("0.0.0.0", 0))
        open_to_all.listen()
        assert "is not one listening socket" in _take(open_to_all)


def test_turning_away() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        waiting = [socket.create_connection(listener.getsockname()) for _ in range(3)]
        drain(listener)
        for connection in waiting:
            assert connection.recv(1) == b""
            connection.close()
