"""What may be said when: the state of one connection, on each side, without any input or output.

A connection goes: `hello`, `welcome`, then any number of jobs next to each other. A job goes: `fill`, at
most one `accepted`, any number of `progress`, among them at most one `preview` if the fill asked for it, and
exactly one last message: `result`, `cancelled` or an `error` that names it. An `error` that names no job is
the connection's last message.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lama_core.client.protocol import codec
from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    PROTOCOL_VERSION,
    Accepted,
    Bytes,
    Cancel,
    Cancelled,
    ClientMessage,
    Error,
    Fill,
    Hello,
    Preview,
    Progress,
    Result,
    ServerMessage,
    ServerStatus,
    StatusRequest,
    Welcome,
)

MAX_STATUS_REQUESTS: Final = 64
"""`status` messages of one connection that wait for their answer."""


class ServerSession:
    """The server's side of one connection.

    `receive` judges what the client sent; `send` gives the bytes of what the server says. A message of
    the server that may not be said raises ValueError: that is a fault of the caller, who asks `is_open`
    about a job first.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._greeted = False
        self._welcomed = False
        self._ended = False
        self._last_job = 0
        self._open: dict[int, bool] = {}  # unfinished job -> accepted
        self._previews: set[int] = set()  # unfinished jobs that wait for theirs
        self._status_requests = 0

    @property
    def welcomed(self) -> bool:
        """Whether `hello` was answered."""
        return self._welcomed

    @property
    def open_jobs(self) -> tuple[int, ...]:
        """The unfinished jobs, oldest first."""
        return tuple(self._open)

    def is_open(self, job: int) -> bool:
        """Whether something may still be said about this job."""
        return job in self._open

    def receive(self, frame: Bytes) -> ClientMessage:
        """The message in a frame, when it may be said now.

        Raises `ProtocolError`: send `Error.of(error.code, error.message, job=error.job)` and, when it is
        fatal, close the connection with code 1002. A refused fill counts as an open job until that error
        is sent.
        """
        return self.admit(self.decode(frame))

    def decode(self, frame: Bytes) -> ClientMessage | ProtocolError:
        """What is in a frame, whether it may be said now or not. Changes nothing: any thread may do it."""
        try:
            return codec.decode_client(frame, self._limits)
        except ProtocolError as error:
            return error

    def admit(self, message: ClientMessage | ProtocolError) -> ClientMessage:
        """The second half of `receive`, after `decode`. Raises as that does."""
        if isinstance(message, ProtocolError):
            if message.job is not None:
                self._check_greeted()
                self._open_job(message.job)
            raise message
        if isinstance(message, Hello):
            if self._greeted:
                raise ProtocolError("bad_message", "hello is the first message and comes once")
            if message.protocol != PROTOCOL_VERSION:
                raise ProtocolError(
                    "unsupported_version",
                    f"this server speaks version {PROTOCOL_VERSION} of the protocol, "
                    f"the client asks for version {message.protocol}: update the older of the two",
                )
            self._greeted = True
            return message
        self._check_greeted()
        if isinstance(message, Fill):
            crowded = len(self._open) >= self._limits.max_jobs
            self._open_job(message.job)
            if crowded:
                raise ProtocolError(
                    "busy", f"this connection has {self._limits.max_jobs} unfinished jobs", job=message.job
                )
            if message.preview:
                self._previews.add(message.job)
        elif isinstance(message, Cancel):
            if message.job > self._last_job:
                raise ProtocolError("bad_message", "cancel names a job that was never sent")
        elif isinstance(message, StatusRequest):
            if self._status_requests >= MAX_STATUS_REQUESTS:
                raise ProtocolError("bad_message", f"{MAX_STATUS_REQUESTS} unanswered status requests")
            self._status_requests += 1
        return message

    def send(self, message: ServerMessage, frame: bytes = b"") -> bytes:
        """The bytes of a message; `frame` if known. Raises ValueError when it may not be said now."""
        self._check_may_send(message)
        frame = frame or codec.encode(message)
        if isinstance(message, Welcome):
            self._welcomed = True
        elif isinstance(message, Accepted):
            self._open[message.job] = True
        elif isinstance(message, Preview):
            self._previews.remove(message.job)
        elif isinstance(message, (Result, Cancelled)):
            self._close_job(message.job)
        elif isinstance(message, ServerStatus):
            self._status_requests -= 1
        elif isinstance(message, Error):
            if message.job is None:
                self._ended = True
            else:
                self._close_job(message.job)
        return frame

    def _check_may_send(self, message: ServerMessage) -> None:
        if self._ended:
            raise ValueError("the connection had its last message")
        if isinstance(message, Welcome):
            allowed = self._greeted and not self._welcomed
        elif isinstance(message, ServerStatus):
            allowed = self._status_requests > 0
        elif isinstance(message, Error) and message.job is None:
            allowed = True
        elif isinstance(message, Accepted):
            allowed = self._open.get(message.job) is False
        elif isinstance(message, Progress):
            allowed = self._open.get(message.job) is True
        elif isinstance(message, Preview):
            allowed = self._open.get(message.job) is True and message.job in self._previews
        else:
            allowed = message.job in self._open
        if not allowed:
            raise ValueError(f"{type(message).__name__} may not be said now")

    def _check_greeted(self) -> None:
        if not self._welcomed:
            raise ProtocolError("bad_message", "the first message is hello, the next one comes after welcome")

    def _open_job(self, job: int) -> None:
        if job <= self._last_job:
            raise ProtocolError("bad_message", "a job's number is larger than that of every job before it")
        self._last_job = job
        self._open[job] = False

    def _close_job(self, job: int) -> None:
        del self._open[job]
        self._previews.discard(job)


