"""The page's side of the server: who gets in, what a browser is told, and the desk."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial
from websockets.typing import Origin, Subprotocol

from lama_core.client.protocol import auth
from lama_server.web.sessions import MAX_TOKENS, TICKET_SECONDS, Sessions
from lama_server.web.site import FILES
from tests.server.harness import ServerProcess, next_fill_succeeds

Start = Callable[..., ServerProcess]


@pytest.fixture
def server(start: Start) -> ServerProcess:
    return start().ready()


def get(server: ServerProcess, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    lines = {"Host": f"127.0.0.1:{server.port}"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    answer = server.http(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    begin, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = begin.decode().split("\r\n")
    named = dict(line.split(": ", 1) for line in fields)
    return int(status.split()[1]), {name.lower(): value for name, value in named.items()}, body


def proved(secret: str) -> dict[str, str]:
    return {"Authorization": auth.authorization(secret, auth.new_nonce())}


@contextlib.contextmanager
def socket(server: ServerProcess, path: str, name: str, **options: Any) -> Iterator[ClientConnection]:
    tickets = options.pop("tickets", [])
    offered = [Subprotocol(name), *(Subprotocol(f"lamafill.ticket.{each}") for each in tickets)]
    with dial(
        f"ws://127.0.0.1:{server.port}{path}",
        subprotocols=offered,
        compression=None,
        proxy=None,
        close_timeout=1,
        **options,
    ) as websocket:
        yield websocket


@contextlib.contextmanager
def command(server: ServerProcess, token: str, *, used: bool = False) -> Iterator[ClientConnection]:
    """The desk's connection of a command that has named a token."""
    headers = proved(server.runtime.token)
    with socket(server, "/desk", "lamafill.desk.v1", additional_headers=headers) as desk:
        desk.send(struct.pack(">I", 0) + msgpack.packb({"type": "page", "token": token, "used": used}))
        assert heard(desk) == (0, {"type": "offered"})
        yield desk


def heard(desk: ClientConnection) -> tuple[int, Any]:
    message = desk.recv(timeout=10)
    assert isinstance(message, bytes)
    return struct.unpack(">I", message[:4])[0], msgpack.unpackb(message[4:])


def begin(server: ServerProcess, token: str) -> str:
    """The key of the session that a page begins."""
    assert get(server, "/web/session", **proved(token))[0] == 200
    return auth.session_key(token)


def ticket(server: ServerProcess, session: str) -> str:
    status, _headers, body = get(server, "/web/ticket", **proved(session))
    assert status == 200
    return str(json.loads(body)["ticket"])


def own_origin(server: ServerProcess) -> Origin:
    return Origin(f"http://127.0.0.1:{server.port}")


def test_the_page_is_there_and_keeps_to_itself(server: ServerProcess) -> None:
    for path, kind in (
        ("/", "text/html"),
        ("/web/app.js", "text/javascript"),
        ("/web/style.css", "text/css"),
    ):
        status, headers, body = get(server, path)
        assert status == 200
        assert headers["content-type"].startswith(kind)
        assert len(body) == int(headers["content-length"])
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
    assert b"<script>" not in get(server, "/")[2]
    assert b"style=" not in get(server, "/")[2]


@pytest.mark.parametrize(
    "path", ["/web/", "/web/../site.py", "/web/%2e%2e/site.py", "/web/nothing.js", "/web//app.js", "/desk"]
)
def test_nothing_else_is_there(server: ServerProcess, path: str) -> None:
    assert get(server, path)[0] in (401, 404)


