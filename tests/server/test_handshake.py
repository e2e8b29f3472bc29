"""Keeping others out: what a request must have before it becomes a websocket, and what happens without it."""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from lama_core.client.protocol import auth
from lama_core.client.protocol.codec import encode
from lama_core.client.protocol.messages import Error, Hello, Result, ServerMessage, StatusRequest, Welcome
from tests.server.harness import (
    ServerProcess,
    dialled,
    greeted,
    hear,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
)

Start = Callable[..., ServerProcess]


@pytest.fixture
def server(start: Start) -> ServerProcess:
    return start().ready()


def _request(server: ServerProcess, *extra: str, path: str = "/", **changed: str | None) -> bytes:
    """The server's answer to an upgrade request that is right but for what is changed; None leaves out."""
    headers: dict[str, str | None] = {
        "Host": f"127.0.0.1:{server.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "lamafill.v1",
        "Authorization": auth.authorization(server.runtime.token, auth.new_nonce()),
    }
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items() if v is not None), *extra]
    # The connection stays open when the answer is 101, so only its beginning is waited for.
    return server.http("\r\n".join([*lines, "", ""]).encode(), enough=b"\r\n\r\n")


def _status(answer: bytes) -> int:
    return int(answer.split()[1])


def test_right_request_gets_the_servers_proof(server: ServerProcess) -> None:
    nonce = auth.new_nonce()
    token = server.runtime.token
    answer = _request(server, Authorization=auth.authorization(token, nonce))
    assert _status(answer) == 101
    proof = hmac.new(token.encode(), f"server:{nonce}".encode(), "sha256").hexdigest()
    assert f"X-Lama-Fill-Proof: {proof}\r\n".encode() in answer
    assert b"Sec-WebSocket-Protocol: lamafill.v1\r\n" in answer
    assert token.encode() not in answer
    assert b"websockets/" not in answer, "says nothing of what it is made of"


@pytest.mark.parametrize("origin", ["null", "http://127.0.0.1", "https://evil.example", "file://", ""])
def test_every_origin_is_refused(server: ServerProcess, origin: str) -> None:
    for path in ("/", "/health", "/metrics"):
        assert _status(_request(server, path=path, Origin=origin)) == 403
    assert _status(_request(server, f"origin: {origin}")) == 403
    next_fill_succeeds(server)


@pytest.mark.parametrize(
    "host",
    [
        "localhost:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.2:{port}",
        "[::1]:{port}",
        "0.0.0.0:{port}",
        "127.0.0.1.evil.example:{port}",
        "evil.example:{port}",
        "evil.example",
        "127.0.0.1:{port}, evil.example",
        "2130706433:{port}",
        "",
        None,
    ],
)
def test_every_other_host_is_refused(server: ServerProcess, host: str | None) -> None:
    named = None if host is None else host.format(port=server.port)
    for path in ("/", "/health", "/metrics"):
        assert _status(_request(server, path=path, Host=named)) == 403
    next_fill_succeeds(server)


def test_second_host_is_refused(server: ServerProcess) -> None:
    assert _status(_request(server, "Host: evil.example")) == 403


def test_wrong_proofs_are_refused(server: ServerProcess) -> None:
    token, nonce = server.runtime.token, auth.new_nonce()
    server_proof = auth.server_proof(token, nonce)
    wrong = [
        None,
        "",
        f"Bearer {token}",
        token,
        auth.authorization(auth.new_token(), nonce),
        f'LamaFill nonce="{nonce}", proof="{server_proof}"',
        f'LamaFill nonce="{nonce}", proof="{auth.client_proof(token, nonce).upper()}"',
        f'LamaFill nonce="{nonce}"',
        f'LamaFill nonce="short", proof="{auth.client_proof(token, "short")}"',
        auth.authorization(token, nonce) + " ",
        auth.authorization(token, nonce).replace("LamaFill", "lamafill"),
    ]
    for value in wrong[:-2]:
        answer = _request(server, Authorization=value)
        assert _status(answer) == 401, value
        assert b"WWW-Authenticate: LamaFill\r\n" in answer
    assert _status(_request(server, Authorization=wrong[-1])) == 401
    twice = f"Authorization: {auth.authorization(token, auth.new_nonce())}"
    assert _status(_request(server, twice)) == 401
    next_fill_succeeds(server)


def test_a_nonce_is_good_once(server: ServerProcess) -> None:
    proof = auth.authorization(server.runtime.token, auth.new_nonce())
    assert _status(_request(server, Authorization=proof)) == 101
    assert _status(_request(server, Authorization=proof)) == 401
    next_fill_succeeds(server)