class ClientSession:
    """The client's side of one connection. Ends with the first `ProtocolError` or `Error` without a job."""

    def __init__(self) -> None:
        self._welcome: Welcome | None = None
        self._greeted = False
        self._last_job = 0
        self._open: dict[int, Fill] = {}

    @property
    def welcome(self) -> Welcome | None:
        """What the server said of itself; None before it did."""
        return self._welcome

    def next_job(self) -> int:
        """A number for the next fill."""
        return self._last_job + 1

    def is_open(self, job: int) -> bool:
        """Whether the server still owes this job its last message."""
        return job in self._open

    def send(self, message: ClientMessage) -> bytes:
        """The bytes of a message.

        Raises ValueError when it may not be said now, and `ProtocolError` when the server would refuse it.
        """
        if isinstance(message, Hello):
            if self._greeted:
                raise ValueError("hello is said once")
            self._greeted = True
            return codec.encode(message)
        if self._welcome is None:
            raise ValueError("the server has not said welcome yet")
        frame = codec.encode(message, self._welcome.limits)
        if isinstance(message, Fill):
            if message.job <= self._last_job:
                raise ValueError("a job's number is larger than that of every job before it")
            self._last_job = message.job
            self._open[message.job] = message.without_pixels()
        elif isinstance(message, Cancel) and message.job > self._last_job:
            raise ValueError("only what was sent can be cancelled")
        return frame

    def receive(self, frame: Bytes) -> ServerMessage:
        """The message in a frame. Raises `ProtocolError` when it may not be said now."""
        message = codec.decode_server(frame)
        if isinstance(message, Welcome):
            if self._welcome is not None or not self._greeted:
                raise ProtocolError("bad_message", "the server says welcome when it may not")
            if message.protocol != PROTOCOL_VERSION:
                raise ProtocolError("unsupported_version", f"the server chose version {message.protocol}")
            self._welcome = message
            return message
        if isinstance(message, Error) and message.job is None:
            return message
        if self._welcome is None:
            raise ProtocolError("bad_message", "the server's first message is not welcome")
        if isinstance(message, ServerStatus):
            return message
        if message.job is None or message.job not in self._open:
            raise ProtocolError("bad_message", f"the server speaks of a job that is not open ({message.job})")
        if isinstance(message, Preview):
            fill = self._open[message.job]
            _check_preview(message, fill)
            self._open[message.job] = replace(fill, preview=False)
        if isinstance(message, Result):
            _check_result(message, self._open[message.job])
        if isinstance(message, (Result, Cancelled, Error)):
            del self._open[message.job]
        return message


def _check_preview(preview: Preview, fill: Fill) -> None:
    if not fill.preview:
        raise ProtocolError("bad_message", "the server sends a preview that nobody waits for")
    right = preview.x + (preview.width - 1) * preview.scale
    bottom = preview.y + (preview.height - 1) * preview.scale
    if right >= fill.width or bottom >= fill.height:
        raise ProtocolError("bad_message", "the preview reaches beyond the window that was sent")


def _check_result(result: Result, fill: Fill) -> None:
    if (result.format, result.depth) != (fill.format, fill.depth):
        raise ProtocolError("bad_message", "the result has another pixel format than the fill")
    if result.x + result.width > fill.width or result.y + result.height > fill.height:
        raise ProtocolError("bad_message", "the result reaches beyond the window that was sent")
