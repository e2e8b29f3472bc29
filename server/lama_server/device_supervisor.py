"""The worker of one slot of an engine, such as a device: started, watched, ended when idle, replaced."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from lama_core.client.protocol.messages import Device, WorkerState
from lama_server.engine import Engine
from lama_server.errors import (
    EngineUnreachableError,
    JobCancelledError,
    JobError,
    WorkerLostError,
    WorkerStartError,
)
from lama_server.job_queue import JobQueue
from lama_server.jobs import Ending, Job, Worker
from lama_server.metrics import Counters
from lama_server.tasks import cancel_and_wait
from lama_server.timeout import SuspendAwareTimer

log = logging.getLogger(__name__)

_MAX_FAILED_STARTS = 4
"""Failed starts in a row after which only a job is a reason for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Time limits in seconds; the first three are settings.

    Attributes:
        unload_after: an idle worker is ended after it; 0 means never.
        stall_timeout: a fill, or a start, without progress is given up after it.
        cancel_grace: a cancelled fill has this long to end by itself.
        backoff: wait before the next start after a first failure, doubled after each further one.
        backoff_limit: the longest such wait.
        steady_after: a worker that lived so long, or finished a job, had a good start.
    """

    unload_after: float
    stall_timeout: float
    cancel_grace: float
    backoff: float = 1.0
    backoff_limit: float = 30.0
    steady_after: float = 10.0


class DeviceSupervisor:
    """Starts, watches and ends the worker of one device, and hands it jobs.

    `run` does all of that; everything else only changes what `run` sees next.
    """

    def __init__(
        self,
        device: str,
        *,
        engine: Engine,
        queue: JobQueue,
        counters: Counters,
        default_model: Callable[[], str],
        timing: Timing,
        keep_loaded: bool,
        may_start: Callable[[], bool],
        on_start_failed: Callable[[str, str], None],
    ) -> None:
        """Prepare to supervise; `run` begins.

        Args:
            device: the slot's name; of the local engine the device as the settings name it.
            engine: makes a worker for it.
            queue: where its jobs come from.
            counters: where it counts its starts and its jobs.
            default_model: gives the model to load when no job says which.
            timing: time limits.
            keep_loaded: whether to have a worker without a job too.
            may_start: whether a job that waits is a reason to start one.
            on_start_failed: called with the model and the reason when a start has failed, unless it was the
                engine that could not be reached.
        """
        self.device = device
        self.worker: Worker | None = None
        self.job: Job | None = None
        self.jobs_done = 0
        self.known_device: Device | None = None
        self.reason = ""
        self._engine = engine
        self._queue = queue
        self._counters = counters
        self._default_model = default_model
        self._timing = timing
        self._keep_loaded = keep_loaded
        self._may_start = may_start
        self._on_start_failed = on_start_failed
        self._changed = asyncio.Event()
        self._starting: asyncio.Task[Worker] | None = None
        self._lost: asyncio.Task[str] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._wanted_model = ""
        self._ready_since = 0.0
        self._finished_a_job = False
        self._idle = SuspendAwareTimer(self._tick(timing.unload_after))
        queue.on_change(self._changed.set)

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
    def _starts_without_a_job(self) -> bool:
        """Whether to start a worker that no job needs yet; not again and again without success."""
        return self._keep_loaded and self._failures < _MAX_FAILED_STARTS

    async def run(self) -> None:
        """Serve jobs until cancelled; then the worker is ended."""
        try:
            while True:
                self._changed.clear()
                if not await self._step():
                    await self._wait_for_change()
        finally:
            if self._starting is not None:
                await cancel_and_wait(self._starting)
            await self._end_worker()

    async def _wait_for_change(self) -> None:
        # Until Python 3.12 `wait_for` takes no notice of a cancel that comes together with the change.
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({changed}, timeout=self._wait_seconds())
        finally:
            changed.cancel()

    async def _step(self) -> bool:
        """Do what is to be done now; False when there is nothing but to wait."""
        if self._starting is not None and self._starting.done():
            self._take_started(self._starting)
        if self._lost is not None and self._lost.done():
            await self._replace_lost(self._lost.result())
        job = self._queue.peek()
        if self.worker is not None:
            return await self._serve(job)
        wanted = self._starts_without_a_job or (job is not None and self._may_start())
        if self._starting is None and wanted and not self._is_too_early(job):
            self._begin_start(job)
        return False

    async def _serve(self, job: Job | None) -> bool:
        if job is not None:
            taken = self._queue.pop()
            assert taken is not None
            await self._work(taken)
            self._idle.reset()
            return True
        limit = self._timing.unload_after
        if limit and self._idle.elapsed() >= limit:
            log.info("unloading the idle worker on %s", self.device)
            await self._end_worker()
            self._keep_loaded = False
            self._failures = 0
        return False

    def _wait_seconds(self) -> float | None:
        """How long to wait for a change before looking again; None for as long as it takes."""
        if self.worker is not None:
            return self._idle.tick if self._timing.unload_after else None
        if self._starting is None and self._failures and (self._starts_without_a_job or len(self._queue)):
            return max(0.0, self._not_before - time.monotonic()) + 0.001
        return None

    @staticmethod
    def _tick(limit: float) -> float:
        return min(15.0, max(0.02, limit / 20))

    # Starting and ending

    def _is_too_early(self, job: Job | None) -> bool:
        """Whether it is too early to try the same thing again."""
        same = job is None or job.fill.model == self._wanted_model
        return same and time.monotonic() < self._not_before

    def _begin_start(self, job: Job | None) -> None:
        self._wanted_model = job.fill.model if job is not None else self._default_model()
        self._starting = asyncio.create_task(
            self._start(self._wanted_model), name=f"start worker on {self.device}"
        )
        self._starting.add_done_callback(lambda _: self._changed.set())
        self._keep_loaded = True

    async def _start(self, model: str) -> Worker:
        worker = self._engine.make_worker(self.device)
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
        except EngineUnreachableError as error:
            log.error("no worker on %s: %s", self.device, error)
            self._back_off(str(error))
        except (WorkerStartError, WorkerLostError) as error:
            log.error("no worker on %s: %s", self.device, error)
            self._start_failed(str(error))
        except Exception:
            log.exception("no worker on %s", self.device)
            self._start_failed("the worker could not be started; the server's log says more")
        else:
            self.reason = ""
            self._counters.workers_started += 1
            self.known_device = self.worker.device
            self._ready_since = time.monotonic()
            self._finished_a_job = False
            self._not_before = 0.0
            self._idle.reset()
            self._lost = asyncio.create_task(self.worker.lost(), name=f"watch worker on {self.device}")
            self._lost.add_done_callback(lambda _: self._changed.set())

    def _start_failed(self, reason: str) -> None:
        self._back_off(reason)
        self._on_start_failed(self._wanted_model, reason)

    def _back_off(self, reason: str) -> None:
        """Note a failure, and wait longer after each before the next start."""
        self.reason = reason
        wait = min(self._timing.backoff * 2 ** min(self._failures, 20), self._timing.backoff_limit)
        self._failures += 1
        self._not_before = time.monotonic() + wait

    async def _replace_lost(self, why: str) -> None:
        """An idle worker has died. One that dies soon after each start must not be started without end."""
        log.warning("the idle worker on %s is gone: %s", self.device, why)
        await self._end_worker()
        lived = time.monotonic() - self._ready_since
        if lived < self._timing.steady_after and not self._finished_a_job:
            self._back_off(f"the worker on {self.device} ends soon after its start: {why}")
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
        """Run one job to its ending, whatever that is, or until another worker has to run it again."""
        self.job = job
        job.running = True
        # Of a worker that is on another machine the pixels are kept, so that it may be lost.
        kept = job.fill if job.losses < self._engine.reruns else None
        ending: Ending | None = JobError("shutting_down", "the server is ending")
        try:
            ending = await self._ending(job, runs_again=kept is not None)
        finally:
            self.job = None
            if ending is None:
                assert kept is not None
                job.run_again(kept)
                self._counters.reruns += 1
                self._queue.push_back(job)
            else:
                self.jobs_done += 1
                self._counters.add_ending(ending)
                job.end(ending)
            if self.worker is not None:
                self.worker.release_caches()

    async def _ending(self, job: Job, *, runs_again: bool) -> Ending | None:
        """How the job ended; None when it did not because its worker was lost, where it `runs_again` then."""
        worker = self.worker
        assert worker is not None
        work = asyncio.create_task(worker.fill(job.take_fill(), job.progress, job.preview), name="fill")
        cancelled = asyncio.create_task(job.cancelled.wait(), name="cancelled")
        try:
            given_up = await self._watch(job, worker, work, cancelled)
            if given_up is not None:
                await self._end_worker()
                return given_up
            result = work.result()
            self._failures = 0
            self._finished_a_job = True
            return JobCancelledError("cancelled") if job.cancelled.is_set() else result
        except JobCancelledError as error:
            return error
        except JobError as error:
            if error.code == "out_of_memory":
                # What the attempt has left, and memory in pieces, must not fail the next fill too.
                await self._end_worker()
            return error
        except WorkerLostError as error:
            log.warning("the worker on %s was lost in the middle of a fill: %s", self.device, error)
            await self._end_worker()
            if job.cancelled.is_set():
                return JobCancelledError("cancelled")
            if runs_again:
                return None
            return JobError("device_lost", f"the worker ended in the middle of the fill ({error}); try again")
        except Exception:
            log.exception("a fill failed in the server itself")
            await self._end_worker()
            return JobError("internal", "the server failed; its log says more (lama-fill logs)")
        finally:
            await cancel_and_wait(work, cancelled)

    async def _watch(
        self, job: Job, worker: Worker, work: asyncio.Task[object], cancelled: asyncio.Task[object]
    ) -> Ending | None:
        """Wait for the work's end; an ending when it has to be ended by force."""
        timing = self._timing
        told = False
        signs = job.signs
        timer = SuspendAwareTimer(self._tick(min(timing.stall_timeout, 10.0)))
        while True:
            waiting_for: set[asyncio.Task[object]] = {work} if told else {work, cancelled}
            tick = min(timer.tick, timing.cancel_grace) if told else timer.tick
            await asyncio.wait(waiting_for, timeout=tick, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return None
            if cancelled.done() and not told:
                told = True
                worker.cancel()
                timer = SuspendAwareTimer(self._tick(timing.cancel_grace))
            elif told:
                if timer.elapsed() >= timing.cancel_grace:
                    log.info("a cancelled fill did not end by itself: ending its worker")
                    return JobCancelledError("cancelled")
            elif job.signs != signs:
                signs = job.signs
                timer.reset()
            elif timer.elapsed() >= timing.stall_timeout:
                log.error("a fill made no progress for %.0f s: ending its worker", timing.stall_timeout)
                return JobError("timeout", "the fill made no progress and was given up; try again")
