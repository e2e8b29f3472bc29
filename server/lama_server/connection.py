"""One client: its messages, its jobs, and what it is told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from websockets.exceptions import ConnectionClosed

from lama_core.client.protocol import codec, encodings
from lama_core.client.protocol.errors import ERROR_CODES, ErrorCode, ProtocolError
from lama_core.client.protocol.limits import FRAGMENT, MIB, Limits
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Cancelled,
    ClientMessage,
    Encoding,
    Error,
    Fill,
    Hello,
    Model,
    Progress,
    Result,
    ServerMessage,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
)
from lama_core.client.protocol.session import ServerSession
from lama_core.client.text import one_line
from lama_server import __version__
from lama_server.errors import JobCancelledError, JobError
from lama_server.handshake import Connection
from lama_server.jobs import Ending, Job
from lama_server.scheduler import Scheduler
from lama_server.send_queue import SendQueue, UnreadError
from lama_server.settings import Settings
from lama_server.shared.audit import AuditLine
from lama_server.shared_server import SharedServer
from lama_server.tasks import cancel_and_wait
from lama_server.user_jobs import Owner

log = logging.getLogger(__name__)

MAX_PENDING_RESULTS = 4
"""Results that a client may leave unread before its next fill is refused."""
_VIOLATION, _UNSUPPORTED, _POLICY = 1002, 1003, 1008


class Catalogue(Protocol):
    """The installed models."""

    def models(self) -> tuple[Model, ...]:
        """All of them."""

    def has(self, name: str) -> bool:
        """Whether there is a model of that name."""

    def default(self) -> str:
        """The one to use when a fill names none; "" when none is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerContext:
    """What all connections share.

    Attributes:
        settings: of the server.
        limits: what it accepts from one connection.
        scheduler: takes the fills.
        catalogue: the installed models.
        status: gives the answer to `status`.
        stop: called with the reason when a client asks for the server's end.
        shared: knows the users of other machines; None where there are none.
    """

    settings: Settings
    limits: Limits
    scheduler: Scheduler
    catalogue: Catalogue
    status: Callable[[], ServerStatus]
    stop: Callable[[str], None]
    shared: SharedServer | None = None

    def limits_of(self, user: str) -> Limits:
        """What is accepted from one connection of a user; "": of this user's own programs."""
        if not user or self.shared is None:
            return self.limits
        own = self.shared.users.limits(user)
        return replace(
            self.limits,
            max_frame_bytes=min(self.shared.max_frame_bytes, own.memory_mib * MIB),
            max_jobs=min(self.limits.max_jobs, own.waiting),
        )


