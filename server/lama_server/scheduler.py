"""Takes fills, lets them wait in fair order, and has them worked on, one at a time by each worker.

The engine that makes the workers is an argument, so that every fault is a unit test with a worker
that has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from lama_core.client.protocol.messages import Device, ServerState, Worker
from lama_server.device_supervisor import DeviceSupervisor, Timing
from lama_server.engine import Engine
from lama_server.errors import JobCancelledError, JobError
from lama_server.job_queue import JobQueue
from lama_server.jobs import Ending, Job
from lama_server.metrics import Counters


class Scheduler:
    """The queue and the supervisors of all slots of an engine. Used from one event loop, without locks."""

    def __init__(
        self,
        *,
        engine: Engine,
        queue: JobQueue,
        default_model: Callable[[], str],
        timing: Timing,
        preload: bool,
    ) -> None:
        """Prepare the supervisors; `start` begins.

        Args:
            engine: makes the workers, one for each of its slots.
            queue: for the jobs that wait.
            default_model: gives the model that a worker loads when no job says which.
            timing: the time limits of the workers.
            preload: whether to load the default model at once, not at the first job.
        """
        self.counters = Counters()
        self._engine = engine
        self._queue = queue
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._supervisors = [
            DeviceSupervisor(
                slot,
                engine=engine,
                queue=queue,
                counters=self.counters,
                default_model=default_model,
                timing=timing if engine.kept is None else _timing_of(number, engine, timing),
                keep_loaded=preload if engine.kept is None else number < engine.kept,
                may_start=self._needs_another if _is_elastic(number, engine) else _always,
                on_start_failed=self._take_failed_start,
            )
            for number, slot in enumerate(engine.slots)
        ]
        self._elastic = [
            supervisor for number, supervisor in enumerate(self._supervisors) if _is_elastic(number, engine)
        ]

    def start(self) -> None:
        """Begin to work; needs a running event loop."""
        self._tasks = [
            asyncio.create_task(supervisor.run(), name=f"supervise {supervisor.device}")
            for supervisor in self._supervisors
        ]

    async def stop(self) -> None:
        """End every job with `shutting_down`, and every worker at once."""
        self._stopping = True
        self._end_waiting()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # One whose worker was lost meanwhile may be waiting again.
        self._end_waiting()

    def submit(self, job: Job) -> int:
        """Put a job into the queue.

        Returns:
            How many jobs come before it.

        Raises:
            JobError: `busy` or `shutting_down`; then the job never began, and its owner is told nothing more.
        """
        if self._stopping:
            raise JobError("shutting_down", "the server is ending")
        try:
            return self._queue.push(job)
        except JobError:
            self.counters.busy += 1
            raise

    def look_again(self) -> None:
        """Have idle devices look for a job that may run now."""
        self._queue.look_again()

    def cancel(self, job: Job) -> None:
        """End a job: at once when it waits, soon when it runs. Does nothing when it has ended."""
        if job in self._queue:
            self._end(job, JobCancelledError("cancelled"))
        else:
            job.cancelled.set()

    def place(self, job: Job) -> tuple[str, float, int]:
        """Stage, fraction and number of jobs before it."""
        position = self._queue.position(job)
        is_next = job in self._queue and position == 0
        if is_next and all(supervisor.state == "loading" for supervisor in self._supervisors):
            return "loading", 0.0, 0
        return job.stage, job.fraction, position

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def queued_bytes(self) -> int:
        return self._queue.bytes

    @property
    def running(self) -> int:
        return sum(supervisor.job is not None for supervisor in self._supervisors)

    @property
    def state(self) -> ServerState:
        if self._stopping:
            return "stopping"
        states = {supervisor.state for supervisor in self._supervisors}
        if self.reasons:
            return "degraded"
        if states & {"ready", "busy"}:
            return "ready"
        return "loading" if "loading" in states else "idle"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the server is degraded, each once.

        A cluster that is full has no place for a worker that is not kept; that is no fault while others work.
        """
        work = any(supervisor.worker is not None for supervisor in self._supervisors)
        told = [one for one in self._supervisors if not (work and one in self._elastic)]
        reasons = [self._engine.problem, *(supervisor.reason for supervisor in told)]
        return tuple(dict.fromkeys(filter(None, reasons)))

    def workers(self) -> tuple[Worker, ...]:
        """What each device's worker does, as the protocol tells it."""
        return tuple(
            Worker(
                device=supervisor.worker.device.id
                if supervisor.worker and supervisor.worker.device
                else supervisor.device,
                state=supervisor.state,
                model=supervisor.worker.model if supervisor.worker else "",
                pid=supervisor.worker.pid if supervisor.worker else 0,
                memory_bytes=supervisor.worker.memory_bytes if supervisor.worker else 0,
                jobs=supervisor.jobs_done,
            )
            for supervisor in self._supervisors
        )

    def devices(self) -> tuple[Device, ...]:
        """The devices that are known by now, those of unloaded workers included."""
        return tuple(
            supervisor.known_device for supervisor in self._supervisors if supervisor.known_device is not None
        )

    def _needs_another(self) -> bool:
        """Whether more jobs wait than there are workers that are about to take one."""
        coming = sum(supervisor.state in ("loading", "ready") for supervisor in self._supervisors)
        return len(self._queue) > coming

    def _take_failed_start(self, model: str, reason: str) -> None:
        """End the jobs that wait for a model which no device could load; later jobs wait for the next start.

        A single device that fails leaves its jobs to the others. A slot that has no worker because none was
        needed may load it as little as those that tried.
        """
        tried = [one for one in self._supervisors if not (one in self._elastic and one.state == "unloaded")]
        if any(supervisor.state != "failed" for supervisor in tried):
            return
        for job in self._queue:
            if job.fill.model == model:
                self._end(job, JobError("model_failed", reason))

    def _end_waiting(self) -> None:
        for job in self._queue:
            self._end(job, JobError("shutting_down", "the server is ending"))

    def _end(self, job: Job, ending: Ending) -> None:
        self._queue.remove(job)
        self.counters.add_ending(ending)
        job.end(ending)


def _is_elastic(number: int, engine: Engine) -> bool:
    """Whether the slot of this number has a worker only while it is needed."""
    return engine.kept is not None and number >= engine.kept


def _timing_of(number: int, engine: Engine, timing: Timing) -> Timing:
    return replace(timing, unload_after=engine.idle_seconds if _is_elastic(number, engine) else 0.0)


def _always() -> bool:
    return True
