"""The server's side of the Ray engine: workers behind one gateway process, and local ones while it has none.

Ray itself is in the gateway. The server stays free of it: no library of Ray's ends the process that holds
everybody's connections, as Ray does with a driver whose cluster is gone.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from lama_server.cluster.gateway_channel import GatewayError, GatewayProcess, SlotChannel
from lama_server.cluster.missing import check_ray
from lama_server.cluster.standing_in import StandingInWorker
from lama_server.errors import EngineUnreachableError
from lama_server.jobs import Worker
from lama_server.local_engine import WORKER_COMMAND, LocalEngine
from lama_server.process_channel import ProcessChannel
from lama_server.settings import Settings, SettingsError
from lama_server.shared_memory import SharedBuffer
from lama_server.sizes import parse_size
from lama_server.tasks import cancel_and_wait
from lama_server.worker_proxy import WorkerProxy

log = logging.getLogger(__name__)

GATEWAY_COMMAND = (sys.executable, "-m", "lama_server.cluster.gateway")

_RETRY_SECONDS = 15.0
"""Time between two attempts to reach a cluster that is gone."""


class RayEngine:
    """A `lama_server.engine.Engine`. The first slot has a local worker while there is no cluster."""

    reruns = 2

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        command: Sequence[str] = GATEWAY_COMMAND,
        local_command: Sequence[str] = WORKER_COMMAND,
        retry_seconds: float = _RETRY_SECONDS,
    ) -> None:
        """Prepare, without starting anything.

        Args:
            settings: where the cluster is, how many workers it has, and how they work.
            folder: the working directory of the processes on this machine.
            command: what is started as the gateway.
            local_command: what is started as a worker while the cluster cannot be reached.
            retry_seconds: between two attempts to reach it then.

        Raises:
            RayMissingError: Ray is not installed.
            SettingsError: more workers are always there than there may be.
        """
        check_ray()
        if settings.min_workers > settings.max_workers:
            raise SettingsError(
                f"min_workers is {settings.min_workers} and max_workers {settings.max_workers}: "
                "the least cannot be more than the most"
            )
        self.slots = [f"ray-{number}" for number in range(settings.max_workers)]
        self.kept = settings.min_workers
        self.idle_seconds = settings.worker_idle
        self.problem = ""
        self._local = LocalEngine(settings, folder, command=local_command)
        self._memories = {slot: SharedBuffer() for slot in self.slots}
        self._command = (
            *command,
            *("--address", settings.address),
            *("--device", settings.device.split(",")[0]),
            *("--cpus", str(settings.worker_cpus)),
            *("--threads", str(settings.threads)),
            *("--precision", settings.precision),
            *("--memory", str(parse_size(settings.memory))),
        )
        self._folder = str(folder)
        self._retry_seconds = retry_seconds
        self._gateway: GatewayProcess | None = None
        self._opening: asyncio.Task[GatewayProcess] | None = None
        self._retrying: asyncio.Task[None] | None = None
        self._reachable = asyncio.Event()

    def make_worker(self, slot: str) -> Worker:
        channel = SlotChannel(self._open, memory=self._memories[slot])
        worker = WorkerProxy(slot, channel)
        if slot != self.slots[0]:
            return worker
        return StandingInWorker(
            worker,
            other=lambda: self._local.make_worker(self._local.slots[0]),
            is_wanted=lambda: bool(self.problem),
            until=self._reachable.wait,
        )

    async def close(self) -> None:
        if self._retrying is not None:
            await cancel_and_wait(self._retrying)
        if self._opening is not None:
            await cancel_and_wait(self._opening)
        if self._gateway is not None:
            await self._gateway.end()
        for memory in self._memories.values():
            memory.close()

    async def _open(self) -> GatewayProcess:
        """The gateway, connected to the cluster; the same one for all who ask at the same time.

        Raises:
            EngineUnreachableError: the cluster cannot be reached.
        """
        if self._gateway is not None and self._gateway.is_open:
            return self._gateway
        if self.problem:
            raise EngineUnreachableError(self.problem)
        return await self._connect()

    async def _connect(self) -> GatewayProcess:
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._start_gateway(), name="start the gateway")
        try:
            # One who gives up must not take it from the others.
            return await asyncio.shield(self._opening)
        except GatewayError as error:
            self._note_problem(str(error))
            raise EngineUnreachableError(self.problem) from error

    async def _start_gateway(self) -> GatewayProcess:
        if self._gateway is not None:
            await self._gateway.end()
            self._gateway = None
        descriptors = [fd for memory in self._memories.values() for fd in memory.descriptors]
        gateway = GatewayProcess(
            ProcessChannel("gateway", command=self._command, folder=self._folder, descriptors=descriptors)
        )
        try:
            await gateway.start()
        except BaseException:
            await gateway.end()
            raise
        self._gateway = gateway
        self.problem = ""
        self._reachable.set()
        return gateway

    def _note_problem(self, reason: str) -> None:
        if not self.problem:
            log.error("%s; fills go on on this machine", reason)
        self.problem = f"{reason}; fills go on on this machine"
        self._reachable.clear()
        if self._retrying is None or self._retrying.done():
            self._retrying = asyncio.create_task(self._retry(), name="reach the cluster again")

    async def _retry(self) -> None:
        while self.problem:
            await asyncio.sleep(self._retry_seconds)
            try:
                await self._connect()
            except EngineUnreachableError:
                continue
        log.info("the Ray cluster is there again")
