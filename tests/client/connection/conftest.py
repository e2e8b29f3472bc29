"""A server for the client's tests: the real protocol over a real socket, with answers that a test chooses."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from lama_core.client import places
from lama_core.client.connection import launch
from lama_core.client.protocol import auth
from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    SUBPROTOCOL,
    Accepted,
    Cancel,
    Cancelled,
    Device,
    Error,
    Fill,
    Hello,
    Model,
    Progress,
    Result,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
    pixel_bytes,
)
from lama_core.client.protocol.session import ServerSession


class Conversation:
    """One connection of the fake server."""

    def __init__(self, server: FakeServer, websocket: ServerConnection) -> None:
        self.server = server
        self.websocket = websocket
        self.session = ServerSession(server.limits)

    def say(self, message: object) -> None:
        self.websocket.send(self.session.send(message))  # type: ignore[arg-type]

    def hear(self, seconds: float | None = None) -> object:
        frame = self.websocket.recv(timeout=seconds)
        assert isinstance(frame, bytes)
        message = self.session.receive(frame)
        self.server.heard.append(message)
        return message

    def finish(self, fill: Fill) -> None:
        """The whole window in pixels of sevens."""
        size = fill.width * fill.height
        self.say(
            Result(
                job=fill.job,
                x=0,
                y=0,
                width=fill.width,
                height=fill.height,
                format=fill.format,
                depth=fill.depth,
                pixels=b"\x07" * (size * pixel_bytes(fill.format, fill.depth)),
                blend=bytes(fill.hole),
                model="compact",
                device="cpu",
                seconds=0.1,
            )
        )


Answer = Callable[[Conversation, Fill], None]


def work(conversation: Conversation, fill: Fill) -> None:
    """What a server does that has nothing else to do."""
    conversation.say(Accepted(job=fill.job, position=2))
    conversation.say(Progress(job=fill.job, stage="queued", fraction=0.0, position=1))
    conversation.say(Progress(job=fill.job, stage="filling", fraction=0.5))
    conversation.finish(fill)


class FakeServer:
    """Listens from `start` to `stop`; both may be called again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = auth.new_token()
        self.limits = Limits(heartbeat_seconds=0.2)
        self.answer: Answer = work
        self.stubborn = False
        self.proof: Callable[[str], str] = lambda nonce: auth.server_proof(self.token, nonce)
        self.welcome = Welcome(
            server_version="0.0",
            limits=self.limits,
            devices=(Device(id="cpu", name="CPU"),),
            models=(Model(name="compact"),),
            default_model="compact",
        )
        self.refuse_hello: Error | None = None
        self.heard: list[object] = []
        self.requests: list[Request] = []
        self.connections: list[ServerConnection] = []
        self._nonces = auth.Nonces()

    def start(self) -> None:
        self._server = serve(
            self._handle,
            "127.0.0.1",
            0,
            process_request=self._admit,
            process_response=self._prove,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            max_size=self.limits.max_frame_bytes,
            close_timeout=1,
        )
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.write_file()

    def write_file(self, **changes: object) -> None:
        fields = {
            "port": self.port,
            "pid": os.getpid(),
            "version": "0.0",
            "token": self.token,
            "started": time.time(),
            **changes,
        }
        path = self.folder / "server.json"
        path.write_text(json.dumps(fields))
        path.chmod(0o600)

    def recover(self) -> None:
        """Answer the next fill as a server should."""
        self.answer = work

    def drop_all(self) -> None:
        for websocket in self.connections:
            with contextlib.suppress(OSError):
                websocket.socket.shutdown(2)

    def stop(self) -> None:
        self._server.shutdown()
        self.drop_all()
        self._thread.join()

    def heard_fills(self) -> list[Fill]:
        return [message for message in self.heard if isinstance(message, Fill)]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        verdict = auth.check_upgrade(
            hosts=request.headers.get_all("Host"),
            origins=request.headers.get_all("Origin"),
            authorizations=request.headers.get_all("Authorization"),
            port=self.port,
            token=self.token,
            nonces=self._nonces,
        )
        if verdict.admitted:
            return None
        return Response(verdict.status, "", Headers({"Content-Length": "0"}), b"")

    def _prove(self, connection: ServerConnection, request: Request, response: Response) -> None:
        parsed = auth.parse_authorization(request.headers["Authorization"])
        if parsed is not None and response.status_code == 101:
            response.headers[auth.SERVER_PROOF] = self.proof(parsed[0])

    def _handle(self, websocket: ServerConnection) -> None:
        self.connections.append(websocket)
        conversation = Conversation(self, websocket)
        with contextlib.suppress(ConnectionClosed):
            try:
                self._converse(conversation)
            except ProtocolError as error:
                conversation.say(Error.of(error.code, error.message, job=error.job))
                websocket.close(1002)

    def _converse(self, conversation: Conversation) -> None:
        while True:
            message = conversation.hear()
            if isinstance(message, Hello):
                conversation.say(self.refuse_hello or self.welcome)
            elif isinstance(message, Fill):
                self.answer(conversation, message)
            elif isinstance(message, Cancel) and conversation.session.is_open(message.job):
                conversation.say(Cancelled(job=message.job))
            elif isinstance(message, StatusRequest):
                conversation.say(
                    ServerStatus(state="ready", server_version="0.0", pid=os.getpid(), uptime_seconds=1.0)
                )
            elif isinstance(message, Shutdown) and not self.stubborn:
                conversation.websocket.close(1001)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, and nothing of this machine's that could be started."""
    monkeypatch.setenv(places.RUNTIME_DIR_VARIABLE, str(tmp_path))
    monkeypatch.delenv(places.COMMAND_VARIABLE, raising=False)
    monkeypatch.setattr(launch, "_usual_places", list)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[FakeServer]:
    fake = FakeServer(folder)
    fake.start()
    try:
        yield fake
    finally:
        fake.stop()
