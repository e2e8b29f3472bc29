"""Every message of the protocol as a frozen dataclass.

One websocket message holds one of them (see `codec`). What comes out of the decoder has every field
within the range that is given here; what goes into the encoder is expected to. docs/protocol.md says the
same in prose.

Python 3.9 has no keyword-only dataclasses: build messages with keywords nevertheless.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal, Union

from lama_core.client.options import FillOptions
from lama_core.client.protocol.errors import ERROR_CODES, ErrorCode
from lama_core.client.protocol.limits import MAX_TEXT, Limits

PROTOCOL_VERSION: Final = 1
SUBPROTOCOL: Final = "lamafill.v1"
DESK_SUBPROTOCOL: Final = "lamafill.desk.v1"
"""Between the page and the command that opened it; see docs/web.md."""
DESK_PATH: Final = "/desk"

Bytes = Union[bytes, bytearray, memoryview]
"""Pixels on their way out may be any buffer of bytes; what was decoded is always `bytes`."""

PixelFormat = Literal["gray", "graya", "rgb", "rgba", "bgra"]
Depth = Literal["u8", "u16", "f16", "f32"]
Encoding = Literal["", "zlib", "zlib-mask"]
"""How pixels travel; see `encodings`. In a message itself they are always as they are."""
ServerState = Literal["loading", "ready", "idle", "degraded", "stopping"]
WorkerState = Literal["unloaded", "loading", "ready", "busy", "failed"]

CHANNELS: Final[dict[PixelFormat, int]] = {"gray": 1, "graya": 2, "rgb": 3, "rgba": 4, "bgra": 4}
DEPTH_BYTES: Final[dict[Depth, int]] = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
SERVER_STATES: Final[tuple[ServerState, ...]] = ("loading", "ready", "idle", "degraded", "stopping")
WORKER_STATES: Final[tuple[WorkerState, ...]] = ("unloaded", "loading", "ready", "busy", "failed")


def pixel_bytes(pixel_format: PixelFormat, depth: Depth) -> int:
    """Bytes of one pixel."""
    return CHANNELS[pixel_format] * DEPTH_BYTES[depth]


# Client to server


@dataclass(frozen=True)
class Hello:
    """The first message of a connection. `client` and `client_version` are for the log only."""

    client: str
    client_version: str = ""
    protocol: int = PROTOCOL_VERSION


@dataclass(frozen=True)
class Fill:
    """Fill the hole in this window of an image.

    `pixels`: `width * height` pixels, row by row from the top, tightly packed, little endian, straight alpha;
    float samples are 0..1. `hole`: one byte for each pixel, 0 known, 255 hole, soft in between.
    `source`: one byte for each pixel, not 0 where the fill may copy from; empty: from everywhere.
    `options`: how; `options.memory` is not sent. `model`: the name of an installed model, "" is the server's
    default. `job`: 1 or more, larger than every earlier one of the connection; 0 as long as it was not sent,
    because the connection numbers it. `encoding`: how pixels and hole travel, and those of the result.
    `preview`: whether a `Preview` is wanted before the result.
    """

    width: int
    height: int
    format: PixelFormat
    depth: Depth
    pixels: Bytes = field(repr=False)
    hole: Bytes = field(repr=False)
    source: Bytes = field(default=b"", repr=False)
    options: FillOptions = FillOptions()  # noqa: RUF009 - frozen
    model: str = ""
    job: int = 0
    encoding: Encoding = ""
    preview: bool = False

    def without_pixels(self) -> Fill:
        """The same fill without the memory that its pixels, its hole and its source take."""
        return replace(self, pixels=b"", hole=b"", source=b"")

    @property
    def plane_bytes(self) -> int:
        """How many bytes these take."""
        planes = (self.pixels, self.hole, self.source)
        return sum(plane.nbytes if isinstance(plane, memoryview) else len(plane) for plane in planes)


@dataclass(frozen=True)
class Cancel:
    """Stop a job. Its last message is `cancelled`, or whatever was on its way already."""

    job: int


@dataclass(frozen=True)
class StatusRequest:
    """Ask for a `ServerStatus`. On the wire: `status`."""


@dataclass(frozen=True)
class Shutdown:
    """End the server: unfinished jobs get `shutting_down` and every connection is closed with code 1001."""


# Server to client


@dataclass(frozen=True)
class Device:
    """A device that jobs can run on.

    `id`: "cuda:0", "mps", "cpu". `name`: for people. `memory_bytes`: all it has, 0 when unknown.
    """

    id: str
    name: str
    memory_bytes: int = 0


@dataclass(frozen=True)
class Model:
    """An installed model. `name` is what `Fill.model` takes; `title` and `license` are for people."""

    name: str
    title: str = ""
    license: str = ""


@dataclass(frozen=True)
class Welcome:
    """The answer to `Hello`.

    `devices` is empty as long as the server does not know them yet. `encodings`: those that fills may have.
    """

    server_version: str
    limits: Limits
    devices: tuple[Device, ...]
    models: tuple[Model, ...]
    default_model: str
    protocol: int = PROTOCOL_VERSION
    encodings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Accepted:
    """The job is in the queue with `position` jobs before it; 0 means that it is next or runs already."""

    job: int
    position: int


@dataclass(frozen=True)
class Progress:
    """Where the job is; said again at least every `Limits.heartbeat_seconds`.

    `stage`: a word such as "queued", "loading", "filling". `fraction`: 0..1 of the whole job, never falling.
    `position`: jobs before it in the queue, 0 when it runs.
    """

    job: int
    stage: str
    fraction: float
    position: int = 0


@dataclass(frozen=True)
class Preview:
    """A first look at a fill that asked for one, coarse and small; at most one, before the result.

    `x`, `y`: where its top left pixel is in the window that was sent. `width`, `height`: its own, 1 to
    `MAX_PREVIEW_SIDE`. `scale`: pixels of the window, in either direction, for one of the preview; the last
    column and row may reach out of the window. `pixels`: `width * height` pixels RGBA of 8 bits, encoded for
    a screen, alpha straight. Alpha is how much of the fill shows; around the hole, where it is 0, the colours
    are those of the picture.
    """

    job: int
    x: int
    y: int
    width: int
    height: int
    scale: int
    pixels: Bytes = field(repr=False)


@dataclass(frozen=True)
class Result:
    """What to put over the image: a rectangle of the window that was sent, in its format and depth.

    `x`, `y`: where the rectangle's top left pixel is in the window. `pixels`: `width * height` pixels as
    in `Fill`. `blend`: one byte for each pixel, how much of the fill shows: 0 nothing, 255 all. An empty
    hole gives a rectangle of no width and no height. `seconds`: what the job took without its time in
    the queue. `encoding`: that of its fill.
    """

    job: int
    x: int
    y: int
    width: int
    height: int
    format: PixelFormat
    depth: Depth
    pixels: Bytes = field(repr=False)
    blend: Bytes = field(repr=False)
    model: str = ""
    device: str = ""
    seconds: float = 0.0
    encoding: Encoding = ""


@dataclass(frozen=True)
class Cancelled:
    """The last message of a job that was cancelled."""

    job: int


@dataclass(frozen=True)
class Error:
    """The last message of a job that failed or, when `job` is None, of the connection."""

    code: ErrorCode
    message: str
    job: int | None = None
    retryable: bool = False

    @classmethod
    def of(cls, code: ErrorCode, message: str, *, job: int | None = None) -> Error:
        """An error that is retryable exactly when its code says so, its message made one line."""
        line = " ".join(message.encode("utf-8", "backslashreplace").decode("utf-8").split())
        return cls(code=code, message=line[:MAX_TEXT], job=job, retryable=ERROR_CODES[code])


@dataclass(frozen=True)
class Worker:
    """The process that works on one device.

    `device`: a `Device.id`. `model`: the one that is loaded, "" for none. `pid`: 0 when there is no process.
    `memory_bytes`: what it uses of the device's memory, 0 when unknown. `jobs`: how many it has finished.
    """

    device: str
    state: WorkerState
    model: str = ""
    pid: int = 0
    memory_bytes: int = 0
    jobs: int = 0


@dataclass(frozen=True)
class ServerStatus:
    """The answer to `StatusRequest`.

    `state`: `loading` (a model is on its way), `ready`, `idle` (unloaded; the next fill loads it again),
    `degraded` (a device is lost or the model failed), `stopping`. `uptime_seconds`: since the start.
    `connections`, `queued`, `running`: now. `done`, `failed`, `stopped`: jobs since the start that ended
    with a result, an error, or were cancelled. `problem`: why the server is degraded, one line for people.
    """

    state: ServerState
    server_version: str
    pid: int
    uptime_seconds: float
    connections: int = 0
    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    stopped: int = 0
    workers: tuple[Worker, ...] = ()
    devices: tuple[Device, ...] = ()
    models: tuple[Model, ...] = ()
    default_model: str = ""
    problem: str = ""


ClientMessage = Union[Hello, Fill, Cancel, StatusRequest, Shutdown]
ServerMessage = Union[Welcome, Accepted, Progress, Preview, Result, Cancelled, Error, ServerStatus]
