"""The engine of one machine: worker processes that the server starts itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lama_server.jobs import Worker
from lama_server.process_channel import ProcessChannel
from lama_server.settings import Settings
from lama_server.sizes import parse_size
from lama_server.worker_proxy import WorkerProxy

WORKER_COMMAND = (sys.executable, "-m", "lama_server.worker")


class LocalEngine:
    """A `lama_server.engine.Engine`: one worker process on this machine for each device of the settings."""

    kept = None
    idle_seconds = 0.0
    reruns = 0
    problem = ""

    def __init__(self, settings: Settings, folder: Path, *, command: Sequence[str] = WORKER_COMMAND) -> None:
        """Prepare, without starting anything.

        Args:
            settings: name the devices, and how workers work.
            folder: the working directory of the processes.
            command: what is started for each device.
        """
        self.slots = settings.device.split(",")
        self._command = command
        self._flags = (
            *("--threads", str(settings.threads)),
            *("--precision", settings.precision),
            *("--memory", str(parse_size(settings.memory))),
        )
        self._folder = str(folder)

    def make_worker(self, slot: str) -> Worker:
        command = (*self._command, "--device", slot, *self._flags)
        return WorkerProxy(slot, ProcessChannel("worker", command=command, folder=self._folder))

    async def close(self) -> None:
        """The workers share nothing."""
