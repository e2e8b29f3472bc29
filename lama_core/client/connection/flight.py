"""Several fills on their way: the next one is sent while the server works on those before it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from lama_core.client.connection.channel import POLL_SECONDS, Connection, Sending
from lama_core.client.connection.errors import FillCancelledError, FillFailedError
from lama_core.client.connection.silence import SilenceLimit
from lama_core.client.protocol.errors import ERROR_CODES, ErrorCode, ProtocolError
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Cancelled,
    Error,
    Fill,
    Preview,
    Progress,
    Result,
    ServerMessage,
)

EachProgress = Callable[[int, str, float, int], None]
"""Told the number of a fill, its stage, the fraction 0..1, and how many jobs come first."""
OnEachPreview = Callable[[int, Preview], None]
"""Told the number of a fill, and a first look at it."""

MAX_IN_FLIGHT: Final = 4
"""Fills that are sent and not answered, at most: their pixels wait in the server's memory."""
CANCEL_SECONDS: Final = 2.0
"""How long the server has to confirm that its jobs were cancelled."""


class Flight:
    """The fills of one caller, over one connection.

    One fill is sent at a time, and the next one only when the server has said that it has the one before:
    so a refusal is known before more pixels follow it. There is one fill more in flight than the server
    has devices.
    """

    def __init__(
        self,
        connection: Connection,
        fills: Iterable[Fill],
        *,
        on_progress: EachProgress | None,
        on_preview: OnEachPreview | None,
        cancelled: Callable[[], bool],
    ) -> None:
        """Take what `Client.fill_each` was given. Nothing is sent yet."""
        self._connection = connection
        self._fills = enumerate(fills)
        self._refused: deque[tuple[int, Fill]] = deque()
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._cancelled = cancelled
        self._silence = SilenceLimit(connection)
        welcome = connection.welcome
        self._most = min(1 + max(1, len(welcome.devices)), welcome.limits.max_jobs, MAX_IN_FLIGHT)
        self._sending: Sending | None = None
        self._unheard = 0  # the job that was sent last, until the server has said something about it
        self._open: dict[int, tuple[int, Fill]] = {}  # by job
        self._results: dict[int, Result] = {}
        self._next = 0  # the fill whose result is the next one to give out

    @property
    def is_unfinished(self) -> bool:
        """Whether the server may still say something about these fills, or hear of them."""
        return self._sending is not None or any(map(self._connection.session.is_open, self._open))

    def results(self) -> Iterator[Result]:
        """The results, in the order of the fills. Raises as `Client.fill_each` does."""
        self._send_next()
        while self._open:
            self._step()
            ready = self._take_ready()
            self._send_next()
            for result in ready:
                yield result
                # What the caller took its time for was not the server's silence.
                self._silence.renew()

    def _take_ready(self) -> list[Result]:
        """The results that no fill before them is still waited for."""
        ready = []
        while self._next in self._results:
            ready.append(self._results.pop(self._next))
            self._next += 1
        return ready

    def _send_next(self) -> None:
        """Begin to send one more, where it may be."""
        # A result that waits for the one before it counts too, so that the server never gets far ahead.
        if self._unheard or len(self._open) + len(self._results) >= self._most:
            return
        number, fill = self._refused.popleft() if self._refused else next(self._fills, (-1, None))
        if fill is None:
            return
        link = self._connection.link
        message = replace(
            fill,
            job=self._connection.session.next_job(),
            encoding=link.choose(self._connection.welcome.encodings),
            preview=self._on_preview is not None,
        )
        self._unheard = message.job
        self._open[message.job] = (number, fill)
        if len(self._open) == 1:
            self._silence.renew()
        self._silence.allow(sum(each.plane_bytes for _, each in self._open.values()))
        self._sending = self._connection.start_sending(message)

    def _step(self) -> None:
        message = self._connection.receive(POLL_SECONDS)
        if message is not None:
            self._silence.renew()
            self._take(message)
        if self._sending is not None and self._sending.has_ended():
            sending, self._sending = self._sending, None
            try:
                sending.check()
            except ProtocolError as error:
                del self._open[self._unheard]
                self._fail(error.code, error.message, retryable=ERROR_CODES[error.code])
        if self._cancelled():
            self._cancel_all()
            raise FillCancelledError("the fill was cancelled")
        self._silence.check()

    def _take(self, message: ServerMessage) -> None:
        job = getattr(message, "job", None)
        if job not in self._open:
            return  # of a call before this one
        if job == self._unheard:
            # It has all of it, so the thread that sent it is about to end.
            if self._sending is not None:
                self._sending.wait()
                self._sending = None
            self._unheard = 0
            self._connection.link.arrived()
        number, fill = self._open[job]
        if isinstance(message, Accepted):
            self._tell(number, "queued", 0.0, message.position)
        elif isinstance(message, Progress):
            self._tell(number, message.stage, message.fraction, message.position)
        elif isinstance(message, Preview):
            if self._on_preview is not None:
                self._on_preview(number, message)
        elif isinstance(message, Result):
            del self._open[job]
            self._results[number] = message
        elif isinstance(message, Cancelled):
            del self._open[job]
            self._cancel_all()
            raise FillCancelledError("the fill was cancelled by the server")
        elif isinstance(message, Error):
            del self._open[job]
            if message.code == "busy" and self._open:
                # There is room for fewer at a time: it waits until one of those before it has ended.
                self._most = len(self._open)
                self._refused.append((number, fill))
            else:
                self._fail(message.code, message.message, retryable=message.retryable)

    def _tell(self, number: int, stage: str, fraction: float, position: int) -> None:
        """Pass on the progress of the fill that the caller waits for."""
        if number == self._next and self._on_progress is not None:
            self._on_progress(number, stage, fraction, position)

    def _fail(self, code: ErrorCode, message: str, *, retryable: bool) -> None:
        self._cancel_all()
        raise FillFailedError(code, message, retryable=retryable)

    def _cancel_all(self) -> None:
        """Have the server end what is open. Where that is not so in time, it stays open."""
        if self._sending is not None:
            return  # half a message cannot be taken back: only the end of the connection ends it
        session = self._connection.session
        for job in self._open:
            self._connection.send(Cancel(job=job), lambda: None)
        deadline = time.monotonic() + CANCEL_SECONDS
        while any(map(session.is_open, self._open)) and time.monotonic() < deadline:
            self._connection.receive(POLL_SECONDS)
