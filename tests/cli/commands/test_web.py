"""`lama-fill web`: the address, faults before it, and staying with the page."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from lama_cli.web.opening import readable_folder
from lama_core.client.protocol import auth
from tests.server.harness import ServerProcess, wait_until

Start = Callable[..., ServerProcess]


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _none_stays() -> Iterator[None]:
    """Whatever a test comes to, none of its commands goes on."""
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def spawn(server: ServerProcess, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "lama_cli", "web", *arguments],
        env={**server.environment, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore SIGINT, and the tests may be in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    _started.append(process)
    return process


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def session_status(server: ServerProcess, token: str) -> int:
    proof = auth.authorization(token, auth.new_nonce())
    request = f"GET /web/session HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: {proof}\r\n\r\n"
    return int(server.http(request.encode()).split()[1])


def test_the_address_is_printed_and_good_once(start: Start) -> None:
    server = start().ready()
    process = spawn(server, "--no-open")
    address = address_of(process)
    origin, _, token = address.partition("/#")
    assert origin == f"http://127.0.0.1:{server.port}"
    assert auth.is_token(token)
    assert session_status(server, token) == 200
    assert session_status(server, token) == 401
    process.terminate()
    said = process.communicate(timeout=20)[1]
    assert "good once" in said
    # Two commands have two addresses; that of an ended one is void.
    process = spawn(server, "--no-open")
    unused = address_of(process).partition("/#")[2]
    assert unused != token
    process.terminate()
    process.communicate(timeout=20)
    wait_until(lambda: session_status(server, unused) == 401)


def test_the_browser_is_opened_and_nobody_sees_the_token(start: Start, tmp_path: Path) -> None:
    server = start().ready()
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$*" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    process = spawn(server, BROWSER=f"{browser} %s")
    address = address_of(process)
    wait_until(seen.exists)
    # What a program is started with every user can read.
    given = seen.read_text()
    assert address.partition("#")[2] not in given
    file = Path(unquote(urlsplit(given).path))
    assert address in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.communicate()
    assert not file.exists()


def test_a_snap_gets_a_file_that_it_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "xdg-settings"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    own = tmp_path / "snap" / "firefox" / "common"
    own.mkdir(parents=True)
    for name, wanted in (("firefox_firefox.desktop", own), ("firefox.desktop", tmp_path), ("", tmp_path)):
        asked.write_text(f"#!/bin/sh\necho {name}\n")
        asked.chmod(0o755)
        assert readable_folder(tmp_path, tmp_path) == wanted
    asked.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert readable_folder(tmp_path, tmp_path) == tmp_path


def test_a_bad_picture_is_one_line_and_opens_nothing(start: Start, tmp_path: Path) -> None:
    server = start().ready()
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for name in ("bad.png", "nothing.png"):
        process = spawn(server, "--no-open", str(tmp_path / name))
        printed, said = process.communicate(timeout=60)
        assert process.returncode == 2
        assert printed == ""
        assert said.startswith("lama-fill: ")
        assert name in said
        assert len(said.splitlines()) == 1


def test_a_lost_server_is_started_again_and_an_ended_one_is_not(start: Start, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    server = start("real").ready()
    process = spawn(server, "--no-open", str(tmp_path / "photo.png"))
    token = address_of(process).partition("/#")[2]
    port = server.port
    server.process.kill()
    server.process.wait(10)

    def is_back() -> bool:
        try:
            return server.runtime.pid != server.process.pid and session_status(server, token) == 200
        except Exception:  # noqa: BLE001 - it is not there yet
            return False

    wait_until(is_back, seconds=60, what="the next server")
    assert server.port == port
    environment = {**os.environ, "LAMA_FILL_RUNTIME_DIR": str(server.folder)}
    stop = [sys.executable, "-m", "lama_cli", "stop"]
    subprocess.run(stop, env=environment, check=True, capture_output=True)
    time.sleep(2)
    assert not server.file.exists()
    assert process.poll() is None
    process.terminate()
    assert "waiting for the next one" in process.communicate(timeout=20)[1]
