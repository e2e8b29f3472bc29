"""One device's worker: started, kept warm, watched, ended when idle, replaced when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lama_core.client.protocol.messages import Device, WorkerState
from lama_server.errors import JobCancelledError, JobError, WorkerLostError, WorkerStartError
from lama_server.jobs import Ending, Job, Worker
from lama_server.tasks import settle
from lama_server.timeout import Patience

log = logging.getLogger(__name__)

_VAIN_STARTS = 4
"""Failed starts in a row after which only a job is a reason for another one."""

WorkerFactory = Callable[[str], Worker]
"""Makes the worker of a device, not yet started; takes the device as the settings name it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time limits in seconds; the first three are settings.

    `unload_after`: 0 means never. `backoff`: wait before the next start after a first failure, doubled after
    each further one up to `backoff_limit`. `steady_after`: a worker that lived so long, or finished a job,
    was a good one.
    """

    unload_after: float = 600.0
    stall_timeout: float = 300.0
    cancel_grace: float = 2.0
    backoff: float = 1.0
    backoff_limit: float = 30.0
    steady_after: float = 10.0


class Source(Protocol):
    """Where a slot gets its jobs from."""

    def waiting(self) -> Job | None:
        """The next job, left where it is."""

    def take(self) -> Job | None:
        """The next job, taken."""

    def default_model(self) -> str:
        """The model to load when no job says which."""

    def hopeless(self) -> bool:
        """Whether no device has a worker or will have one soon."""

    def started(self) -> None:
        """A worker is ready."""

    def finished(self, job: Job, ending: Ending) -> None:
        """A job that was taken has ended."""


class Slot:
    """The place of one worker. `run` is its life; everything else only changes what `run` sees next."""

    def __init__(
        self, device: str, *, factory: WorkerFactory, source: Source, timing: Timing, warm: bool
    ) -> None:
        self.device = device
        self.worker: Worker | None = None
        self.job: Job | None = None
        self.jobs_done = 0
        self.known_device: Device | None = None
        self.reason = ""
        self._factory = factory
        self._source = source
        self._timing = timing
        self._warm = warm
        self._changed = asyncio.Event()
        self._starting: asyncio.Task[Worker] | None = None
        self._lost: asyncio.Task[str] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._wanted_model = ""
        self._ready_since = 0.0
        self._idle = Patience(self._tick(timing.unload_after))

    @property
    def state(self) -> WorkerState:
        if self.job is not None:
            return "busy"
        if self.worker is not None:
            return "ready"
        if self._starting is not None:
            return "loading"
        return "failed" if self._failures else "unloaded"

    @property
    def _keeps_warm(self) -> bool:
        """Whether to start a worker without a job that needs one; not again and again in vain."""
        return self._warm and self._failures < _VAIN_STARTS

    def wake(self) -> None:
        """Something about the queue has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Serve jobs until cancelled; then the worker is ended."""
        try:
            while True:
                self._changed.clear()
                if not await self._step():
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), self._patience())
        finally:
            if self._starting is not None:
                await settle(self._starting)
            await self._end_worker()

    async def _step(self) -> bool:
        """Do what is to be done now; False when there is nothing but to wait."""
        if self._starting is not None and self._starting.done():
            self._take_started(self._starting)
        if self._lost is not None and self._lost.done():
            await self._replace_lost(self._lost.result())
        job = self._source.waiting()
        if self.worker is not None:
            return await self._serve(job)
        if self._starting is not None or (job is None and not self._keeps_warm):
            return False
        if not self._backing_off(job):
            self._begin_start(job)
            return False
        return job is not None and self._refuse()

    async def _serve(self, job: Job | None) -> bool:
        if job is not None:
            taken = self._source.take()
            assert taken is not None
            await self._work(taken)
            self._idle.reset()
            return True
        limit = self._timing.unload_after
        if limit and self._idle.spent() >= limit:
            log.info("unloading the idle worker on %s", self.device)
            await self._end_worker()
            self._warm = False
            self._failures = 0
        return False

    def _patience(self) -> float | None:
        """How long to wait for a change before looking again; None for as long as it takes."""
        if self.worker is not None:
            return self._idle.tick if self._timing.unload_after else None
        if self._starting is None and self._failures and (self._keeps_warm or self._source.waiting()):
            return max(0.0, self._not_before - time.monotonic()) + 0.001
        return None

    @staticmethod
    def _tick(limit: float) -> float:
        return min(15.0, max(0.02, limit / 20))

    # Starting and ending

    def _backing_off(self, job: Job | None) -> bool:
        """Whether it is too early to try the same thing again."""
        same = job is None or job.fill.model == self._wanted_model
        return same and time.monotonic() < self._not_before

    def _refuse(self) -> bool:
        """Fail the next job, since no device can take it; False when another one may."""
        if not self._source.hopeless():
            return False
        job = self._source.take()
        if job is None:
            return False
        self._source.finished(job, JobError("model_failed", self.reason))
        return True

    def _begin_start(self, job: Job | None) -> None:
        self._wanted_model = job.fill.model if job is not None else self._source.default_model()
        self._starting = asyncio.create_task(
            self._start(self._wanted_model), name=f"start worker on {self.device}"
        )
        self._starting.add_done_callback(lambda _: self._changed.set())
        self._warm = True

    async def _start(self, model: str) -> Worker:
        worker = self._factory(self.device)
        begun = time.monotonic()
        try:
            await asyncio.wait_for(worker.start(model), self._timing.stall_timeout)
        except asyncio.TimeoutError:
            await worker.end()
            raise WorkerStartError(f"the worker on {self.device} did not become ready in time") from None
        except BaseException:
            await worker.end()
            raise
        log.info(
            "worker on %s is ready after %.1f s, pid %d", self.device, time.monotonic() - begun, worker.pid
        )
        return worker

    def _take_started(self, started: asyncio.Task[Worker]) -> None:
        self._starting = None
        try:
            self.worker = started.result()
        except (WorkerStartError, WorkerLostError) as error:
            log.error("no worker on %s: %s", self.device, error)
            self._failed(str(error))
        except Exception:
            log.exception("no worker on %s", self.device)
            self._failed("the worker could not be started; the server's log says more")
        else:
            self.reason = ""
            self._source.started()
            self.known_device = self.worker.device
            self._ready_since = time.monotonic()
            self._idle.reset()
            self._lost = asyncio.create_task(self.worker.lost(), name=f"watch worker on {self.device}")
            self._lost.add_done_callback(lambda _: self._changed.set())

    def _failed(self, reason: str) -> None:
        """Note a failure, and wait longer after each before the next start."""
        self.reason = reason
        wait = min(self._timing.backoff * 2 ** min(self._failures, 20), self._timing.backoff_limit)
        self._failures += 1
        self._not_before = time.monotonic() + wait

    async def _replace_lost(self, why: str) -> None:
        """An idle worker has died. One that dies soon after each start must not be started without end."""
        log.warning("the idle worker on %s is gone: %s", self.device, why)
        await self._end_worker()
        if time.monotonic() - self._ready_since < self._timing.steady_after:
            self._failed(f"the worker on {self.device} ends soon after its start: {why}")
        else:
            self._failures = 0

    async def _end_worker(self) -> None:
        worker, self.worker = self.worker, None
        watch, self._lost = self._lost, None
        if watch is not None:
            watch.cancel()
        if worker is not None:
            await worker.end()

    # Working

    async def _work(self, job: Job) -> None:
        """Run one job to its ending, whatever that is."""
        self.job = job
        job.running = True
        ending: Ending = JobError("shutting_down", "the server is ending")
        try:
            ending = await self._ending(job)
        finally:
            self.job = None
            self.jobs_done += 1
            self._source.finished(job, ending)
            if self.worker is not None:
                self.worker.rest()

    async def _ending(self, job: Job) -> Ending:
        worker = self.worker
        assert worker is not None
        work = asyncio.create_task(worker.fill(job.take_fill(), job.progress), name="fill")
        cancelled = asyncio.create_task(job.cancelled.wait(), name="cancelled")
        try:
            given_up = await self._watch(job, worker, work, cancelled)
            if given_up is not None:
                await self._end_worker()
                return given_up
            result = work.result()
            self._failures = 0
            return JobCancelledError("cancelled") if job.cancelled.is_set() else result
        except (JobError, JobCancelledError) as error:
            return error
        except WorkerLostError as error:
            log.warning("the worker on %s was lost in the middle of a fill: %s", self.device, error)
            await self._end_worker()
            if job.cancelled.is_set():
                return JobCancelledError("cancelled")
            return JobError("device_lost", f"the worker ended in the middle of the fill ({error}); try again")
        except Exception:
            log.exception("a fill failed in the server itself")
            await self._end_worker()
            return JobError("internal", "the server failed; its log says more (lama-fill logs)")
        finally:
            await settle(work, cancelled)

    async def _watch(
        self, job: Job, worker: Worker, work: asyncio.Task[object], cancelled: asyncio.Task[object]
    ) -> Ending | None:
        """Wait for the work's end; an ending when it has to be ended by force."""
        timing = self._timing
        told = False
        signs = job.signs
        patience = Patience(self._tick(min(timing.stall_timeout, 10.0)))
        while True:
            waiting_for: set[asyncio.Task[object]] = {work} if told else {work, cancelled}
            tick = min(patience.tick, timing.cancel_grace) if told else patience.tick
            await asyncio.wait(waiting_for, timeout=tick, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return None
            if cancelled.done() and not told:
                told = True
                worker.cancel()
                patience = Patience(self._tick(timing.cancel_grace))
            elif told:
                if patience.spent() >= timing.cancel_grace:
                    log.info("a cancelled fill did not end by itself: ending its worker")
                    return JobCancelledError("cancelled")
            elif job.signs != signs:
                signs = job.signs
                patience.reset()
            elif patience.spent() >= timing.stall_timeout:
                log.error("a fill made no progress for %.0f s: ending its worker", timing.stall_timeout)
                return JobError("timeout", "the fill made no progress and was given up; try again")