def test_every_file_of_the_page_is_served(server: ServerProcess) -> None:
    for file in FILES.rglob("*"):
        if file.is_file() and file.suffix != ".LICENSE":
            status, _headers, body = get(server, f"/web/{file.relative_to(FILES).as_posix()}")
            assert (status, body) == (200, file.read_bytes())


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Origin", "http://127.0.0.1:1"),
        ("Origin", "http://localhost:{port}"),
        ("Origin", "https://127.0.0.1:{port}"),
        ("Origin", "null"),
        ("Origin", "https://evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Host", "localhost:{port}"),
        ("Host", "evil.example:{port}"),
    ],
)
def test_other_origins_get_nothing_of_the_page(server: ServerProcess, header: str, value: str) -> None:
    named = {header: value.format(port=server.port)}
    with command(server, token := auth.new_token()):
        for path in ("/", "/web/app.js", "/web/session", "/web/ticket", "/web/declaration.json"):
            assert get(server, path, **{**named, **proved(token)})[0] == 403
        # The token is not used up by that.
        session = begin(server, token)
        if header == "Origin":
            name, given = Origin(named["Origin"]), ticket(server, session)
            with (
                pytest.raises(InvalidStatus, match="403"),
                socket(server, "/", "lamafill.v1", origin=name, tickets=[given]),
            ):
                pass
    next_fill_succeeds(server)


def test_a_link_may_lead_to_the_page_and_no_frame_may_hold_it(server: ServerProcess) -> None:
    site = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert get(server, "/", **site, Sec_Fetch_Dest="document")[0] == 200
    for kind in ("iframe", "frame", "embed", "object", "empty"):
        assert get(server, "/", **site, Sec_Fetch_Dest=kind)[0] == 403
    assert get(server, "/", Origin="null", **site, Sec_Fetch_Dest="document")[0] == 403


def test_own_origin_opens_nothing_without_a_ticket(server: ServerProcess) -> None:
    origin = own_origin(server)
    for path, name in (("/", "lamafill.v1"), ("/desk", "lamafill.desk.v1")):
        for tickets in ([], [auth.new_token()], ["short"]):
            with (
                pytest.raises(InvalidStatus, match=r"40[13]"),
                socket(server, path, name, origin=origin, tickets=tickets),
            ):
                pass
        # Not even with a proof of the server's own token, which no page has.
        with (
            pytest.raises(InvalidStatus, match="403"),
            socket(server, path, name, origin=origin, additional_headers=proved(server.runtime.token)),
        ):
            pass
    assert get(server, "/health", Origin=origin)[0] == 403
    assert get(server, "/metrics", Origin=origin)[0] == 403


def test_a_token_is_good_once_and_a_ticket_too(server: ServerProcess) -> None:
    token = auth.new_token()
    with command(server, token):
        nonce = auth.new_nonce()
        status, headers, body = get(server, "/web/session", Authorization=auth.authorization(token, nonce))
        assert status == 200
        assert headers["x-lama-fill-proof"] == auth.server_proof(token, nonce)
        assert auth.session_key(token).encode() not in body
        assert get(server, "/web/session", **proved(token))[0] == 401
        session = auth.session_key(token)
        one = ticket(server, session)
        with socket(server, "/", "lamafill.v1", origin=own_origin(server), tickets=[one]) as page:
            page.send(msgpack.packb({"type": "hello", "client": "web", "protocol": 1}))
            assert msgpack.unpackb(page.recv(timeout=10))["type"] == "welcome"
        for tickets in ([one], [ticket(server, session), ticket(server, session)]):
            with (
                pytest.raises(InvalidStatus, match=r"40[13]"),
                socket(server, "/", "lamafill.v1", origin=own_origin(server), tickets=tickets),
            ):
                pass
    # The session goes on without its command; a token that was not used does not.
    assert ticket(server, session)
    with command(server, unused := auth.new_token()):
        pass
    assert get(server, "/web/session", **proved(unused))[0] == 401


def test_nothing_secret_is_logged(server: ServerProcess) -> None:
    token = auth.new_token()
    with command(server, token):
        session = begin(server, token)
        given = ticket(server, session)
        with socket(server, "/", "lamafill.v1", origin=own_origin(server), tickets=[given]):
            pass
    log = server.log()
    assert not [secret for secret in (token, session, given) if secret in log]


