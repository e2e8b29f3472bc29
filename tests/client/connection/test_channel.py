from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lama_core.client.connection.channel import Connection, open_connection
from lama_core.client.connection.errors import (
    BusyError,
    ClientError,
    ConnectionLostError,
    FillCancelledError,
    NotTrustedError,
    ServerNotFoundError,
    ServerSilentError,
    VersionError,
)
from lama_core.client.connection.runtime import RuntimeFile
from lama_core.client.protocol import auth
from lama_core.client.protocol.codec import encode
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import SUBPROTOCOL, Error, Fill, Hello, Welcome
from tests.client.connection.speaking_first import speaking_first

TOKEN = "A" * 43
SECONDS = 5.0


def runtime_file(port: int, token: str = TOKEN) -> RuntimeFile:
    return RuntimeFile(port=port, pid=1, version="0.0", token=token, started=0.0)


def open_to(port: int, token: str = TOKEN, seconds: float = SECONDS) -> Connection:
    return open_connection(runtime_file(port, token), Hello(client="test"), seconds=seconds)


class Squatter:
    """Something on a port that is no LaMa Fill server: it answers one request and keeps what it hears."""

    def __init__(self, reply: Callable[[dict[str, str]], bytes]) -> None:
        self.reads = threading.Event()
        self.reads.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.reply = reply
        self.request = b""
        self.after = b""
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            peer, _ = self.listener.accept()
            with peer:
                peer.settimeout(5)
                while b"\r\n\r\n" not in self.request:
                    self.request += peer.recv(65536)
                lines = self.request.decode("latin-1").split("\r\n")[1:]
                headers = {key: value for key, _, value in (line.partition(": ") for line in lines) if key}
                peer.sendall(self.reply(headers))
                self.reads.wait(10)
                while data := peer.recv(65536):
                    self.after += data

    def close(self) -> None:
        self.listener.close()
        self.thread.join()


@pytest.fixture
def squat() -> Iterator[Callable[[Callable[[dict[str, str]], bytes]], Squatter]]:
    squatters: list[Squatter] = []

    def make(reply: Callable[[dict[str, str]], bytes]) -> Squatter:
        squatters.append(Squatter(reply))
        return squatters[-1]

    yield make
    for squatter in squatters:
        squatter.close()


def upgrade(headers: dict[str, str], *extra: str) -> bytes:
    """The right answer of a websocket server to this request."""
    import base64
    import hashlib

    key = headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
        *extra,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


PROTOCOL = f"Sec-WebSocket-Protocol: {SUBPROTOCOL}"
WRONG_PROOF = f"X-Lama-Fill-Proof: {auth.server_proof('B' * 43, 'A' * 16)}"


def own_proof(headers: dict[str, str]) -> str:
    """The proof that only the server of the runtime file can give."""
    parsed = auth.parse_authorization(headers["Authorization"])
    assert parsed is not None
    return f"X-Lama-Fill-Proof: {auth.server_proof(TOKEN, parsed[0])}"


