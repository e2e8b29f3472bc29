"""The server's handle on a worker process: starts it, hands it jobs, notices its death, ends it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from lama_core.client.protocol.codec import server_message, to_fields
from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.messages import (
    Cancel,
    Device,
    Error,
    Fill,
    Result,
)
from lama_core.client.text import one_line
from lama_server.errors import JobCancelledError, JobError, WorkerLostError, WorkerStartError
from lama_server.ipc import HEADER_BYTES, Message, body_length, pack_message, unpack_message
from lama_server.shared_memory import NO_MEMORY, SharedBuffer

log = logging.getLogger(__name__)

WORKER_COMMAND = (sys.executable, "-m", "lama_server.worker")
_END_SECONDS = 1.0
"""How long a killed process may take to be gone; one that hangs in a driver is not waited for."""


class WorkerProcess:
    """A `lama_server.jobs.Worker` that is a process."""

    def __init__(self, device: str, *, command: Sequence[str], flags: Sequence[str], folder: str) -> None:
        """Prepare, without starting anything.

        Args:
            device: as the settings name it.
            command: to which the worker's flags are added.
            flags: how its engine is to work; see `lama_server.worker.process.run_worker`.
            folder: the process's working directory.
        """
        self.device: Device | None = None
        self.model = ""
        self.pid = 0
        self.memory_bytes = 0
        self._device_name = device
        self._command = command
        self._flags = flags
        self._folder = folder
        self._shared = SharedBuffer()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._complaints: asyncio.Task[None] | None = None
        self._last_words: collections.deque[str] = collections.deque(maxlen=1)
        self._answer: asyncio.Future[Message] | None = None
        self._progress: Callable[[str, float], None] | None = None
        self._job = 0

    async def start(self, model: str) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--device", self._device_name),
                *self._flags,
                *("--parent", str(os.getpid())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                pass_fds=self._shared.descriptors,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise WorkerStartError(f"the worker cannot be started: {error}") from error
        self.pid = self._process.pid
        self._complaints = asyncio.create_task(self._log_complaints(self._process), name="worker's stderr")
        self._answer = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process), name="worker's messages")
        self._send({"type": "load", "model": model})
        try:
            answer = await self._answer
        except WorkerLostError as error:
            raise WorkerStartError(f"the worker on {self._device_name} failed to start: {error}") from error
        if answer["type"] != "ready":
            raise WorkerStartError(one_line(answer["message"]))
        self.device = Device(**answer["device"])
        self.model = model
        self.memory_bytes = answer["memory_in_use"]

    async def fill(self, fill: Fill, progress: Callable[[str, float], None]) -> Result:
        self._job += 1
        size, job = len(fill.pixels), fill.job
        try:
            shared = self._shared.resize(size + len(fill.hole))
        except (OSError, MemoryError) as error:
            raise JobError("out_of_memory", NO_MEMORY) from error
        shared[:size] = fill.pixels
        shared[size:] = fill.hole
        message = to_fields(replace(fill, pixels=b"", hole=b"", job=self._job))
        del fill  # its pixels are in the shared memory now
        self._answer = asyncio.get_running_loop().create_future()
        self._progress = progress
        self._send({**message, "shared": self._shared.handle})
        try:
            answer = await self._answer
        finally:
            self._progress = None
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
        self._send(to_fields(Cancel(job=self._job)))

    def release_caches(self) -> None:
        self._shared.shrink()

    async def lost(self) -> str:
        assert self._process is not None
        await self._process.wait()
        return self._cause_of_death()

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), _END_SECONDS)
        for task in (self._reading, self._complaints):
            if task is not None:
                task.cancel()
        self._fail_answer("the worker was ended")
        self._shared.close()

    def _send(self, message: Message) -> None:
        # The messages are small and few: what the pipe does not take at once, asyncio keeps. A worker that is
        # gone is noticed by the reader.
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(pack_message(message))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        stream = process.stdout
        try:
            while True:
                length = body_length(await stream.readexactly(HEADER_BYTES))
                self._take(unpack_message(await stream.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            # How it ended is known a moment after its end of the pipe is closed.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 0.3)
            self._fail_answer(self._cause_of_death(process))
        except (ProtocolError, ValueError, KeyError, TypeError) as error:
            log.error("the worker %d sent what is no message: %r", self.pid, error)
            self._fail_answer("it sent what cannot be understood")

    def _take(self, message: Message) -> None:
        if (message.get("job") or 0) != self._job:  # 0: about the load
            return
        if message["type"] == "progress":
            if self._progress is not None:
                self._progress(message["stage"], message["fraction"])
        elif self._answer is not None and not self._answer.done():
            self._answer.set_result(message)

    def _fail_answer(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerLostError(reason))
            # Nobody may be waiting any more; then nobody needs to be told.
            self._answer.exception()

    def _cause_of_death(self, process: asyncio.subprocess.Process | None = None) -> str:
        process = process or self._process
        status = process.returncode if process is not None else None
        if status is None:
            return "it closed its channel"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"ended by {signal.Signals(-status).name}"
        last = f": {self._last_words[-1]}" if self._last_words else ""
        return f"exit status {status}{last}"

    async def _log_complaints(self, process: asyncio.subprocess.Process) -> None:
        """Log what the worker, or a library in it, writes to its standard error."""
        assert process.stderr is not None
        rest = b""
        while chunk := await process.stderr.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-4096:]
            for line in lines:
                text = one_line(line.decode("utf-8", "replace"))
                if text.strip():
                    self._last_words.append(text)
                    log.info("worker %d: %s", self.pid, text)
