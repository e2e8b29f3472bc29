"""Takes fills, lets them wait in fair order, and has them worked on, one at a time on each device.

The worker factory is an argument, so that every fault is a unit test with a worker that has it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from lama_core.client.protocol.messages import Device, Result, ServerState, Worker
from lama_server.device_supervisor import Slot, Timing, WorkerFactory
from lama_server.errors import JobCancelledError, JobError
from lama_server.fair_queue import FairQueue
from lama_server.jobs import Ending, Job
from lama_server.metrics import Counters

log = logging.getLogger(__name__)


class Scheduler:
    """The queue and the slots of all devices. Used from one event loop, without locks."""

    def __init__(
        self,
        *,
        devices: Sequence[str],
        factory: WorkerFactory,
        default_model: Callable[[], str],
        queue_limit: int = 256,
        queue_bytes: int = 1 << 31,
        timing: Timing | None = None,
        preload: bool = True,
    ) -> None:
        """`devices`: as the settings name them, one worker each. `default_model` is asked at each use."""
        self.counters = Counters()
        self.default_model = default_model
        self._queue: FairQueue[Job] = FairQueue()
        self._queue_limit = queue_limit
        self._bytes_limit = queue_bytes
        self._bytes = 0
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._slots = [
            Slot(device, factory=factory, source=self, timing=timing or Timing(), warm=preload)
            for device in devices
        ]

    # For the server

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._tasks = [asyncio.create_task(slot.run(), name=f"slot {slot.device}") for slot in self._slots]

    async def stop(self) -> None:
        """End every job with `shutting_down`, and every worker at once."""
        self._stopping = True
        for job in self._queue:
            self._queue.remove(job)
            self._end(job, JobError("shutting_down", "the server is ending"))
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def submit(self, job: Job) -> int:
        """Put a job into the queue; returns how many are before it.

        Raises:
            JobError: `busy` or `shutting_down`; then the job never began and nothing will be heard of it.
        """
        if self._stopping:
            raise JobError("shutting_down", "the server is ending")
        if len(self._queue) >= self._queue_limit:
            self.counters.busy += 1
            raise JobError("busy", "too many fills are waiting; try again in a moment")
        if self._queue and self._bytes + job.bytes > self._bytes_limit:
            self.counters.busy += 1
            raise JobError("busy", "the fills that are waiting use all the memory set for them; try again")
        self._queue.push(job.client, job)
        self._bytes += job.bytes
        self._wake()
        return self._queue.position(job)

    def cancel(self, job: Job) -> None:
        """End a job: at once when it waits, soon when it runs. Does nothing when it has ended."""
        if self._queue.remove(job):
            self._end(job, JobCancelledError("cancelled"))
        else:
            job.cancelled.set()

    def place(self, job: Job) -> tuple[str, float, int]:
        """Stage, fraction and number of jobs before it."""
        position = self._queue.position(job)
        if job in self._queue and position == 0 and all(slot.state == "loading" for slot in self._slots):
            return "loading", 0.0, 0
        return job.stage, job.fraction, position

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        return self._bytes

    @property
    def running(self) -> int:
        return sum(slot.job is not None for slot in self._slots)

    @property
    def state(self) -> ServerState:
        if self._stopping:
            return "stopping"
        states = {slot.state for slot in self._slots}
        if "failed" in states or any(slot.reason for slot in self._slots):
            return "degraded"
        if states & {"ready", "busy"}:
            return "ready"
        return "loading" if "loading" in states else "idle"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the server is degraded, one line for each device that is."""
        return tuple(slot.reason for slot in self._slots if slot.reason)

    def workers(self) -> tuple[Worker, ...]:
        """What each device's worker does, as the protocol tells it."""
        return tuple(
            Worker(
                device=slot.worker.device.id if slot.worker and slot.worker.device else slot.device,
                state=slot.state,
                model=slot.worker.model if slot.worker else "",
                pid=slot.worker.pid if slot.worker else 0,
                memory_bytes=slot.worker.memory_bytes if slot.worker else 0,
                jobs=slot.jobs_done,
            )
            for slot in self._slots
        )

    def devices(self) -> tuple[Device, ...]:
        """The devices that are known by now, those of unloaded workers included."""
        return tuple(slot.known_device for slot in self._slots if slot.known_device is not None)

    # For the slots (see `lama_server.device_supervisor.Source`)

    def waiting(self) -> Job | None:
        return self._queue.peek()

    def take(self) -> Job | None:
        job = self._queue.pop()
        if job is not None:
            self._bytes -= job.bytes
        return job

    def hopeless(self) -> bool:
        return all(slot.state == "failed" for slot in self._slots)

    def started(self) -> None:
        self.counters.workers_started += 1

    def finished(self, job: Job, ending: Ending) -> None:
        if isinstance(ending, Result):
            self.counters.add_fill(ending.seconds)
        elif isinstance(ending, JobCancelledError):
            self.counters.stopped += 1
        else:
            self.counters.failed += 1
        try:
            job.end(ending)
        except Exception:
            log.exception("the ending of a job could not be told")
        self._wake()

    def _end(self, job: Job, ending: Ending) -> None:
        self._bytes -= job.bytes
        self.finished(job, ending)

    def _wake(self) -> None:
        for slot in self._slots:
            slot.wake()
