"""The server's handle on a worker process: starts it, hands it jobs, notices its death, ends it."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

from lama_core.client.protocol.errors import ERROR_CODES
from lama_core.client.protocol.messages import Device, Fill
from lama_server.ipc import HEADER_BYTES, Note, body_length, pack_note, unpack_note
from lama_server.jobs import JobCancelledError, JobError, Outcome, WorkerLostError, WorkerStartError
from lama_server.logs import one_line
from lama_server.shared_memory import Arena

log = logging.getLogger(__name__)

WORKER_COMMAND = (sys.executable, "-m", "lama_server.worker")
_END_SECONDS = 1.0
"""How long a killed process may take to be gone; one that hangs in a driver is not waited for."""


class WorkerProcess:
    """A `lama_server.jobs.Worker` that is a process."""

    def __init__(self, device: str, *, command: Sequence[str], flags: Sequence[str], folder: str) -> None:
        """
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
        self._arena = Arena()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._complaints: asyncio.Task[None] | None = None
        self._last_words: collections.deque[str] = collections.deque(maxlen=1)
        self._answer: asyncio.Future[Note] | None = None
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
                pass_fds=self._arena.descriptors,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise WorkerStartError(f"the worker cannot be started: {error}") from error
        self.pid = self._process.pid
        self._complaints = asyncio.create_task(self._log_complaints(self._process), name="worker's stderr")
        self._answer = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process), name="worker's notes")
        self._send({"do": "load", "model": model})
        try:
            note = await self._answer
        except WorkerLostError as error:
            raise WorkerStartError(f"the worker on {self._device_name} failed to start: {error}") from error
        if note["is"] != "ready":
            raise WorkerStartError(one_line(note["message"]))
        self.device = Device(**note["device"])
        self.model = model
        self.memory_bytes = note["memory"]

    async def fill(self, fill: Fill, progress: Callable[[str, float], None]) -> Outcome:
        self._job += 1
        pixels = len(fill.pixels)
        view = self._arena.hold(pixels + len(fill.hole))
        view[:pixels] = fill.pixels
        view[pixels:] = fill.hole
        self._answer = asyncio.get_running_loop().create_future()
        self._progress = progress
        self._send(
            {
                "do": "fill",
                "job": self._job,
                "arena": self._arena.handle,
                "width": fill.width,
                "height": fill.height,
                "format": fill.format,
                "depth": fill.depth,
                "options": dataclasses.asdict(fill.options),
            }
        )
        del fill  # its pixels are in the arena now
        try:
            note = await self._answer
        finally:
            self._progress = None
        return self._outcome(note, view)

    def _outcome(self, note: Note, view: memoryview) -> Outcome:
        if note["is"] == "cancelled":
            raise JobCancelledError("cancelled")
        if note["is"] == "failed":
            codes = [code for code in ERROR_CODES if code == note["code"]]
            raise JobError(codes[0] if codes else "internal", one_line(note["message"]))
        self.model = note["model"]
        self.memory_bytes = note["memory"]
        x, y, width, height = note["rect"]
        pixels, blend = note["bytes"]
        return Outcome(
            x=x,
            y=y,
            width=width,
            height=height,
            pixels=view[:pixels],
            blend=view[pixels : pixels + blend],
            model=note["model"],
            device=note["device"],
            seconds=note["seconds"],
        )

    def cancel(self) -> None:
        self._send({"do": "cancel", "job": self._job})

    def rest(self) -> None:
        self._arena.trim()

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
        self._arena.close()

    def _send(self, note: Note) -> None:
        # The notes are small and few: what the pipe does not take at once, asyncio keeps. A worker that is
        # gone is noticed by the reader.
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(pack_note(note))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        stream = process.stdout
        try:
            while True:
                length = body_length(await stream.readexactly(HEADER_BYTES))
                self._take(unpack_note(await stream.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            # How it ended is known a moment after its end of the pipe is closed.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 0.3)
            self._fail_answer(self._cause_of_death(process))
        except (ValueError, KeyError, TypeError) as error:
            log.error("the worker %d sent what is no note: %r", self.pid, error)
            self._fail_answer("it sent what cannot be understood")

    def _take(self, note: Note) -> None:
        if note["is"] == "progress":
            if self._progress is not None and note["job"] == self._job:
                self._progress(note["stage"], note["fraction"])
        elif self._answer is not None and not self._answer.done() and note.get("job", 0) == self._job:
            self._answer.set_result(note)

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
