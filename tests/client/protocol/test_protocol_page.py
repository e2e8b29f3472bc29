"""Holds docs/protocol.md against the code: whoever writes a client from that page must not be misled."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgpack
import pytest

from lama_core.client.options import FillOptions
from lama_core.client.protocol import auth, codec, limits
from lama_core.client.protocol.codec import Message, decode_client, decode_server, encode
from lama_core.client.protocol.errors import ERROR_CODES, FATAL_CODES, ProtocolError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    CHANNELS,
    DEPTH_BYTES,
    PROTOCOL_VERSION,
    SUBPROTOCOL,
    Device,
    Fill,
    Model,
    Preview,
    Result,
    Worker,
)

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")
FLAT = " ".join(PAGE.split())
SECTIONS = dict(re.findall(r"^##+ (.*?)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))
EXAMPLES = re.findall(r"```json\n(.*?)\n```\n```hex (client|server)\n(.*?)\n```", PAGE, re.S)
NAMES = {name: kind for kind, name in codec.TYPE_NAMES.items()}


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in a text, without its head."""
    table = re.search(r"^\|.*?(?=\n\n|\Z)", text, re.M | re.S)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[0].split("\n")[2:]]


def field_tables() -> dict[type, list[list[str]]]:
    """Every table of fields, by the dataclass that it is about."""
    tables: dict[type, list[list[str]]] = {}
    for name, kind in NAMES.items():
        section = next(text for title, text in SECTIONS.items() if title.startswith(f"`{name}` ("))
        tables[kind] = [] if section.lstrip().startswith("No fields") else rows(section)
    welcome = next(text for title, text in SECTIONS.items() if title.startswith("`welcome`"))
    fill = next(text for title, text in SECTIONS.items() if title.startswith("`fill`"))
    status = next(text for title, text in SECTIONS.items() if title.startswith("`server_status`"))
    tables[Limits] = rows(welcome.partition("`limits`:")[2])
    tables[Device] = rows(welcome.partition("Each of `devices`")[2])
    tables[Model] = rows(welcome.partition("Each of `models`")[2])
    tables[FillOptions] = rows(fill.partition("`options`:")[2])
    tables[Worker] = rows(status.partition("Each of `workers`")[2])
    return tables


TABLES = field_tables()


def test_the_worked_handshake_is_right() -> None:
    token, nonce = re.findall(r"With the token `(.*?)` and the nonce `(.*?)`", FLAT)[0]
    assert auth.is_token(token)
    headers = dict(re.findall(r"^([A-Za-z-]+): (.*)$", SECTIONS["The handshake"], re.M))
    assert headers["Authorization"] == auth.authorization(token, nonce)
    assert auth.parse_authorization(headers["Authorization"]) == (nonce, auth.client_proof(token, nonce))
    assert headers["X-Lama-Fill-Proof"] == auth.server_proof(token, nonce)
    assert headers["Host"] == auth.host(50123)
    assert headers["Sec-WebSocket-Protocol"] == SUBPROTOCOL
    key = headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    assert headers["Sec-WebSocket-Accept"] == base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()


