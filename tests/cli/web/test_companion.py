"""The command's side of the desk: nonsense costs nothing, and every request has an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
import pyvips
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as dial
from websockets.typing import Origin, Subprotocol

from lama_cli.web.companion import Desk
from lama_cli.web.open_picture import OpenPicture
from lama_core.client.protocol import auth
from tests.server.harness import ServerProcess, wait_until


@pytest.fixture
def picture(tmp_path: Path) -> OpenPicture:
    image = pyvips.Image.black(64, 48, bands=3).linear(1, 90).cast("uchar").copy(interpretation="srgb")
    image.write_to_file(str(tmp_path / "gray.png"))
    return OpenPicture(tmp_path / "gray.png")


@pytest.fixture
def page(start: Callable[..., ServerProcess], picture: OpenPicture) -> Iterator[ClientConnection]:
    """A page's end of the desk, with a command that has one picture at the other."""
    server = start("echo").ready()
    desk = Desk(server.runtime, [picture], lambda: server.connect())
    token = auth.new_token()
    serving = threading.Thread(target=desk.run, daemon=True)
    serving.start()
    desk.offer(token, used=True)
    assert desk.wait_until_offered(10)
    proof = auth.authorization(auth.session_key(token), auth.new_nonce())
    host = f"127.0.0.1:{server.port}"
    answer = server.http(
        f"GET /web/ticket HTTP/1.1\r\nHost: {host}\r\nAuthorization: {proof}\r\n\r\n".encode()
    )
    ticket = answer.split(b'"')[-2].decode()
    protocols = [Subprotocol("lamafill.desk.v1"), Subprotocol(f"lamafill.ticket.{ticket}")]
    with dial(
        f"ws://{host}/desk",
        subprotocols=protocols,
        origin=Origin(f"http://{host}"),
        compression=None,
        proxy=None,
    ) as page:
        assert heard(page)["type"] == "pictures"
        yield page
        assert desk.joined.is_set()
    desk.close()
    wait_until(lambda: not serving.is_alive())


def test_what_the_page_has_is_filled_too(page: ClientConnection) -> None:
    """By the command's server, where that is a shared one."""
    window = {
        "type": "window",
        "width": 4,
        "height": 4,
        "format": "rgb",
        "depth": "u8",
        "pixels": bytes(range(48)),
        "hole": b"\xff" * 16,
        "options": {"quality": "fast"},
    }
    for nonsense in (
        {"width": "four"},
        {"pixels": "x" * 48},
        {"width": 5},
        {"format": None},
        {"hole": b""},
        {"options": 7},
    ):
        answer = asked(page, **{**window, **nonsense})
        assert answer["type"] == "error", nonsense
    page.send(msgpack.packb({**window, "request": 8}))
    while (answer := heard(page))["type"] == "progress":
        assert answer["request"] == 8
    assert (answer["type"], answer["request"]) == ("filled", 8)
    assert answer["pixels"] == bytes(255 - value for value in range(48))
    assert (answer["x"], answer["y"], answer["width"], answer["height"]) == (0, 0, 4, 4)


def heard(page: ClientConnection) -> dict[str, Any]:
    return dict(msgpack.unpackb(page.recv(timeout=20)))


def asked(page: ClientConnection, **fields: Any) -> dict[str, Any]:
    """The answer to a request of this number; those to nonsense have none."""
    page.send(msgpack.packb({"request": 7, **fields}))
    while (answer := heard(page)).get("request") != 7:
        assert answer["type"] == "error"
    return answer


MASK = {"x": 10, "y": 10, "width": 4, "height": 4, "bytes": b"\xff" * 16}


def test_every_request_has_an_answer(page: ClientConnection, picture: OpenPicture) -> None:
    for nonsense in (b"", b"\xc1", msgpack.packb([1]), msgpack.packb({}), msgpack.packb({"type": 1})):
        page.send(nonsense)
    for number in (b"x", None, "seven"):
        page.send(msgpack.packb({"type": "cancel", "request": number}))
    assert asked(page, type="save", key="no such", fills=[])["type"] == "error"
    assert asked(page, type="save", key=picture.key)["type"] == "error"
    assert asked(page, type="save", key=picture.key, fills=["unknown"])["names"] == ["unknown"]
    for mask in (
        None,
        {**MASK, "bytes": b""},
        {**MASK, "x": 63},
        {**MASK, "width": -4},
        {**MASK, "bytes": bytes(16)},
    ):
        answer = asked(page, type="fill", key=picture.key, base=[], mask=mask, options={})
        assert answer["type"] == "error", mask
        assert answer["request"] == 7
    for options in ({"grow": -7}, {"quality": "perfect"}, {"seed": "one"}):
        answer = asked(page, type="fill", key=picture.key, base=[], mask=MASK, options=options)
        assert answer["type"] == "error", options
    page.send(
        msgpack.packb(
            {"type": "fill", "request": 8, "key": picture.key, "base": [], "mask": MASK, "options": {}}
        )
    )
    while (answer := heard(page))["type"] == "progress":
        assert answer["request"] == 8
    assert (answer["type"], answer["last"]) == ("patch", True)
    saved = asked(page, type="save", key=picture.key, fills=[answer["name"]])
    assert Path(saved["path"]).exists()
    parts = [asked(page, type="open", key=picture.key)]
    while not parts[-1]["last"]:
        parts.append(heard(page))
    assert b"".join(part["bytes"] for part in parts).startswith(b"\x89PNG")