def test_the_desk_passes_messages_between_a_page_and_its_command(server: ServerProcess) -> None:
    token, other = auth.new_token(), auth.new_token()
    with command(server, token) as desk, command(server, other) as foreign:
        session = begin(server, token)
        origin = own_origin(server)
        given = ticket(server, session)
        with socket(server, "/desk", "lamafill.desk.v1", origin=origin, tickets=[given]) as page:
            number, fields = heard(desk)
            assert (number, fields["type"]) == (0, "joined")
            address = struct.pack(">I", fields["page"])
            page.send(b"from the page")
            assert desk.recv(timeout=10) == address + b"from the page"
            # Another command cannot speak to it.
            foreign.send(address + b"from a stranger")
            desk.send(address + b"from the command")
            assert page.recv(timeout=10) == b"from the command"
        assert heard(desk) == (0, {"type": "left", "page": fields["page"]})


def test_a_page_hears_of_its_command(server: ServerProcess) -> None:
    token = auth.new_token()
    origin = own_origin(server)
    with contextlib.ExitStack() as stack:
        desk = stack.enter_context(command(server, token))
        session = begin(server, token)
        given = ticket(server, session)
        page = stack.enter_context(
            socket(server, "/desk", "lamafill.desk.v1", origin=origin, tickets=[given])
        )
        number = heard(desk)[1]["page"]
        desk.close()
        assert msgpack.unpackb(page.recv(timeout=10)) == {"type": "away"}
        page.send(b"nobody hears this")
        again = stack.enter_context(
            socket(server, "/desk", "lamafill.desk.v1", additional_headers=proved(server.runtime.token))
        )
        again.send(struct.pack(">I", 0) + msgpack.packb({"type": "page", "token": token, "used": True}))
        assert heard(again) == (0, {"type": "joined", "page": number})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0\0\0",
        b"\0\0\0\0nonsense",
        struct.pack(">I", 0) + msgpack.packb({"type": "page"}),
        struct.pack(">I", 0) + msgpack.packb({"type": "page", "token": "short", "used": False}),
        struct.pack(">I", 0) + msgpack.packb({"type": "page", "token": "a" * 40, "used": 1}),
        struct.pack(">I", 0) + msgpack.packb([1]),
        "text",
    ],
)
def test_a_command_that_says_anything_else_is_cut_off(server: ServerProcess, message: bytes | str) -> None:
    headers = proved(server.runtime.token)
    with socket(server, "/desk", "lamafill.desk.v1", additional_headers=headers) as desk:
        desk.send(message)
        with pytest.raises(ConnectionClosed):
            desk.recv(timeout=10)
        assert desk.close_code == 1002
    next_fill_succeeds(server)


def test_the_next_server_takes_the_same_port(start: Start) -> None:
    first = start().ready()
    port = first.port
    first.process.kill()
    first.process.wait(10)
    second = start().ready()
    assert second.port == port
    # Where a program has it meanwhile, any other will do.
    second.end()
    import socket as plain

    with plain.create_server(("127.0.0.1", port)):
        assert start().ready().port != port


def test_tickets_and_tokens_pass_away() -> None:
    now = 0.0
    sessions = Sessions(clock=lambda: now)
    tokens = [auth.new_token() for _ in range(MAX_TOKENS + 1)]
    for token in tokens:
        sessions.offer(token)
    assert not sessions.begin([auth.authorization(tokens[0], auth.new_nonce())]).admitted
    assert sessions.begin([auth.authorization(tokens[1], auth.new_nonce())]).admitted
    key = auth.session_key(tokens[1])
    _verdict, early = sessions.ticket([auth.authorization(key, auth.new_nonce())])
    _verdict, late = sessions.ticket([auth.authorization(key, auth.new_nonce())])
    assert sessions.redeem(early) == key
    now = TICKET_SECONDS + 1
    assert sessions.redeem(late) is None
    proof = auth.authorization(key, auth.new_nonce())
    assert sessions.ticket([proof])[0].admitted
    assert not sessions.ticket([proof])[0].admitted, "a nonce is good once"