def test_proof_of_an_earlier_server_is_void(start: Start) -> None:
    first = start().ready()
    proof = auth.authorization(first.runtime.token, auth.new_nonce())
    first.end()
    second = start().ready()
    assert _status(_request(second, Authorization=proof)) == 401


@pytest.mark.parametrize("subprotocol", [None, "lamafill.v2", "chat"])
def test_subprotocol_must_be_ours(server: ServerProcess, subprotocol: str | None) -> None:
    assert _status(_request(server, Sec_WebSocket_Protocol=subprotocol)) == 400
    next_fill_succeeds(server)


def test_no_compression_is_agreed_to(server: ServerProcess) -> None:
    answer = _request(server, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    assert _status(answer) == 101
    assert b"Extensions" not in answer


@pytest.mark.parametrize("path", ["/favicon.ico", "/health/", "//", "/?x", "/../health", "/%68ealth"])
def test_other_paths_are_not_there(server: ServerProcess, path: str) -> None:
    assert _status(_request(server, path=path)) == (101 if path == "/?x" else 404)


def test_plain_requests(server: ServerProcess) -> None:
    host = f"Host: 127.0.0.1:{server.port}\r\n"
    for method in ("POST", "HEAD", "OPTIONS", "CONNECT"):
        answer = server.http(f"{method} /health HTTP/1.1\r\n{host}\r\n".encode())
        assert not answer or _status(answer) in (400, 405)
    assert _status(server.http(f"GET / HTTP/1.1\r\n{host}\r\n".encode())) == 200
    assert _status(server.http(f"GET / HTTP/1.1\r\n{host}Upgrade: websocket\r\n\r\n".encode())) == 401
    for nonsense in (b"\x00" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" + b"x" * 600, b"A" * 20_000):
        answer = server.http(nonsense + b"\r\n\r\n")
        assert not answer or _status(answer) in (400, 414)
    assert not server.http(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n").startswith(b"HTTP/1.1 101")
    next_fill_succeeds(server)


def test_pages(server: ServerProcess) -> None:
    next_fill_succeeds(server)
    status, body = server.get("/health")
    assert status == 200
    assert body.startswith('{"state": "ready", "version": "')
    status, body = server.get("/metrics")
    assert status == 200
    assert 'lama_fill_fills_total{ending="done"} 1.0' in body
    assert "lama_fill_seconds_count 1.0" in body
    assert "lama_fill_workers_started_total 1.0" in body


def test_no_user_of_the_machine_is_told_how_much_is_filled(start: Start) -> None:
    server = start("scripted", "--metrics", "no").ready()
    next_fill_succeeds(server)
    assert server.get("/metrics")[0] == 404
    assert set(server.health()) == {"state", "version"}


# After the door: what ends a connection


def _close_code(server: ServerProcess, *frames: bytes | str, hello: bool = True) -> tuple[int, Error | None]:
    """Send frames; returns the close code, and the error that was told before."""
    told: list[ServerMessage] = []
    with dialled(server) as websocket:
        with contextlib.suppress(ConnectionClosed):
            if hello:
                say(websocket, Hello(client="tests"))
                assert isinstance(hear(websocket), Welcome)
            for frame in frames:
                websocket.send(frame)
            while True:
                told.append(hear(websocket))
        assert websocket.close_code is not None
        assert len(told) <= 1
        error = told[0] if told else None
        assert error is None or isinstance(error, Error)
        return websocket.close_code, error


def test_text_closes_the_connection(server: ServerProcess) -> None:
    assert _close_code(server, "hello") == (1003, None)
    assert _close_code(server, "hello", hello=False) == (1003, None)
    next_fill_succeeds(server)


def test_what_is_no_message_closes_the_connection(server: ServerProcess) -> None:
    for frame in (b"", b"\xc1", b"\x80", b"x" * 1000, encode(Hello(client="again"))):
        code, told = _close_code(server, frame)
        assert code == 1002
        assert told is not None
        assert (told.code, told.job, told.retryable) == ("bad_message", None, False)
    code, told = _close_code(server, encode(StatusRequest()), hello=False)
    assert (code, told is not None and told.code) == (1002, "bad_message")
    next_fill_succeeds(server)


def test_other_version_closes_the_connection(server: ServerProcess) -> None:
    code, told = _close_code(server, encode(Hello(client="new", protocol=2)), hello=False)
    assert (code, told is not None and told.code) == (1002, "unsupported_version")


def test_message_that_is_too_large_closes_the_connection(start: Start) -> None:
    server = start("scripted", "--message-mib", "1").ready()
    code, _ = _close_code(server, b"x" * (1 << 20) + b"x")
    assert code == 1009
    with greeted(server) as websocket:
        websocket.ping()
        say(websocket, make_fill(1, width=256, height=200))
        assert isinstance(hear_ending(websocket, 1), Result)
    next_fill_succeeds(server)
