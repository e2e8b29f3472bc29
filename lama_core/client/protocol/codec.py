"""Messages to bytes and back: one message is one msgpack map with string keys, `type` names it.

Whatever the bytes are, decoding gives a message whose fields all have the types and ranges that `messages`
promises, or raises `ProtocolError`, and allocates little more than the bytes themselves. Encoding checks the
same, so what one side can encode the other can decode.

Keys that are not known are ignored, so that a later version may add some. Values of the pixels are not looked
at here: what NaN and infinity mean is said in docs/protocol.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, Union

from lama_core.client.protocol import limits as bounds
from lama_core.client.protocol.errors import ERROR_CODES, ProtocolError
from lama_core.client.protocol.fields import Fields
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    CHANNELS,
    DEPTH_BYTES,
    LIGHTS,
    QUALITIES,
    SERVER_STATES,
    WORKER_STATES,
    Accepted,
    Bytes,
    Cancel,
    Cancelled,
    ClientMessage,
    Context,
    Device,
    Error,
    Fill,
    Hello,
    Model,
    Options,
    Progress,
    Result,
    ServerMessage,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
    Worker,
    pixel_bytes,
)
from lama_core.client.protocol.packing import pack, unpack

Message = Union[ClientMessage, ServerMessage]

TYPE_NAMES: Final[dict[type[Message], str]] = {
    Hello: "hello",
    Fill: "fill",
    Cancel: "cancel",
    StatusRequest: "status",
    Shutdown: "shutdown",
    Welcome: "welcome",
    Accepted: "accepted",
    Progress: "progress",
    Result: "result",
    Cancelled: "cancelled",
    Error: "error",
    ServerStatus: "server_status",
}


def encode(message: Message, limits: Limits | None = None) -> bytes:
    """The bytes of a message.

    Raises `ProtocolError` when the other side would refuse them; `limits` are those of the server, for a
    fill.
    """
    limits = limits or Limits()
    fields: dict[str, Any] = {"type": TYPE_NAMES[type(message)], **_plain_fields(message)}
    if isinstance(message, (Hello, Fill, Cancel, StatusRequest, Shutdown)):
        _parse_client(fields, limits)
    else:
        _parse_server(fields)
    frame = pack(fields)
    if isinstance(message, Fill) and len(frame) > limits.max_frame_bytes:
        raise ProtocolError(
            "too_large",
            f"the fill has {len(frame)} of at most {limits.max_frame_bytes} bytes",
            job=message.job,
        )
    return frame


def decode_client(frame: Bytes, limits: Limits) -> ClientMessage:
    """The message in what a client sent. Raises `ProtocolError`."""
    if len(frame) > limits.max_frame_bytes:
        raise ProtocolError("bad_message", f"a message of more than {limits.max_frame_bytes} bytes")
    return _parse_client(unpack(frame), limits)


def decode_server(frame: Bytes) -> ServerMessage:
    """The message in what the server sent. Raises `ProtocolError`."""
    return _parse_server(unpack(frame))


def _plain_fields(message: Any) -> dict[str, Any]:
    # dataclasses.asdict would copy the pixels.
    return {field.name: _plain(getattr(message, field.name)) for field in dataclasses.fields(message)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _parse_client(fields: Mapping[str, Any], limits: Limits) -> ClientMessage:
    kind = fields.get("type")
    if kind == "hello":
        return _hello(Fields(fields, kind))
    if kind == "fill":
        return _fill(Fields(fields, kind), limits)
    if kind == "cancel":
        return Cancel(job=_job(Fields(fields, kind)))
    if kind == "status":
        return StatusRequest()
    if kind == "shutdown":
        return Shutdown()
    raise ProtocolError("bad_message", "not the type of a message that a client sends")


def _parse_server(fields: Mapping[str, Any]) -> ServerMessage:
    kind = fields.get("type")
    parse = _SERVER_PARSERS.get(kind) if type(kind) is str else None
    if parse is None:
        raise ProtocolError("bad_message", "not the type of a message that a server sends")
    return parse(Fields(fields, str(kind)))


def _job(fields: Fields) -> int:
    return fields.integer("job", 1, bounds.MAX_JOB)


def _hello(fields: Fields) -> Hello:
    return Hello(
        client=fields.name("client"),
        client_version=fields.name("client_version", ""),
        protocol=fields.integer("protocol", 1, 65535),
    )


def _fill(fields: Fields, limits: Limits) -> Fill:
    job = _job(fields)
    fields.job, fields.code = job, "bad_request"
    width = fields.integer("width", 1, bounds.MAX_SIDE)
    height = fields.integer("height", 1, bounds.MAX_SIDE)
    if max(width, height) > limits.max_side:
        raise fields.fail("width", f"or height is more than {limits.max_side} pixels", "too_large")
    if width * height > limits.max_pixels:
        raise fields.fail("width", f"times height is more than {limits.max_pixels} pixels", "too_large")
    pixel_format = fields.choice("format", CHANNELS)
    depth = fields.choice("depth", DEPTH_BYTES)
    return Fill(
        job=job,
        width=width,
        height=height,
        format=pixel_format,
        depth=depth,
        pixels=fields.data("pixels", width * height * pixel_bytes(pixel_format, depth)),
        hole=fields.data("hole", width * height),
        options=_options(fields.section("options")),
    )


def _options(fields: Fields) -> Options:
    return Options(
        grow=fields.integer("grow", -1, bounds.MAX_GROW, -1),
        feather=fields.integer("feather", -1, bounds.MAX_FEATHER, -1),
        context=_context(fields),
        quality=fields.choice("quality", QUALITIES, "balanced"),
        model=fields.name("model", ""),
        join_islands=fields.boolean("join_islands") if fields.has("join_islands") else None,
        seed=fields.integer("seed", 0, bounds.MAX_SEED, 0),
        light=fields.choice("light", LIGHTS, "perceptual"),
        seam=fields.boolean("seam", True),
        grain=fields.boolean("grain", True),
    )


def _context(fields: Fields) -> Context:
    value = fields.get("context", "auto")
    if type(value) is str and value == "auto":
        return "auto"
    if type(value) is str and value == "whole":
        return "whole"
    if type(value) is int and 0 <= value <= bounds.MAX_CONTEXT:
        return value
    raise fields.fail("context", f"must be auto, whole, or an integer from 0 to {bounds.MAX_CONTEXT}")


def _device(fields: Fields) -> Device:
    return Device(
        id=fields.name("id"),
        name=fields.name("name"),
        memory_bytes=fields.integer("memory_bytes", 0, bounds.MAX_COUNT, 0),
    )


def _model(fields: Fields) -> Model:
    return Model(
        name=fields.name("name"),
        title=fields.text("title", bounds.MAX_TEXT, ""),
        license=fields.text("license", bounds.MAX_TEXT, ""),
    )


def _worker(fields: Fields) -> Worker:
    return Worker(
        device=fields.name("device"),
        state=fields.choice("state", WORKER_STATES),
        model=fields.name("model", ""),
        pid=fields.integer("pid", 0, bounds.MAX_COUNT, 0),
        memory_bytes=fields.integer("memory_bytes", 0, bounds.MAX_COUNT, 0),
        jobs=fields.integer("jobs", 0, bounds.MAX_COUNT, 0),
    )


def _limits(fields: Fields) -> Limits:
    return Limits(
        max_frame_bytes=fields.integer("max_frame_bytes", 1, bounds.MAX_COUNT),
        max_side=fields.integer("max_side", 1, bounds.MAX_COUNT),
        max_pixels=fields.integer("max_pixels", 1, bounds.MAX_COUNT),
        max_jobs=fields.integer("max_jobs", 1, bounds.MAX_COUNT),
        heartbeat_seconds=fields.number("heartbeat_seconds", 0.01, 3600),
    )


def _welcome(fields: Fields) -> Welcome:
    return Welcome(
        server_version=fields.name("server_version"),
        limits=_limits(fields.section("limits")),
        devices=fields.items("devices", _device),
        models=fields.items("models", _model),
        default_model=fields.name("default_model"),
        protocol=fields.integer("protocol", 1, 65535),
    )


def _accepted(fields: Fields) -> Accepted:
    return Accepted(job=_job(fields), position=fields.integer("position", 0, bounds.MAX_COUNT))


def _progress(fields: Fields) -> Progress:
    return Progress(
        job=_job(fields),
        stage=fields.name("stage"),
        fraction=fields.number("fraction", 0, 1),
        position=fields.integer("position", 0, bounds.MAX_COUNT, 0),
    )


def _result(fields: Fields) -> Result:
    width = fields.integer("width", 0, bounds.MAX_SIDE)
    height = fields.integer("height", 0, bounds.MAX_SIDE)
    if (width == 0) != (height == 0):
        raise fields.fail("width", "is 0 exactly when height is")
    pixel_format = fields.choice("format", CHANNELS)
    depth = fields.choice("depth", DEPTH_BYTES)
    return Result(
        job=_job(fields),
        x=fields.integer("x", 0, bounds.MAX_SIDE),
        y=fields.integer("y", 0, bounds.MAX_SIDE),
        width=width,
        height=height,
        format=pixel_format,
        depth=depth,
        pixels=fields.data("pixels", width * height * pixel_bytes(pixel_format, depth)),
        blend=fields.data("blend", width * height),
        model=fields.name("model", ""),
        device=fields.name("device", ""),
        seconds=fields.number("seconds", 0, 1e9, 0.0),
    )


def _cancelled(fields: Fields) -> Cancelled:
    return Cancelled(job=_job(fields))


def _error(fields: Fields) -> Error:
    return Error(
        code=fields.choice("code", ERROR_CODES),
        message=fields.text("message", bounds.MAX_TEXT),
        job=_job(fields) if fields.has("job") else None,
        retryable=fields.boolean("retryable"),
    )


def _server_status(fields: Fields) -> ServerStatus:
    def count(name: str) -> int:
        return fields.integer(name, 0, bounds.MAX_COUNT, 0)

    return ServerStatus(
        state=fields.choice("state", SERVER_STATES),
        server_version=fields.name("server_version"),
        pid=fields.integer("pid", 0, bounds.MAX_COUNT),
        uptime_seconds=fields.number("uptime_seconds", 0, 1e12),
        connections=count("connections"),
        queued=count("queued"),
        running=count("running"),
        done=count("done"),
        failed=count("failed"),
        stopped=count("stopped"),
        workers=fields.items("workers", _worker),
        devices=fields.items("devices", _device),
        models=fields.items("models", _model),
        default_model=fields.name("default_model", ""),
        problem=fields.text("problem", bounds.MAX_TEXT, ""),
    )


_SERVER_PARSERS: Final[dict[str, Callable[[Fields], ServerMessage]]] = {
    "welcome": _welcome,
    "accepted": _accepted,
    "progress": _progress,
    "result": _result,
    "cancelled": _cancelled,
    "error": _error,
    "server_status": _server_status,
}