@pytest.mark.parametrize(
    "reply",
    [
        lambda headers: upgrade(headers, PROTOCOL),
        lambda headers: upgrade(headers, PROTOCOL, "X-Lama-Fill-Proof:"),
        lambda headers: upgrade(headers, PROTOCOL, WRONG_PROOF),
        lambda headers: upgrade(headers, PROTOCOL, "X-Lama-Fill-Proof: " + headers["Authorization"][-65:-1]),
        lambda headers: upgrade(headers, PROTOCOL, own_proof(headers), WRONG_PROOF),
        lambda headers: upgrade(headers, PROTOCOL, own_proof(headers), own_proof(headers)),
        lambda headers: upgrade(headers, own_proof(headers)),
        lambda headers: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        lambda headers: b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        lambda headers: b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        lambda headers: b"HTTP/1.1 307 Elsewhere\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        lambda headers: b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        lambda headers: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        lambda headers: b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_a_squatter_learns_nothing(
    squat: Callable[[Callable[[dict[str, str]], bytes]], Squatter], reply: Callable[[dict[str, str]], bytes]
) -> None:
    squatter = squat(reply)
    with pytest.raises(NotTrustedError, match=f"port {squatter.port}"):
        open_to(squatter.port)
    squatter.close()
    assert TOKEN.encode() not in squatter.request
    assert b"Origin" not in squatter.request
    # At most the closing frame of a websocket: 6 bytes and a code of 2.
    assert len(squatter.after) <= 8
    assert not squatter.after or squatter.after[0] == 0x88


def test_a_squatter_that_speaks_first_learns_nothing() -> None:
    with speaking_first() as port, pytest.raises(NotTrustedError, match=f"port {port}"):
        open_to(port)


def test_a_server_that_proves_itself_is_trusted(
    squat: Callable[[Callable[[dict[str, str]], bytes]], Squatter],
) -> None:
    """The counterpart of the test above: the same answer with the right proof gets a hello."""
    squatter = squat(lambda headers: upgrade(headers, PROTOCOL, own_proof(headers)))
    with pytest.raises(ServerSilentError):
        open_to(squatter.port, seconds=0.5)
    squatter.close()
    assert squatter.after[0] == 0x82, "one binary frame"


def test_a_server_that_does_not_read_can_be_left(
    squat: Callable[[Callable[[dict[str, str]], bytes]], Squatter],
) -> None:
    welcome = encode(
        Welcome(server_version="0.0", limits=Limits(), devices=(), models=(), default_model="compact")
    )
    assert 126 <= len(welcome) < 65536
    frame = struct.pack(">BBH", 0x82, 126, len(welcome)) + welcome
    squatter = squat(lambda headers: upgrade(headers, PROTOCOL, own_proof(headers)) + frame)
    squatter.reads.clear()
    connection = open_to(squatter.port)
    side = 4000  # more than the sockets' buffers hold
    fill = Fill(
        job=1,
        width=side,
        height=side,
        format="rgba",
        depth="u8",
        pixels=bytes(side * side * 4),
        hole=bytes(side * side),
    )
    asked = []

    def stop_waiting() -> None:
        asked.append(time.monotonic())
        if len(asked) == 10:
            raise FillCancelledError("enough")

    with pytest.raises(FillCancelledError):
        connection.send(fill, stop_waiting)
    assert time.monotonic() - asked[-1] < 3
    assert not connection.is_alive()
    squatter.reads.set()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServerNotFoundError):
        open_to(port)


def test_a_silent_listener_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        with pytest.raises(ServerSilentError, match="does not answer"):
            open_to(listener.getsockname()[1], seconds=0.3)
        assert time.monotonic() - begun < 3


def test_a_listener_that_hangs_up_is_not_trusted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            peer, _ = listener.accept()
            peer.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises((NotTrustedError, ConnectionLostError)):
            open_to(listener.getsockname()[1])
        thread.join()


def test_a_full_server_is_busy(squat: Callable[[Callable[[dict[str, str]], bytes]], Squatter]) -> None:
    squatter = squat(lambda headers: b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(BusyError) as caught:
        open_to(squatter.port)
    assert caught.value.retryable


def test_the_wrong_token_is_refused_by_the_server(server: Any) -> None:
    with pytest.raises(NotTrustedError):
        open_to(server.port, token="B" * 43)
    assert server.heard == []


def test_the_upgrade_request(server: Any) -> None:
    connection = open_to(server.port, token=server.token)
    (request,) = server.requests
    headers = request.headers
    assert request.path == "/"
    assert headers.get_all("Host") == [f"127.0.0.1:{server.port}"]
    assert headers.get_all("Sec-WebSocket-Protocol") == [SUBPROTOCOL]
    assert headers.get_all("Sec-WebSocket-Extensions") == [], "no compression"
    assert headers.get_all("Origin") == []
    assert connection.welcome == server.welcome
    connection.close()


def test_no_proxy_is_asked(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy", "socks_proxy"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.upper(), address)
        monkeypatch.delenv("no_proxy", raising=False)
        open_to(server.port, token=server.token).close()
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_another_version_is_said_so(server: Any) -> None:
    server.refuse_hello = Error.of("unsupported_version", "this server speaks version 2: update the plug-in")
    with pytest.raises(VersionError, match="update the plug-in"):
        open_to(server.port, token=server.token)


def test_a_server_that_is_ending_is_lost(server: Any) -> None:
    server.refuse_hello = Error.of("shutting_down", "the server is ending")
    with pytest.raises(ConnectionLostError, match="the server is ending"):
        open_to(server.port, token=server.token)


def test_every_error_is_in_the_tree() -> None:
    from lama_core.client.connection import errors

    tree = errors.__doc__ or ""
    classes = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClientError)
    ]
    assert len(classes) > 8
    for kind in classes:
        assert kind.__name__ in tree


def test_a_dropped_connection_is_not_alive(server: Any) -> None:
    connection = open_to(server.port, token=server.token)
    assert connection.is_alive()
    server.drop_all()
    deadline = time.monotonic() + 5
    while connection.is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    connection.close()
