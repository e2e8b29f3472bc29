"""A child process that the server talks with: messages on its standard streams, its complaints in the log."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Sequence

from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.text import one_line
from lama_server.errors import WorkerStartError
from lama_server.ipc import HEADER_BYTES, Message, body_length, pack_message, unpack_message
from lama_server.memory import count_memory_kills
from lama_server.shared_memory import SharedBuffer

log = logging.getLogger(__name__)

_END_SECONDS = 1.0
"""How long a killed process may take to be gone; one that hangs in a driver is not waited for."""


class ProcessChannel:
    """A `lama_server.worker_proxy.Channel` to a process of this machine."""

    def __init__(
        self, name: str, *, command: Sequence[str], folder: str, descriptors: Sequence[int] = ()
    ) -> None:
        """Prepare, without starting anything.

        Args:
            name: what it is called in the log.
            command: what to run; `--parent` with this process's number is added.
            folder: its working directory.
            descriptors: that it inherits, beside those of `memory`.
        """
        self.pid = 0
        self.memory = SharedBuffer()
        self.ended_for_memory = False
        self._kills = 0
        self._name = name
        self._command = command
        self._folder = folder
        self._descriptors = descriptors
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._last_words: collections.deque[str] = collections.deque(maxlen=1)

    async def start(self, take: Callable[[Message], None], ended: Callable[[str], None]) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--parent", str(os.getpid())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                pass_fds=(*self.memory.descriptors, *self._descriptors),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise WorkerStartError(f"the {self._name} cannot be started: {error}") from error
        self._process = process
        self.pid = process.pid
        self._tasks = (
            asyncio.create_task(self._log_complaints(process), name=f"{self._name}'s stderr"),
            asyncio.create_task(self._read(process, take, ended), name=f"{self._name}'s messages"),
        )

    def send(self, message: Message) -> None:
        self._kills = count_memory_kills()
        # The messages are small and few: what the pipe does not take at once, asyncio keeps.
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(pack_message(message))

    async def lost(self) -> str:
        assert self._process is not None
        await self._process.wait()
        return self._cause_of_death(self._process)

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), _END_SECONDS)
        for task in self._tasks:
            task.cancel()
        self.memory.close()

    async def _read(
        self,
        process: asyncio.subprocess.Process,
        take: Callable[[Message], None],
        ended: Callable[[str], None],
    ) -> None:
        assert process.stdout is not None
        stream = process.stdout
        try:
            while True:
                length = body_length(await stream.readexactly(HEADER_BYTES))
                take(unpack_message(await stream.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            # How it ended is known a moment after its end of the pipe is closed.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), 0.3)
            ended(self._cause_of_death(process))
        except (ProtocolError, ValueError, KeyError, TypeError) as error:
            log.error("%s %d sent what is no message: %r", self._name, self.pid, error)
            ended("it sent what cannot be understood")

    def _cause_of_death(self, process: asyncio.subprocess.Process) -> str:
        status = process.returncode
        if status is None:
            return "it closed its channel"
        # Nothing says which process it was; but of those that are ended in this way there are few.
        if status == -getattr(signal, "SIGKILL", 0) and count_memory_kills() > self._kills:
            self.ended_for_memory = True
            return "ended by the system, because memory ran out"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"ended by {signal.Signals(-status).name}"
        last = f": {self._last_words[-1]}" if self._last_words else ""
        return f"exit status {status}{last}"

    async def _log_complaints(self, process: asyncio.subprocess.Process) -> None:
        """Log what the process, or a library in it, writes to its standard error."""
        assert process.stderr is not None
        rest = b""
        while chunk := await process.stderr.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[-4096:]
            for line in lines:
                text = one_line(line.decode("utf-8", "replace"))
                if text.strip():
                    self._last_words.append(text)
                    log.info("%s %d: %s", self._name, self.pid, text)
