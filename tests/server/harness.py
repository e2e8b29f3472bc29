"""A real server process for a test, and ways to talk to it: as a good client and as a bad one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import connect as AsyncConnect
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial
from websockets.typing import Subprotocol

from lama_core.client.connection import Client, connect
from lama_core.client.connection.runtime import RuntimeFile, read_runtime_file
from lama_core.client.options import FillOptions
from lama_core.client.protocol import auth
from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.messages import (
    SUBPROTOCOL,
    ClientMessage,
    Fill,
    Hello,
    ServerMessage,
    Welcome,
)
from tests.server.workers import INVERT, POLITE

HERE = Path(__file__).parent


def wait_until(true: Callable[[], Any], *, seconds: float = 10.0, what: str = "it") -> Any:
    """Wait until `true` returns something true, and return that; fail after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < until, f"{what} did not happen within {seconds} s"
        time.sleep(0.01)


class ServerProcess:
    """A server in a runtime folder of its own."""

    def __init__(
        self, folder: Path, kind: str = "scripted", *flags: str, started_by_client: bool = False
    ) -> None:
        """`kind`: see workers.py; "real" is `lama-fill serve` itself."""
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        script = ["-m", "lama_cli", "serve"] if kind == "real" else [str(HERE / "serve_with.py"), kind]
        asked = ["--started-by-client"] * started_by_client + ["--metrics", "yes"]
        self.command = [sys.executable, *script, *asked, *flags]
        self.environment = {**os.environ, "LAMA_FILL_RUNTIME_DIR": str(folder)}
        self.began = time.monotonic()
        self.process = self.spawn()

    def spawn(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            cwd=self.folder,
        )

    @property
    def runtime(self) -> RuntimeFile:
        return read_runtime_file(self.folder)

    @property
    def file(self) -> Path:
        return self.folder / "server.json"

    @property
    def port(self) -> int:
        return self.runtime.port

    def up(self) -> ServerProcess:
        """Wait until it accepts connections."""

        def answers() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            with contextlib.suppress(Exception):
                if self.runtime.pid == self.process.pid:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    return True
            return False

        wait_until(answers, seconds=20, what="the server's start")
        return self

    def seconds_until_up(self) -> float:
        """From the start of the process to the first connection that it answers."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with (
                contextlib.suppress(Exception),
                socket.create_connection(("127.0.0.1", self.port), 5) as plain,
            ):
                plain.sendall(b"GET /health HTTP/1.1\r\n\r\n")
                if plain.recv(1):
                    return time.monotonic() - self.began
            time.sleep(0.002)
        raise AssertionError(self.process.communicate())

    def ready(self) -> ServerProcess:
        """Wait until its worker is ready too."""
        self.up()
        wait_until(lambda: self.health()["state"] == "ready", seconds=60, what="the worker's start")
        return self

    def connect(self, **options: Any) -> Client:
        return connect(client="tests", start=False, folder=self.folder, **options)

    def http(self, request: bytes, *, enough: bytes | None = None, timeout: float = 5.0) -> bytes:
        """Send bytes, and return everything that comes back until the server closes, or until `enough`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as plain:
            plain.sendall(request)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while (enough is None or enough not in answer) and (part := plain.recv(65536)):
                    answer += part
            return answer

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page."""
        answer = self.http(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
        head, _, body = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def health(self) -> dict[str, str]:
        return json.loads(self.get("/health")[1])

    def metric(self, name: str) -> float:
        """A value of /metrics, named with its labels."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        raise AssertionError(f"no metric {name}")

    def workers(self) -> list[int]:
        """Process numbers of the workers, as the system knows them."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]
        return []

    def memory(self) -> int:
        """Bytes that the server process itself holds."""
        return psutil.Process(self.process.pid).memory_info().rss

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 10.0) -> int:
        """Send a signal and wait for the process's end."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def clean_up(self) -> None:
        workers = self.workers()
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
        self.process.communicate()
        log = self.log() if (self.folder / "server.log").exists() else ""
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert "\n    Traceback" not in log, log


@contextlib.contextmanager
def dialled(server: ServerProcess, **options: Any) -> Iterator[ClientConnection]:
    """An authenticated websocket on which nothing was said yet."""
    runtime = server.runtime
    headers = {"Authorization": auth.authorization(runtime.token, auth.new_nonce())}
    with dial(
        f"ws://127.0.0.1:{runtime.port}/",
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        additional_headers=headers,
        compression=None,
        max_size=None,
        proxy=None,
        ping_interval=None,  # how long the server may be silent is for the test to say
        close_timeout=1,
        **options,
    ) as websocket:
        yield websocket


@contextlib.contextmanager
def greeted(server: ServerProcess, **options: Any) -> Iterator[ClientConnection]:
    """As `dialled`, after hello and welcome."""
    with dialled(server, **options) as websocket:
        say(websocket, Hello(client="tests"))
        assert isinstance(hear(websocket), Welcome)
        yield websocket


def dial_async(server: ServerProcess) -> AsyncConnect:
    """As `dialled`, for asyncio."""
    runtime = server.runtime
    return AsyncConnect(
        f"ws://127.0.0.1:{runtime.port}/",
        subprotocols=[Subprotocol(SUBPROTOCOL)],
        additional_headers={"Authorization": auth.authorization(runtime.token, auth.new_nonce())},
        compression=None,
        max_size=None,
        max_queue=None,
        proxy=None,
        open_timeout=60,
    )


def say(websocket: ClientConnection, message: ClientMessage) -> None:
    websocket.send(encode(message))


def hear(websocket: ClientConnection, seconds: float = 10.0) -> ServerMessage:
    frame = websocket.recv(timeout=seconds)
    assert isinstance(frame, bytes)
    return decode_server(frame)


def hear_ending(websocket: ClientConnection, job: int, seconds: float = 10.0) -> ServerMessage:
    """The last message of a job."""
    while True:
        message = hear(websocket, seconds)
        if getattr(message, "job", None) == job and type(message).__name__ in (
            "Result",
            "Cancelled",
            "Error",
        ):
            return message


def make_fill(
    job: int = 1,
    *,
    width: int = 16,
    height: int = 8,
    milliseconds: int = 0,
    fault: int = POLITE,
    fillbyte: int = 7,
) -> Fill:
    """A fill for the scripted engine."""
    return Fill(
        job=job,
        width=width,
        height=height,
        format="rgba",
        depth="u8",
        pixels=bytes([fillbyte]) * (width * height * 4),
        hole=b"\xff" * (width * height),
        options=FillOptions(seed=milliseconds, grow=fault),
    )


def fill_with(client: Client, fill: Fill, **options: Any) -> bytes:
    """Send a fill through the client; returns the pixels, checked to be the scripted engine's."""
    result = client.fill(fill, **options)
    assert bytes(result.pixels) == bytes(fill.pixels).translate(INVERT)
    return bytes(result.pixels)


def next_fill_succeeds(server: ServerProcess) -> None:
    """What has to hold after every fault."""
    with server.connect() as client:
        fill_with(client, make_fill(fillbyte=99))
