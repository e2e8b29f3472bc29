from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.options import MAX_FRAME, QUALITIES, TRANSFERS, FillOptions
from lama_core.client.protocol import codec
from lama_core.client.protocol.codec import Message, decode_client, decode_server, encode
from lama_core.client.protocol.errors import ERROR_CODES, ProtocolError
from lama_core.client.protocol.limits import (
    MAX_COUNT,
    MAX_JOB,
    MAX_NAME,
    MAX_PREVIEW_SIDE,
    MAX_SIDE,
    MAX_TEXT,
    Limits,
)
from lama_core.client.protocol.messages import (
    CHANNELS,
    DEPTH_BYTES,
    SERVER_STATES,
    WORKER_STATES,
    Accepted,
    Cancel,
    Cancelled,
    Device,
    Error,
    Fill,
    Hello,
    Model,
    Preview,
    Progress,
    Result,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
    Worker,
    pixel_bytes,
)

LIMITS = Limits()

names = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=MAX_NAME)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=MAX_TEXT)
jobs = st.integers(1, MAX_JOB)
counts = st.integers(0, MAX_COUNT)
fractions = st.floats(0, 1)
options = st.builds(
    FillOptions,
    grow=st.none() | st.integers(0, 4096),
    feather=st.none() | st.integers(0, 4096),
    context=st.sampled_from(["auto", "whole"]) | st.integers(0, 65536),
    quality=st.sampled_from(QUALITIES),
    join_islands=st.none() | st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    transfer=st.sampled_from(TRANSFERS),
    seam=st.booleans(),
    grain=st.booleans(),
    frame=st.none() | st.integers(0, MAX_FRAME),
)
devices = st.lists(st.builds(Device, id=names, name=names, memory_bytes=counts), max_size=3).map(tuple)
models = st.lists(st.builds(Model, name=names, title=texts, license=texts), max_size=3).map(tuple)
workers = st.lists(
    st.builds(
        Worker,
        device=names,
        state=st.sampled_from(WORKER_STATES),
        model=names,
        pid=counts,
        memory_bytes=counts,
        jobs=counts,
    ),
    max_size=3,
).map(tuple)


@st.composite
def fills(draw: st.DrawFn) -> Fill:
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    pixel_format = draw(st.sampled_from(list(CHANNELS)))
    depth = draw(st.sampled_from(list(DEPTH_BYTES)))
    size = width * height * pixel_bytes(pixel_format, depth)
    return Fill(
        job=draw(jobs),
        width=width,
        height=height,
        format=pixel_format,
        depth=depth,
        pixels=draw(st.binary(min_size=size, max_size=size)),
        hole=draw(st.binary(min_size=width * height, max_size=width * height)),
        source=draw(st.just(b"") | st.binary(min_size=width * height, max_size=width * height)),
        options=draw(options),
        model=draw(names),
        preview=draw(st.booleans()),
    )


@st.composite
def previews(draw: st.DrawFn) -> Preview:
    width, height = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    if draw(st.booleans()):
        width, height = MAX_PREVIEW_SIDE, 1
    size = width * height * 4
    return Preview(
        job=draw(jobs),
        x=draw(st.integers(0, MAX_SIDE)),
        y=draw(st.integers(0, MAX_SIDE)),
        width=width,
        height=height,
        scale=draw(st.integers(1, MAX_SIDE)),
        pixels=draw(st.binary(min_size=size, max_size=size)),
    )


@st.composite
def results(draw: st.DrawFn) -> Result:
    fill = draw(fills())
    empty = draw(st.booleans())
    return Result(
        job=fill.job,
        x=draw(st.integers(0, 1 << 20)),
        y=draw(st.integers(0, 1 << 20)),
        width=0 if empty else fill.width,
        height=0 if empty else fill.height,
        format=fill.format,
        depth=fill.depth,
        pixels=b"" if empty else fill.pixels,
        blend=b"" if empty else fill.hole,
        model=draw(names),
        device=draw(names),
        seconds=draw(st.floats(0, 1e9)),
    )