class ClientConnection:
    """Runs one websocket from its opening to its end.

    Attributes:
        user: the name of a shared server's user; "" for this user's own programs.
        received_bytes: of all its messages.
    """

    def __init__(self, socket: Connection, context: ServerContext) -> None:
        self._socket = socket
        self._context = context
        self.user = socket.user
        self._client = ""
        self._limits = context.limits_of(self.user)
        self._session = ServerSession(self._limits)
        self._send_queue = SendQueue(
            socket,
            timeout=context.settings.write_timeout,
            progress=self._progress_frame,
            fragment=FRAGMENT if self.user else 0,
        )
        self._jobs: dict[int, Job] = {}
        self._encodings: dict[int, Encoding] = {}
        self._encoding: set[asyncio.Task[None]] = set()
        self._beating: asyncio.Task[None] | None = None
        self._dismissal: asyncio.Task[None] | None = None
        self._open = True
        self.received_bytes = 0

    async def run(self) -> None:
        """Serve until the client is gone; then everything that it wanted is stopped."""
        receiving = asyncio.create_task(self._receive(), name="receive")
        sending = asyncio.create_task(self._send_queue.run(), name="send")
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._forget_jobs()
            for task in (receiving, sending, self._beating):
                if task is not None and not task.done():
                    task.cancel()
            await asyncio.wait({receiving, sending})
            self._report(receiving)
            self._report(sending)

    async def flushed(self) -> None:
        """Wait until the client was sent everything that it is owed."""
        await self._send_queue.empty()

    def dismiss(self) -> None:
        """End the connection, because its user is not admitted any longer."""
        self._forget_jobs()
        self._dismissal = asyncio.create_task(
            self._socket.close(_POLICY, "the token is not good any longer"), name="dismiss"
        )

    def _report(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:
            return
        error = task.exception()
        if isinstance(error, UnreadError):
            log.info("a client has not read what it was sent: dropped")
        elif not isinstance(error, ConnectionClosed):
            log.error("a connection failed", exc_info=error)
            self._socket.abort()

    # What comes in

    async def _receive(self) -> None:
        try:
            frame = await asyncio.wait_for(self._socket.recv(), self._context.settings.handshake_timeout)
        except asyncio.TimeoutError:
            await self._close(_POLICY, "no hello in time")
            return
        while True:
            if isinstance(frame, str):
                await self._close(_UNSUPPORTED, "text frames are not part of the protocol")
                return
            try:
                self.received_bytes += len(frame)
                # Decoding what was encoded for a slow way takes long enough for others to notice.
                is_large = bool(self.user) and len(frame) > FRAGMENT
                decode = self._session.decode
                self._take(await asyncio.to_thread(decode, frame) if is_large else decode(frame))
            except ProtocolError as error:
                self._say(Error.of(error.code, one_line(error.message), job=error.job))
                if error.fatal:
                    log.info("a client broke the protocol: %s", one_line(error.message))
                    await self._close(_VIOLATION, error.code)
                    return
            # It may be large, and the next one a long time away.
            del frame
            frame = await self._socket.recv()

    async def _close(self, code: int, reason: str) -> None:
        """Send what is owed, and end the connection; whatever the client still says is not listened to."""
        self._forget_jobs()
        await self._send_queue.empty()
        # Its answer to the close comes after what it has sent before, so that has to be read.
        discarding = asyncio.create_task(self._discard(), name="discard")
        await self._socket.close(code, reason)
        await cancel_and_wait(discarding)

    async def _discard(self) -> None:
        while True:
            await self._socket.recv()

    def _forget_jobs(self) -> None:
        """End the client's jobs: nothing more is sent to it."""
        self._open = False
        for job in tuple(self._jobs.values()):
            self._context.scheduler.cancel(job)

    def _take(self, decoded: ClientMessage | ProtocolError) -> None:
        message = self._session.admit(decoded)
        if isinstance(message, Hello):
            self._client = message.client
            log.info(
                "client %s %s%s",
                one_line(message.client),
                one_line(message.client_version),
                f" of {self.user} at {self._socket.address}" if self.user else "",
            )
            self._say(self._welcome())
        elif isinstance(message, Fill):
            self._take_fill(message)
        elif isinstance(message, Cancel):
            job = self._jobs.get(message.job)
            if job is not None:
                self._context.scheduler.cancel(job)
        elif isinstance(message, StatusRequest):
            status = self._context.status()
            self._say(_for_users(status) if self.user else status)
        elif isinstance(message, Shutdown):
            if self.user:
                raise ProtocolError("bad_message", "a shared server is ended on its own machine alone")
            self._context.stop("a client asked for it")

    def _welcome(self) -> Welcome:
        context = self._context
        default = context.catalogue.default()
        return Welcome(
            server_version=__version__,
            limits=self._limits,
            devices=context.scheduler.devices(),
            models=context.catalogue.models(),
            default_model=default,
            encodings=encodings.OFFERED if self.user else (),
        )

    def _take_fill(self, fill: Fill) -> None:
        model = fill.model or self._context.catalogue.default()
        if not self._context.catalogue.has(model):
            self._refuse(fill, "unknown_model", _no_such_model(model))
            return
        if self._send_queue.pending_large >= MAX_PENDING_RESULTS:
            self._refuse(fill, "busy", "read the results that were sent before sending more")
            return
        job = Job(
            client=Owner(user=self.user) if self.user else self,
            fill=replace(fill, model=model, encoding=""),
            progressed=lambda job: self._send_queue.mark_progress(job.fill.job),
            previewed=self._say,
            ended=self._job_ended,
        )
        shared = self._context.shared if self.user else None
        try:
            if shared is not None:
                shared.jobs.add(self.user, job)
            position = self._context.scheduler.submit(job)
        except JobError as error:
            if shared is not None:
                shared.jobs.remove(self.user, job)
            self._refuse(fill, error.code, error.message)
            return
        self._jobs[fill.job] = job
        if fill.encoding:
            self._encodings[fill.job] = fill.encoding
        self._say(Accepted(job=fill.job, position=position))
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._beat(), name="beat")

    def _refuse(self, fill: Fill, code: ErrorCode, message: str) -> None:
        self._say(Error.of(code, message, job=fill.job))

    # What goes out

    def _say(self, message: ServerMessage) -> None:
        if self._open:
            self._send_queue.put(self._session.send(message))

    async def _say_encoded(self, result: Result) -> None:
        frame = await asyncio.to_thread(codec.encode, result)
        if self._open:
            self._send_queue.put(self._session.send(result, frame))

    def _job_ended(self, job: Job, ending: Ending) -> None:
        number = job.fill.job
        self._jobs.pop(number, None)
        if self.user and self._context.shared is not None:
            self._context.shared.jobs.remove(self.user, job)
            self._context.scheduler.look_again()
            self._audit(job, ending)
        encoding = self._encodings.pop(number, "")
        if isinstance(ending, Result) and encoding:
            # The worker's next job overwrites them.
            copied = replace(
                ending, pixels=bytes(ending.pixels), blend=bytes(ending.blend), encoding=encoding
            )
            encoding_it = asyncio.create_task(self._say_encoded(copied), name="encode")
            self._encoding.add(encoding_it)
            encoding_it.add_done_callback(self._encoding.discard)
        elif isinstance(ending, Result):
            self._say(ending)
        elif isinstance(ending, JobCancelledError):
            self._say(Cancelled(job=number))
        else:
            log.info("a fill failed: %s, %s", ending.code, one_line(ending.message))
            self._say(
                Error(
                    code=ending.code,
                    message=ending.message,
                    job=number,
                    retryable=ERROR_CODES[ending.code],
                )
            )

    def _audit(self, job: Job, ending: Ending) -> None:
        fill = job.fill
        how, seconds = "stopped", 0.0
        if isinstance(ending, Result):
            how, seconds = "done", ending.seconds
        elif isinstance(ending, JobError):
            how = ending.code
        AuditLine(
            user=self.user,
            address=self._socket.address,
            client=one_line(self._client),
            width=fill.width,
            height=fill.height,
            format=fill.format,
            depth=fill.depth,
            quality=fill.options.quality,
            model=fill.model,
            received=job.bytes,
            ending=how,
            seconds=seconds,
            total_seconds=time.monotonic() - job.began,
        ).write()

    def _progress_frame(self, number: int) -> bytes | None:
        job = self._jobs.get(number)
        if job is None or not self._open:
            return None
        stage, fraction, position = self._context.scheduler.place(job)
        return self._session.send(Progress(job=number, stage=stage, fraction=fraction, position=position))

    async def _beat(self) -> None:
        """Say something about every unfinished job before the client could think that the server is stuck."""
        while self._jobs:
            await asyncio.sleep(self._limits.heartbeat_seconds / 2)
            for number in self._jobs:
                self._send_queue.mark_progress(number)


def _for_users(status: ServerStatus) -> ServerStatus:
    """What a user is told: nothing of the processes and folders of the server's machine."""
    workers = tuple(replace(worker, pid=0) for worker in status.workers)
    problem = "a device or its model is in trouble: ask your administrator" if status.problem else ""
    return replace(status, pid=0, workers=workers, problem=problem)


def _no_such_model(model: str) -> str:
    if not model:
        return "no model is installed; run: lama-fill models download"
    return f"no model {one_line(model)} is installed; lama-fill models list shows those that are"