def without_bytes(value: Any) -> Any:
    """As the page writes it: bytes in hexadecimal."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {key: without_bytes(item) for key, item in value.items()}
    return [without_bytes(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("written", "side", "dump"), EXAMPLES, ids=[json.loads(example[0])["type"] for example in EXAMPLES]
)
def test_the_examples_are_what_is_sent(written: str, side: str, dump: str) -> None:
    frame = bytes.fromhex(dump)
    assert without_bytes(msgpack.unpackb(frame)) == json.loads(written)
    message: Message = decode_client(frame, Limits()) if side == "client" else decode_server(frame)
    assert encode(message) == frame


def test_there_are_examples_of_all_that_matters() -> None:
    kinds = {json.loads(written)["type"] for written, _, _ in EXAMPLES}
    assert kinds >= {
        *("hello", "welcome", "fill", "accepted", "progress", "preview", "result", "cancel", "error")
    }


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.__name__)
def test_every_field_is_listed_with_its_default(kind: type) -> None:
    listed = {cells[0].strip("`"): cells[2].strip("`") for cells in TABLES[kind]}
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if kind is Fill:  # the model is sent with the options, and the connection numbers the job
        del fields["model"]
        fields["job"] = dataclasses.field()
    elif kind is FillOptions:
        model = next(field for field in dataclasses.fields(Fill) if field.name == "model")
        fields = {key: fields[name] for name, key in codec.OPTION_KEYS.items()} | {"model": model}
    assert sorted(listed) == sorted(fields)
    for name, default in listed.items():
        if not default:
            assert name in REQUIRED_WITH_DEFAULT or fields[name].default is dataclasses.MISSING
        elif fields[name].default is dataclasses.MISSING:
            assert default == "[]"
        else:
            assert plain_default(fields[name].default) == (None if default == "nil" else json.loads(default))


# Defaults that are for those who build messages in Python; on the wire these fields have to be there.
REQUIRED_WITH_DEFAULT = {"protocol", "retryable", *(field.name for field in dataclasses.fields(Limits))}


def plain_default(value: object) -> object:
    if value == ():
        return []
    if value == b"":
        return ""
    return {} if value == FillOptions() else value


SAMPLES: dict[type, dict[str, Any]] = {
    NAMES[json.loads(written)["type"]]: msgpack.unpackb(bytes.fromhex(dump)) for written, _, dump in EXAMPLES
}


def integer_ranges() -> list[tuple[type, str, int, int]]:
    found = []
    for kind, table in TABLES.items():
        for cells in table:
            match = re.search(r"integer, (-?\d+) (?:to (\d+)|or more)", cells[1])
            # The size of a picture cannot be changed alone.
            if match and kind in SAMPLES and cells[0] not in ("`width`", "`height`"):
                most = limits.MAX_SIDE if kind in (Preview, Result) else limits.MAX_COUNT
                high = int(match[2]) if match[2] else most
                found.append((kind, cells[0].strip("`"), int(match[1]), high))
    return found


@pytest.mark.parametrize(("kind", "name", "low", "high"), integer_ranges())
def test_integers_have_the_ranges_that_are_listed(kind: type, name: str, low: int, high: int) -> None:
    def decode(value: int) -> object:
        frame = msgpack.packb({**SAMPLES[kind], name: value})
        try:
            return decode_server(frame)
        except ProtocolError as error:
            if "a server sends" not in error.message:
                raise
            return decode_client(frame, Limits())

    for value in (low, high):
        assert getattr(decode(value), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ProtocolError):
            decode(value)


def test_what_has_no_default_has_to_be_there() -> None:
    for kind, sample in SAMPLES.items():
        for cells in TABLES[kind]:
            name = cells[0].strip("`")
            left_out = msgpack.packb({key: value for key, value in sample.items() if key != name})
            outcomes: list[Message] = []
            with contextlib.suppress(ProtocolError):
                outcomes.append(decode_server(left_out))
            with contextlib.suppress(ProtocolError):
                outcomes.append(decode_client(left_out, Limits()))
            assert bool(outcomes) == bool(cells[2]), (kind, name)


def test_every_error_code_is_listed() -> None:
    table = rows(SECTIONS["`error` (server)"].partition("closed set")[2])
    listed = {cells[0].strip("`"): (cells[1] == "yes", cells[2] == "yes") for cells in table}
    assert listed == {code: (retry, code in FATAL_CODES) for code, retry in ERROR_CODES.items()}


def test_formats_and_depths_are_listed() -> None:
    formats, depths = SECTIONS["Pixels"].split("| depth |")
    assert {cells[0].strip("`"): int(cells[1]) for cells in rows(formats)} == CHANNELS
    assert {cells[0].strip("`"): int(cells[1]) for cells in rows("| depth |" + depths)} == DEPTH_BYTES


@pytest.mark.parametrize(
    "sentence",
    [
        f"The protocol, version {PROTOCOL_VERSION}",
        f"at most {limits.MAX_NAME} printable characters",
        f"at most {limits.MAX_TEXT} characters",
        f"at most {limits.MAX_LIST} entries",
        f"at most {limits.MAX_DEPTH} deep",
        f"at most {limits.MAX_CONTAINERS} of them",
        f"strings have at most {4 * limits.MAX_TEXT} bytes",
        f"waited {limits.SILENT_HEARTBEATS} times as long",
        f"within {limits.AUTHENTICATE_SECONDS:g} s is dropped",
        f"sent for {limits.SEND_SECONDS:g} s",
        f"at most {limits.MAX_PREVIEW_SIDE} pixels to either side",
    ],
)
def test_numbers_are_those_of_the_code(sentence: str) -> None:
    assert sentence in FLAT


def test_a_fill_is_little_more_than_its_pixels() -> None:
    longest = FillOptions(grow=4096, feather=4096, context=65536, quality="balanced", seed=2**32 - 1)
    fill = Fill(
        job=limits.MAX_JOB,
        width=8192,
        height=1,
        format="graya",
        depth="f32",
        pixels=bytes(65536),
        hole=bytes(8192),
        options=longest,
        model="\U0001f5bc" * 128,
    )
    assert len(encode(fill)) - 65536 - 8192 < 2048


def test_session_key_of_the_page() -> None:
    section = SECTIONS["A page"]
    token, key = re.findall(r"`([A-Za-z0-9_-]{40,64})`", section)
    assert auth.session_key(token) == key
    assert f"{auth.TICKET_PREFIX}TICKET" in section