client_messages = st.one_of(
    st.builds(Hello, client=names, client_version=names, protocol=st.integers(1, 65535)),
    fills(),
    st.builds(Cancel, job=jobs),
    st.just(StatusRequest()),
    st.just(Shutdown()),
)
server_messages = st.one_of(
    st.builds(
        Welcome,
        server_version=names,
        limits=st.builds(
            Limits,
            max_frame_bytes=st.integers(1, MAX_COUNT),
            max_side=st.integers(1, MAX_COUNT),
            max_pixels=st.integers(1, MAX_COUNT),
            max_jobs=st.integers(1, MAX_COUNT),
            heartbeat_seconds=st.floats(0.01, 3600),
        ),
        devices=devices,
        models=models,
        default_model=names,
        protocol=st.integers(1, 65535),
    ),
    st.builds(Accepted, job=jobs, position=counts),
    st.builds(Progress, job=jobs, stage=names, fraction=fractions, position=counts),
    results(),
    previews(),
    st.builds(Cancelled, job=jobs),
    st.builds(
        Error,
        code=st.sampled_from(list(ERROR_CODES)),
        message=texts,
        job=st.none() | jobs,
        retryable=st.booleans(),
    ),
    st.builds(
        ServerStatus,
        state=st.sampled_from(SERVER_STATES),
        server_version=names,
        pid=counts,
        uptime_seconds=st.floats(0, 1e12),
        connections=counts,
        queued=counts,
        running=counts,
        done=counts,
        failed=counts,
        stopped=counts,
        workers=workers,
        devices=devices,
        models=models,
        default_model=names,
        problem=texts,
    ),
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
plain = (
    scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(st.text(max_size=8), scalars | st.lists(scalars, max_size=2), max_size=3)
)


@given(client_messages)
def test_what_a_client_says_arrives_unchanged(message: Any) -> None:
    assert decode_client(encode(message), LIMITS) == message


@given(server_messages)
def test_what_a_server_says_arrives_unchanged(message: Any) -> None:
    assert decode_server(encode(message)) == message


@given(previews(), st.sampled_from(["width", "height", "pixels"]), st.integers(-3, 3))
def test_preview_has_as_many_pixels_as_it_says(preview: Preview, name: str, change: int) -> None:
    fields = codec.to_fields(preview)
    fields[name] = fields[name][:change] if name == "pixels" else fields[name] + change
    size = fields["width"] * fields["height"] * 4
    good = len(fields["pixels"]) == size and max(fields["width"], fields["height"]) <= MAX_PREVIEW_SIDE
    found = outcome(decode_server, msgpack.packb(fields))
    assert isinstance(found, Preview) == (good and size > 0)


def test_fill_without_a_wish_for_a_preview_is_what_it_was_before() -> None:
    fill = Fill(job=1, width=1, height=1, format="gray", depth="u8", pixels=b"a", hole=b"b")
    assert "preview" not in msgpack.unpackb(encode(fill))
    assert msgpack.unpackb(encode(dataclasses.replace(fill, preview=True)))["preview"] is True


def outcome(decode: Callable[[bytes], Message], frame: bytes) -> Message | ProtocolError:
    try:
        return decode(frame)
    except ProtocolError as error:
        return error


def outcomes(frame: bytes) -> list[Message | ProtocolError]:
    return [outcome(decode_server, frame), outcome(lambda data: decode_client(data, LIMITS), frame)]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_protocol_error(frame: bytes) -> None:
    for found in outcomes(frame):
        assert isinstance(found, ProtocolError) or type(found) in codec.TYPE_NAMES


KEYS = sorted(
    {field.name for kind in codec.TYPE_NAMES for field in dataclasses.fields(kind)}
    | {field.name for field in dataclasses.fields(FillOptions)}
)


@given(
    kind=st.sampled_from(sorted(codec.TYPE_NAMES.values())),
    fields=st.dictionaries(st.sampled_from(KEYS), plain, max_size=12),
)
def test_any_map_is_a_message_or_a_protocol_error(kind: str, fields: dict[str, Any]) -> None:
    for found in outcomes(msgpack.packb({"type": kind, **fields})):
        if isinstance(found, ProtocolError):
            assert found.code in ERROR_CODES
            assert found.message.isprintable()
        else:
            assert codec.TYPE_NAMES[type(found)] == kind


def fill_map(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": "fill",
        "job": 1,
        "width": 2,
        "height": 1,
        "format": "rgb",
        "depth": "u8",
        "pixels": bytes(6),
        "hole": bytes(2),
    }
    fields.update(changes)
    return fields


def decode_map(fields: dict[str, Any]) -> Message:
    return decode_client(msgpack.packb(fields), LIMITS)


def test_options_that_are_not_sent_have_their_defaults() -> None:
    message = decode_map(fill_map())
    assert isinstance(message, Fill)
    assert message.options == FillOptions()
    partly = decode_map(fill_map(options={"grow": 3}))
    assert isinstance(partly, Fill)
    assert partly.options == FillOptions(grow=3)


def test_a_fill_without_a_source_says_nothing_of_it() -> None:
    message = decode_map(fill_map())
    assert isinstance(message, Fill)
    assert message.source == b""
    assert "source" not in codec.to_fields(message)


@pytest.mark.parametrize("source", [b"1", bytes(3)])
def test_a_source_is_of_the_window(source: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"fill\.source: must be 2 bytes"):
        decode_map(fill_map(source=source))
    with pytest.raises(ProtocolError, match=r"fill\.source: must be binary data"):
        decode_map(fill_map(source="ab"))


def test_a_source_counts_among_the_bytes() -> None:
    message = decode_map(fill_map(source=bytes(2)))
    assert isinstance(message, Fill)
    assert message.plane_bytes == 6 + 2 + 2
    assert message.without_pixels().plane_bytes == 0


def test_a_number_that_is_automatic_is_nil_or_left_out_or_as_the_first_clients_send_it() -> None:
    for options in ({"grow": None, "feather": None}, {}, {"grow": -1, "feather": -1}):
        message = decode_map(fill_map(options=options))
        assert isinstance(message, Fill)
        assert (message.options.grow, message.options.feather) == (None, None)


def test_a_fill_of_the_first_clients_is_understood() -> None:
    first = {
        "grow": -1, "feather": 3, "context": 64, "quality": "best", "model": "big-lama", "join_islands": None,
        "seed": 5, "light": "linear", "seam": True, "grain": False,
    }  # fmt: skip
    message = decode_map(fill_map(options=first))
    assert isinstance(message, Fill)
    assert message.model == "big-lama"
    assert message.options == FillOptions(
        feather=3, context=64, quality="best", seed=5, transfer="linear", grain=False
    )


def test_what_is_sent_is_understood_by_the_first_servers() -> None:
    """They take no nil for a number, and know the model as one of the options."""
    sent = codec.to_fields(
        Fill(width=1, height=1, format="gray", depth="u8", pixels=b"0", hole=b"1", model="big-lama")
    )
    assert sent["options"] == {
        "context": "auto", "quality": "balanced", "seed": 0, "seam": True, "grain": True,
        "light": "perceptual", "model": "big-lama",
    }  # fmt: skip
    assert "model" not in sent


def test_unknown_keys_are_ignored_everywhere() -> None:
    extra = {"later": [1, {"two": None}]}
    assert decode_map(fill_map(**extra)) == decode_map(fill_map())
    assert decode_map(fill_map(options=extra)) == decode_map(fill_map())


@pytest.mark.parametrize(
    "changes",
    [
        {"width": True},
        {"width": 2.0},
        {"width": "2"},
        {"width": 0},
        {"width": -2},
        {"height": None},
        {"format": "RGB"},
        {"format": 3},
        {"depth": "u9"},
        {"depth": ["u8"]},
        {"pixels": bytes(5)},
        {"pixels": bytes(7)},
        {"pixels": "abcdef"},
        {"pixels": [0] * 6},
        {"hole": bytes(1)},
        {"hole": b""},
        {"options": []},
        {"options": {"grow": -2}},
        {"options": {"grow": False}},
        {"options": {"feather": 4097}},
        {"options": {"context": "all"}},
        {"options": {"context": -1}},
        {"options": {"context": True}},
        {"options": {"quality": "good"}},
        {"options": {"quality": None}},
        {"options": {"model": 1}},
        {"options": {"model": "a\nb"}},
        {"options": {"model": "x" * 129}},
        {"options": {"join_islands": 1}},
        {"options": {"seed": -1}},
        {"options": {"seed": 1 << 32}},
        {"options": {"light": "dark"}},
        {"options": {"light": None}},
        {"options": {"seam": 0}},
        {"options": {"grain": None}},
    ],
)
def test_a_wrong_field_costs_the_fill_and_not_the_connection(changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_map(fill_map(**changes))
    assert caught.value.code == "bad_request"
    assert caught.value.job == 1
    assert not caught.value.fatal


@pytest.mark.parametrize("name", ["width", "height", "format", "depth", "pixels", "hole"])
def test_a_missing_field_costs_the_fill(name: str) -> None:
    fields = fill_map()
    del fields[name]
    with pytest.raises(ProtocolError, match=rf"fill\.{name}: ") as caught:
        decode_map(fields)
    assert caught.value.code == "bad_request"


@pytest.mark.parametrize("job", [0, -1, True, 1.0, "1", None, 1 << 53, b"1"])
def test_a_fill_without_a_usable_number_ends_the_connection(job: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_map(fill_map(job=job))
    assert caught.value.code == "bad_message"
    assert caught.value.job is None
    assert caught.value.fatal


@pytest.mark.parametrize(("width", "height"), [(32769, 1), (1, 32769), (16384, 8192), (1 << 20, 1 << 20)])
def test_a_fill_beyond_the_limits_is_too_large(width: int, height: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_map(fill_map(width=width, height=height))
    assert caught.value.code == "too_large"
    assert caught.value.job == 1


def test_a_message_beyond_the_frame_limit_is_not_even_unpacked() -> None:
    with pytest.raises(ProtocolError, match="more than 10 bytes") as caught:
        decode_client(encode(Hello(client="a client")), Limits(max_frame_bytes=10))
    assert caught.value.code == "bad_message"


def test_a_fill_that_the_server_would_refuse_is_not_encoded() -> None:
    fill = Fill(job=5, width=64, height=1, format="gray", depth="u8", pixels=bytes(64), hole=bytes(64))
    for limits in (Limits(max_side=63), Limits(max_pixels=63), Limits(max_frame_bytes=128)):
        with pytest.raises(ProtocolError) as caught:
            encode(fill, limits)
        assert (caught.value.code, caught.value.job) == ("too_large", 5)
    with pytest.raises(ProtocolError, match=r"fill\.hole: must be 64 bytes, not 63"):
        encode(dataclasses.replace(fill, hole=bytes(63)))


def test_pixels_may_be_any_buffer() -> None:
    pixels = bytes(range(12))
    for buffer in (bytearray(pixels), memoryview(pixels), memoryview(pixels).cast("I")):
        fill = Fill(job=1, width=4, height=1, format="rgb", depth="u8", pixels=buffer, hole=bytes(4))
        decoded = decode_client(encode(fill), LIMITS)
        assert isinstance(decoded, Fill)
        assert decoded.pixels == pixels
        assert type(decoded.pixels) is bytes


def test_numbers_may_come_as_integers_and_are_finite() -> None:
    whole = decode_server(msgpack.packb({"type": "progress", "job": 1, "stage": "x", "fraction": 1}))
    assert whole == Progress(job=1, stage="x", fraction=1.0)
    for value in (float("nan"), float("inf"), -0.1, 1.1, True, "1"):
        with pytest.raises(ProtocolError):
            decode_server(msgpack.packb({"type": "progress", "job": 1, "stage": "x", "fraction": value}))


def test_a_rectangle_is_empty_in_both_directions_or_in_none() -> None:
    result = Result(job=1, x=0, y=0, width=0, height=0, format="rgb", depth="u8", pixels=b"", blend=b"")
    assert decode_server(encode(result)) == result
    with pytest.raises(ProtocolError):
        encode(dataclasses.replace(result, width=1))


def test_each_side_refuses_the_messages_of_its_own(
    client_messages: list[Message], server_messages: list[Message]
) -> None:
    for message in client_messages:
        with pytest.raises(ProtocolError, match="a server sends"):
            decode_server(encode(message))
    for message in server_messages:
        with pytest.raises(ProtocolError, match="a client sends"):
            decode_client(encode(message), LIMITS)


def test_pixels_are_not_in_the_repr(client_messages: list[Message], server_messages: list[Message]) -> None:
    for message in (*client_messages, *server_messages):
        for name in ("pixels=", "hole=", "blend="):
            assert f"({name}" not in repr(message).replace(", ", "(")


def test_an_error_of_a_code_knows_whether_to_try_again() -> None:
    assert Error.of("busy", "full").retryable
    assert not Error.of("bad_request", "no").retryable
    odd = Error.of("internal", "two\nlines and a \udc80 byte " + "x" * 2000)
    assert odd.message.startswith("two lines and a \\udc80 byte ")
    assert len(odd.message) == MAX_TEXT
    assert decode_server(encode(odd)) == odd
