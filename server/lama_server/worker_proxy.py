"""The server's handle on a worker, wherever that is: starts it, hands it jobs, notices its death, ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from lama_core.client.protocol.codec import server_message, to_fields
from lama_core.client.protocol.messages import (
    Cancel,
    Device,
    Error,
    Fill,
    Preview,
    Result,
)
from lama_core.client.text import one_line
from lama_server.errors import JobCancelledError, JobError, WorkerLostError, WorkerStartError
from lama_server.ipc import Message
from lama_server.planes import write_planes
from lama_server.shared_memory import NO_MEMORY, SharedBuffer


class Channel(Protocol):
    """The way to one worker: messages as in `lama_server.ipc`, pixels in `memory`.

    Attributes:
        pid: number of the worker's process, once it has started; 0 where it is on another machine.
        memory: what both ends can read and write.
        ended_for_memory: whether the system has ended the worker because memory ran out.
    """

    pid: int
    memory: SharedBuffer
    ended_for_memory: bool

    async def start(self, take: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        """Start the worker.

        Args:
            take: called with each message of the worker. For one that cannot be understood it raises
                ProtocolError, ValueError, KeyError or TypeError; that counts as the worker's end.
            ended: called with the reason when there will be no more messages.

        Raises:
            WorkerStartError: it cannot be started.
        """

    def send(self, message: Message) -> None:
        """Send a message; to a worker that is gone nothing happens."""

    async def lost(self) -> str:
        """Return, with the reason, when the worker has ended."""

    async def end(self) -> None:
        """End the worker at once. Never raises; may be called at any time, and twice."""


class WorkerProxy:
    """A `lama_server.jobs.Worker` at the other end of a channel."""

    def __init__(self, slot: str, channel: Channel) -> None:
        """Prepare, without starting anything.

        Args:
            slot: what to call it in errors; of a local worker the device as the settings name it.
            channel: the way to it.
        """
        self.device: Device | None = None
        self.model = ""
        self.pid = 0
        self.memory_bytes = 0
        self._slot = slot
        self._channel = channel
        self._answer: asyncio.Future[Message] | None = None
        self._progress: Callable[[str, float], None] | None = None
        self._previewed: Callable[[Preview], None] | None = None
        self._job = 0

    async def start(self, model: str) -> None:
        self._answer = asyncio.get_running_loop().create_future()
        await self._channel.start(self._take, self._fail_answer)
        self.pid = self._channel.pid
        self._channel.send({"type": "load", "model": model})
        try:
            answer = await self._answer
        except WorkerLostError as error:
            raise WorkerStartError(f"the worker on {self._slot} failed to start: {error}") from error
        if answer["type"] != "ready":
            raise WorkerStartError(one_line(answer["message"]))
        self.device = Device(**answer["device"])
        self.model = model
        self.memory_bytes = answer["memory_in_use"]

    async def fill(
        self, fill: Fill, progress: Callable[[str, float], None], previewed: Callable[[Preview], None]
    ) -> Result:
        self._job += 1
        job = fill.job
        try:
            shared = self._channel.memory.resize(fill.plane_bytes)
        except (OSError, MemoryError) as error:
            raise JobError("out_of_memory", NO_MEMORY) from error
        message = write_planes(replace(fill, job=self._job), shared)
        del fill  # its pixels are in the shared memory now
        self._answer = asyncio.get_running_loop().create_future()
        self._progress, self._previewed = progress, previewed
        self._channel.send({**message, "shared": self._channel.memory.handle})
        try:
            answer = await self._answer
        except WorkerLostError as error:
            if self._channel.ended_for_memory:
                raise JobError("out_of_memory", NO_MEMORY) from error
            raise
        finally:
            self._progress = self._previewed = None
        return replace(self._result(answer, shared), job=job)

    def _result(self, answer: Message, shared: memoryview) -> Result:
        if answer["type"] == "result":
            self.memory_bytes = answer["memory_in_use"]
            size = answer["pixels_size"]
            answer["pixels"], answer["blend"] = shared[:size], shared[size : size + answer["blend_size"]]
        message = server_message(answer)
        if isinstance(message, Error):
            raise JobError(message.code, one_line(message.message))
        if not isinstance(message, Result):
            raise JobCancelledError("cancelled")
        self.model = message.model
        return message

    def cancel(self) -> None:
        self._channel.send(to_fields(Cancel(job=self._job)))

    def release_caches(self) -> None:
        self._channel.memory.shrink()

    async def lost(self) -> str:
        return await self._channel.lost()

    async def end(self) -> None:
        await self._channel.end()
        self._fail_answer("the worker was ended")

    def _take(self, message: Message) -> None:
        if (message.get("job") or 0) != self._job:  # 0: about the load
            return
        if message["type"] == "progress":
            if self._progress is not None:
                self._progress(message["stage"], message["fraction"])
        elif message["type"] == "preview":
            preview = server_message(message)
            if self._previewed is not None and isinstance(preview, Preview):
                self._previewed(preview)
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    def _fail_answer(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerLostError(reason))
            # Nobody may be waiting any more; then nobody needs to be told.
            self._answer.exception()
