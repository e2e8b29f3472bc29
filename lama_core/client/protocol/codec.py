"""Messages to bytes and back: one message is one msgpack map with string keys, `type` names it.

Whatever the bytes are, decoding gives a message whose fields all have the types and ranges that `messages`
promises, or raises `ProtocolError`, and allocates little more than the bytes themselves. Encoding checks the
same, so what one side can encode the other can decode.

Keys that are not known are ignored, so that a later version may add some. Values of the pixels are not looked
at here: docs/protocol.md says what NaN and infinity mean.

`to_fields` and the two `..._message` functions are the same without msgpack, for a channel that carries the
pixels apart from the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, Union

from lama_core.client.options import OPTIONS, FillOptions, OptionError
from lama_core.client.protocol import encodings
from lama_core.client.protocol import limits as bounds
from lama_core.client.protocol.errors import ERROR_CODES, ErrorCode, ProtocolError
from lama_core.client.protocol.fields import Fields
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    CHANNELS,
    DEPTH_BYTES,
    SERVER_STATES,
    WORKER_STATES,
    Accepted,
    Bytes,
    Cancel,
    Cancelled,
    ClientMessage,
    Device,
    Encoding,
    Error,
    Fill,
    Hello,
    Model,
    Preview,
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
from lama_core.client.protocol.packing import byte_count, pack, unpack

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
    Preview: "preview",
    Result: "result",
    Cancelled: "cancelled",
    Error: "error",
    ServerStatus: "server_status",
}


OPTION_KEYS: Final[dict[str, str]] = {
    name: "light" if name == "transfer" else name for name in OPTIONS if name != "memory"
}
"""The key of each option in the map `options` of a fill; those that are not here are not sent."""

AUTOMATIC: Final = -1
"""What the first clients send in place of nil for a number that is automatic."""


def encode(message: Message, limits: Limits | None = None) -> bytes:
    """The bytes of a message.

    Args:
        message: what to send.
        limits: those of the server, for a fill; the defaults unless given.

    Raises:
        ProtocolError: the other side would refuse it.
    """
    limits = limits or Limits()
    fields = to_fields(message)
    if isinstance(message, Fill):
        _check_fill(message, limits)
    elif isinstance(message, Result):
        _check_result(message)
    elif isinstance(message, (Hello, Cancel, StatusRequest, Shutdown)):
        client_message(fields, limits)
    else:
        server_message(fields)
    if isinstance(message, (Fill, Result)) and message.encoding:
        _squeeze(fields, message)
    frame = pack(fields)
    if isinstance(message, Fill) and len(frame) > limits.max_frame_bytes:
        raise _too_many_bytes(message.width, message.height, len(frame), limits, message.job)
    return frame


def _squeeze(fields: dict[str, Any], message: Fill | Result) -> None:
    mask = "hole" if isinstance(message, Fill) else "blend"
    width = max(1, message.width)
    if message.encoding == encodings.ALL:
        stride = width * pixel_bytes(message.format, message.depth)
        fields["pixels"] = encodings.squeeze(fields["pixels"], stride)
    fields[mask] = encodings.squeeze(fields[mask], width)
    if isinstance(message, Fill) and message.source:
        fields["source"] = encodings.squeeze(message.source, width)


def _pixels_and_mask(
    fields: Fields, mask: str, width: int, height: int, each: int
) -> tuple[Encoding, Bytes, Bytes]:
    """How pixels came, they themselves, and what they are covered by. `each`: bytes of a pixel."""
    encoding = fields.choice("encoding", ("", *encodings.OFFERED), "")
    found = {name: fields.data(name) for name in ("pixels", mask)}
    for name, size in (("pixels", each), (mask, 1)):
        if encoding == encodings.ALL or (encoding and name == mask):
            stride = max(1, width) * size
            found[name] = _expanded(fields, name, found[name], stride, width * height * size)
    return encoding, found["pixels"], found[mask]


def _expanded(fields: Fields, name: str, data: Bytes, stride: int, size: int) -> bytes:
    try:
        return encodings.expand(data, stride, size)
    except ValueError as error:
        raise fields.fail(name, str(error)) from None


def decode_client(frame: Bytes, limits: Limits) -> ClientMessage:
    """The message in what a client sent. Raises `ProtocolError`."""
    if len(frame) > limits.max_frame_bytes:
        raise ProtocolError("bad_message", f"a message of more than {limits.max_frame_bytes} bytes")
    return client_message(unpack(frame), limits)


def decode_server(frame: Bytes) -> ServerMessage:
    """The message in what the server sent. Raises `ProtocolError`."""
    return server_message(unpack(frame))


def to_fields(message: Message) -> dict[str, Any]:
    """The map of a message, with `type`. Pixels are in it as they are, not copied."""
    fields = {"type": TYPE_NAMES[type(message)], **_plain_fields(message)}
    # What is not there means the same, and is what clients and servers of before know.
    for name in ("encoding", "encodings", "preview"):
        if name in fields and not fields[name]:
            del fields[name]
    if isinstance(message, Fill):
        chosen = {key: getattr(message.options, name) for name, key in OPTION_KEYS.items()}
        # Left out means automatic, for servers of before too.
        chosen = {key: value for key, value in chosen.items() if value is not None}
        fields["options"] = {**chosen, "model": fields.pop("model")}
        if not len(message.source):
            del fields["source"]  # servers of before do not know it
    return fields


def _plain_fields(message: Any) -> dict[str, Any]:
    # dataclasses.asdict would copy the pixels.
    return {field.name: _plain(getattr(message, field.name)) for field in dataclasses.fields(message)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def client_message(fields: Mapping[str, Any], limits: Limits) -> ClientMessage:
    """The message in a map that a client sent. Raises `ProtocolError`."""
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


def server_message(fields: Mapping[str, Any]) -> ServerMessage:
    """The message in a map that the server sent. Raises `ProtocolError`."""
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
    options = fields.section("options")
    width = fields.integer("width", 1, bounds.MAX_SIDE)
    height = fields.integer("height", 1, bounds.MAX_SIDE)
    pixel_format = fields.choice("format", CHANNELS)
    depth = fields.choice("depth", DEPTH_BYTES)
    each = pixel_bytes(pixel_format, depth)
    if fields.has("encoding"):  # nothing is decoded that is too large then
        _check_area(width, height, limits, job)
        if width * height * (each + 1) > limits.max_frame_bytes:
            raise _too_many_bytes(width, height, width * height * (each + 1), limits, job)
    encoding, pixels, hole = _pixels_and_mask(fields, "hole", width, height, each)
    source = fields.data("source", b"")
    if encoding and source:
        source = _expanded(fields, "source", source, width, width * height)
    fill = Fill(
        width=width,
        height=height,
        format=pixel_format,
        depth=depth,
        pixels=pixels,
        hole=hole,
        source=source,
        encoding=encoding,
        options=_options(options),
        model=options.name("model", ""),
        job=job,
        preview=fields.boolean("preview", False),
    )
    _check_fill(fill, limits)
    return fill


def _options(fields: Fields) -> FillOptions:
    chosen = {name: fields.get(key) for name, key in OPTION_KEYS.items() if fields.holds(key)}
    for name, value in chosen.items():
        if type(value) is int and value == AUTOMATIC and OPTIONS[name].automatic:
            chosen[name] = None
    try:
        return FillOptions(**chosen)
    except OptionError as error:
        raise fields.fail(OPTION_KEYS[error.name], f"must be {error.allowed}") from None


def _check_fill(fill: Fill, limits: Limits) -> None:
    """Check what the fields of a fill say together. Raises `ProtocolError`."""

    def fail(name: str, wanted: str, code: ErrorCode = "bad_request") -> ProtocolError:
        return ProtocolError(code, f"fill.{name}: {wanted}", job=fill.job)

    width, height = fill.width, fill.height
    _check_area(width, height, limits, fill.job)
    if fill.format not in CHANNELS or fill.depth not in DEPTH_BYTES:
        raise fail("format", f"and depth are {fill.format} and {fill.depth}, which are not of the protocol")
    sizes = (
        ("pixels", fill.pixels, pixel_bytes(fill.format, fill.depth)),
        ("hole", fill.hole, 1),
        ("source", fill.source, 1),
    )
    for name, data, each in sizes:
        if name == "source" and not byte_count(data):
            continue
        if byte_count(data) != width * height * each:
            raise fail(name, f"must be {width * height * each} bytes, not {byte_count(data)}")
    if len(fill.model) > bounds.MAX_NAME or not fill.model.isprintable():
        raise fail("options.model", f"must be at most {bounds.MAX_NAME} printable characters")
    if fill.plane_bytes > limits.max_frame_bytes:
        raise _too_many_bytes(width, height, fill.plane_bytes, limits, fill.job)


def _check_area(width: int, height: int, limits: Limits, job: int) -> None:
    def fail(wanted: str, code: ErrorCode) -> ProtocolError:
        return ProtocolError(code, f"fill.width: {wanted}", job=job)

    if min(width, height) < 1:
        raise fail("and height must be 1 or more", "bad_request")
    if max(width, height) > limits.max_side:
        raise fail(f"or height is more than {limits.max_side} pixels", "too_large")
    if width * height > limits.max_pixels:
        raise fail(f"times height is more than {limits.max_pixels} pixels", "too_large")


def _too_many_bytes(width: int, height: int, size: int, limits: Limits, job: int) -> ProtocolError:
    return ProtocolError(
        "too_large",
        f"the fill of {width} x {height} pixels takes {size} bytes, and the server takes messages "
        f"of {limits.max_frame_bytes}",
        job=job,
    )


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
        encodings=fields.names("encodings"),
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


def _preview(fields: Fields) -> Preview:
    preview = Preview(
        job=_job(fields),
        x=fields.integer("x", 0, bounds.MAX_SIDE),
        y=fields.integer("y", 0, bounds.MAX_SIDE),
        width=fields.integer("width", 1, bounds.MAX_PREVIEW_SIDE),
        height=fields.integer("height", 1, bounds.MAX_PREVIEW_SIDE),
        scale=fields.integer("scale", 1, bounds.MAX_SIDE),
        pixels=fields.data("pixels"),
    )
    size = preview.width * preview.height * CHANNELS["rgba"]
    if byte_count(preview.pixels) != size:
        raise fields.fail("pixels", f"must be {size} bytes, not {byte_count(preview.pixels)}")
    return preview


def _result(fields: Fields) -> Result:
    width = fields.integer("width", 0, bounds.MAX_SIDE)
    height = fields.integer("height", 0, bounds.MAX_SIDE)
    pixel_format = fields.choice("format", CHANNELS)
    depth = fields.choice("depth", DEPTH_BYTES)
    each = pixel_bytes(pixel_format, depth)
    if fields.has("encoding") and width * height * each > bounds.MAX_SERVER_FRAME_BYTES:
        raise fields.fail("width", "times height is more than any result has")
    encoding, pixels, blend = _pixels_and_mask(fields, "blend", width, height, each)
    result = Result(
        job=_job(fields),
        x=fields.integer("x", 0, bounds.MAX_SIDE),
        y=fields.integer("y", 0, bounds.MAX_SIDE),
        width=width,
        height=height,
        format=pixel_format,
        depth=depth,
        pixels=pixels,
        blend=blend,
        encoding=encoding,
        model=fields.name("model", ""),
        device=fields.name("device", ""),
        seconds=fields.number("seconds", 0, 1e9, 0.0),
    )
    _check_result(result)
    return result


def _check_result(result: Result) -> None:
    """Check what the fields of a result say together. Raises `ProtocolError`."""
    area = result.width * result.height
    if (result.width == 0) != (result.height == 0):
        raise ProtocolError("bad_message", "result.width: is 0 exactly when height is")
    sizes = (("pixels", result.pixels, pixel_bytes(result.format, result.depth)), ("blend", result.blend, 1))
    for name, data, each in sizes:
        if byte_count(data) != area * each:
            raise ProtocolError(
                "bad_message", f"result.{name}: must be {area * each} bytes, not {byte_count(data)}"
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
    "preview": _preview,
    "result": _result,
    "cancelled": _cancelled,
    "error": _error,
    "server_status": _server_status,
}
