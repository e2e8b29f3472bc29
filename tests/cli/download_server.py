"""A web server for downloads, which answers as a test says, and what a test wants of it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lama_cli.download import Policy, Wanted

CONTENT = random.Random(1).randbytes(300_000)
Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; `answer` is the web server's manner."""

    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        self.server.answers[self.path.rsplit("/", 1)[-1]](self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    @property
    def start(self) -> int:
        given = self.headers.get("Range")
        return int(given.removeprefix("bytes=").removesuffix("-")) if given else 0

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def part(self, content: bytes = CONTENT, *, stop: int | None = None) -> None:
        """The file from where it is asked for; `stop`: where the connection is cut."""
        size = len(content)
        if self.start:
            self.head(
                206, Content_Length=size - self.start, Content_Range=f"bytes {self.start}-{size - 1}/{size}"
            )
        else:
            self.head(200, Content_Length=size)
        self.wfile.write(content[self.start : stop])


class Web(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, **answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that go away are what is tested

    def __getitem__(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


def wanted(*mirrors: str, content: bytes = CONTENT) -> Wanted:
    digest = hashlib.sha256(content).hexdigest()
    return Wanted(name="model.pt", size=len(content), sha256=digest, mirrors=mirrors)


def policy(**other: object) -> Policy:
    values: dict[str, object] = {
        "schemes": frozenset({"http"}),
        "silence": 0.5,
        "slow_bytes": 1000,
        "sleep": lambda seconds: None,
    }
    return Policy(**(values | other))  # type: ignore[arg-type]
