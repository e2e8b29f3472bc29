"""The scheduler against workers that have every fault, without a process or a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import replace
from typing import Any

import pytest

from lama_core.client.protocol.messages import Device, Fill, Preview, Result
from lama_server.device_supervisor import Timing
from lama_server.errors import (
    EngineUnreachableError,
    JobCancelledError,
    JobError,
    WorkerLostError,
    WorkerStartError,
)
from lama_server.job_queue import JobQueue
from lama_server.jobs import Ending, Job
from lama_server.scheduler import Scheduler
from lama_server.timeout import SuspendAwareTimer
from tests.server.harness import make_fill

FAST = Timing(
    unload_after=0.0,
    stall_timeout=0.4,
    cancel_grace=0.15,
    backoff=0.1,
    backoff_limit=0.2,
    steady_after=0.3,
)


class FakeWorker:
    """A worker whose jobs the test ends. `starts` says how each start goes: None, or what it raises."""

    def __init__(self, bench: Bench, device: str) -> None:
        self.device: Device | None = None
        self.model = ""
        self.pid = len(bench.workers) + 1
        self.memory_bytes = 0
        self.ended = False
        self.cancels = 0
        self.fills: list[Fill] = []
        self.obeys = True
        self.progress: Callable[[str, float], None] = lambda stage, fraction: None
        self.previewed: Callable[[Preview], None] = lambda preview: None
        self._bench = bench
        self._name = device
        self._work: asyncio.Future[Result] | None = None
        self._death: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def start(self, model: str) -> None:
        await self._bench.gate.wait()
        error = self._bench.starts.pop(0) if self._bench.starts else None
        if error is not None:
            raise error
        self.model = model
        self.device = Device(id=self._name, name="fake")

    async def fill(
        self, fill: Fill, progress: Callable[[str, float], None], previewed: Callable[[Preview], None]
    ) -> Result:
        assert not self.ended
        assert self._work is None, "one thing at a time"
        self.fills.append(fill)
        self.progress, self.previewed = progress, previewed
        self._work = asyncio.get_running_loop().create_future()
        try:
            return await self._work
        finally:
            self._work = None

    def cancel(self) -> None:
        self.cancels += 1
        if self.obeys:
            self.fail(JobCancelledError("cancelled"))

    def release_caches(self) -> None:
        pass

    async def lost(self) -> str:
        return await asyncio.shield(self._death)

    async def end(self) -> None:
        self.ended = True
        self.fail(WorkerLostError("ended"))

    # What the test does to it

    def die(self) -> None:
        self._death.set_result("killed")
        self.fail(WorkerLostError("killed"))

    def finish(self) -> None:
        assert self._work is not None
        fill = self.fills[-1]
        self._work.set_result(
            Result(
                job=fill.job,
                x=0,
                y=0,
                width=fill.width,
                height=fill.height,
                format=fill.format,
                depth=fill.depth,
                pixels=fill.pixels,
                blend=fill.hole,
                model=fill.model,
                device=self._name,
                seconds=0.5,
            )
        )

    def fail(self, error: Exception) -> None:
        if self._work is not None and not self._work.done():
            self._work.set_exception(error)

    @property
    def is_working(self) -> bool:
        return self._work is not None and not self._work.done()


class Bench:
    """A scheduler, the engine that makes its workers, and what became of the jobs."""

    def __init__(self, **options: Any) -> None:
        self.workers: list[FakeWorker] = []
        self.starts: list[Exception | None] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.endings: dict[Job, Ending] = {}
        self.told: list[tuple[str, float]] = []
        self.previews: list[Preview] = []
        settings: dict[str, Any] = {"timing": FAST, "preload": False, **options}
        self.slots = settings.pop("devices", ["cpu"])
        self.kept = settings.pop("kept", None)
        self.idle_seconds = settings.pop("idle_seconds", 0.0)
        self.reruns = settings.pop("reruns", 0)
        self.problem = ""
        self.queue = JobQueue(
            max_jobs=settings.pop("queue_limit", 256), max_bytes=settings.pop("queue_bytes", 1 << 31)
        )
        self.scheduler = Scheduler(engine=self, queue=self.queue, default_model=lambda: "default", **settings)

    async def close(self) -> None:
        """The service ends an engine, not the scheduler."""

    def make_worker(self, device: str) -> FakeWorker:
        self.workers.append(FakeWorker(self, device))
        return self.workers[-1]

    def submit(
        self, client: Hashable = "someone", *, model: str = "default", size: int = 4, **changes: Any
    ) -> Job:
        def ended(job: Job, ending: Ending) -> None:
            assert job not in self.endings, "a job ends once"
            self.endings[job] = ending

        job = Job(
            client=client,
            fill=replace(make_fill(width=size, height=size), model=model, **changes),
            progressed=lambda job: self.told.append((job.stage, job.fraction)),
            previewed=self.previews.append,
            ended=ended,
        )
        self.scheduler.submit(job)
        return job

    @property
    def worker(self) -> FakeWorker:
        return self.workers[-1]

    async def until(self, true: Callable[[], Any]) -> None:
        async def poll() -> None:
            while not true():
                await asyncio.sleep(0.002)

        await asyncio.wait_for(poll(), 5)

    async def working(self, count: int = 1) -> FakeWorker:
        """Wait until that many fills have begun altogether."""
        await self.until(lambda: sum(len(worker.fills) for worker in self.workers) >= count)
        return next(worker for worker in self.workers if worker.is_working)

    async def ending(self, job: Job) -> Ending:
        await self.until(lambda: job in self.endings)
        return self.endings[job]

    async def next_fill_succeeds(self) -> None:
        before = sum(len(worker.fills) for worker in self.workers)
        job = self.submit("next")
        (await self.working(before + 1)).finish()
        assert isinstance(await self.ending(job), Result)


def run(test: Callable[[Bench], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test with a bench that is working, and check that nothing is left of it."""

    async def whole() -> None:
        bench = Bench(**options)
        bench.scheduler.start()
        try:
            await asyncio.wait_for(test(bench), 20)
        finally:
            await asyncio.wait_for(bench.scheduler.stop(), 5)
        assert all(worker.ended for worker in bench.workers)
        assert bench.scheduler.queued_bytes == 0
        assert bench.scheduler.state == "stopping"
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(whole())


def error_of(ending: Ending) -> str:
    assert isinstance(ending, JobError), ending
    return ending.code


def test_a_fill_starts_a_worker_and_gets_its_outcome() -> None:
    async def test(bench: Bench) -> None:
        assert bench.scheduler.state == "idle"
        job = bench.submit(size=3)
        worker = await bench.working()
        assert bench.scheduler.state == "ready"
        assert bench.scheduler.workers()[0].state == "busy"
        assert job.fill.pixels == b"", "the pixels are the worker's alone"
        worker.progress("filling", 0.5)
        worker.progress("filling", 0.25)
        assert bench.told == [("filling", 0.5)], "progress never falls"
        worker.finish()
        ending = await bench.ending(job)
        assert isinstance(ending, Result)
        assert ending.pixels == make_fill(width=3, height=3).pixels
        assert bench.scheduler.counters.done == 1
        assert bench.scheduler.devices() == (Device(id="cpu", name="fake"),)

    run(test)


def test_preloads_the_default_model() -> None:
    async def test(bench: Bench) -> None:
        await bench.until(lambda: bench.scheduler.state == "ready")
        assert bench.worker.model == "default"
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 1

    run(test, preload=True)


def test_the_first_fill_decides_which_model_a_new_worker_loads() -> None:
    async def test(bench: Bench) -> None:
        bench.submit(model="other")
        assert (await bench.working()).model == "other"

    run(test)


def test_each_device_works_on_one_fill() -> None:
    async def test(bench: Bench) -> None:
        jobs = [bench.submit() for _ in range(5)]
        await bench.until(lambda: sum(worker.is_working for worker in bench.workers) == 3)
        assert bench.scheduler.running == 3
        assert bench.scheduler.queued == 2
        while len(bench.endings) < 5:
            for worker in bench.workers:
                if worker.is_working:
                    worker.finish()
            await asyncio.sleep(0.005)
        assert {bench.endings[job].device for job in jobs} == {"a", "b", "c"}  # type: ignore[union-attr]

    run(test, devices=["a", "b", "c"])


def test_clients_take_turns() -> None:
    async def test(bench: Bench) -> None:
        bench.submit("greedy")
        await bench.working()
        greedy = [bench.submit("greedy") for _ in range(3)]
        modest = bench.submit("modest")
        assert [bench.scheduler.place(job)[2] for job in (*greedy, modest)] == [0, 2, 3, 1]
        for count in range(2, 4):
            bench.worker.finish()
            await bench.working(count)
        bench.worker.finish()
        await bench.ending(modest)
        assert greedy[1] not in bench.endings

    run(test)


def test_worker_that_dies_costs_one_job() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        waiting = bench.submit("other")
        (await bench.working()).die()
        assert error_of(await bench.ending(job)) == "device_lost"
        (await bench.working(2)).finish()
        assert isinstance(await bench.ending(waiting), Result)
        assert len(bench.workers) == 2
        assert bench.workers[0].ended
        await bench.next_fill_succeeds()

    run(test)


def test_worker_that_dies_while_it_is_cancelled_was_cancelled() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        worker = await bench.working()
        worker.obeys = False
        bench.scheduler.cancel(job)
        await bench.until(lambda: worker.cancels)
        worker.die()
        assert isinstance(await bench.ending(job), JobCancelledError)
        await bench.next_fill_succeeds()

    run(test)


def test_idle_worker_that_dies_is_replaced_at_once() -> None:
    async def test(bench: Bench) -> None:
        await bench.next_fill_succeeds()
        await asyncio.sleep(FAST.steady_after)
        bench.worker.die()
        await bench.until(lambda: len(bench.workers) == 2 and bench.scheduler.state == "ready")
        await bench.next_fill_succeeds()

    run(test)


def test_worker_that_dies_soon_after_each_start_is_not_started_for_ever() -> None:
    async def test(bench: Bench) -> None:
        for count in range(1, 5):
            await bench.until(lambda count=count: len(bench.workers) == count and bench.worker.device)
            await bench.until(lambda: bench.scheduler.state == "ready")
            bench.worker.die()
            await bench.until(lambda: bench.scheduler.state == "degraded")
        await asyncio.sleep(4 * FAST.backoff_limit)
        assert len(bench.workers) == 4
        assert "ends soon after its start" in bench.scheduler.reasons[0]
        await bench.next_fill_succeeds()
        assert bench.scheduler.state == "ready"

    run(test, preload=True)


def test_worker_that_dies_idle_soon_after_it_has_finished_a_fill_is_replaced_at_once() -> None:
    async def test(bench: Bench) -> None:
        for count in range(1, 4):
            await bench.next_fill_succeeds()
            bench.worker.die()
            await bench.until(lambda count=count: len(bench.workers) == count + 1)
            await bench.until(lambda: bench.scheduler.state == "ready")
            assert bench.scheduler.reasons == ()
        await bench.next_fill_succeeds()

    run(test)


def test_job_that_comes_before_the_next_start_is_served_by_it() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [WorkerStartError("not yet")]
        assert error_of(await bench.ending(bench.submit())) == "model_failed"
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 2

    run(test)


def test_job_that_comes_after_an_idle_worker_has_died_at_its_start_is_served_by_the_next() -> None:
    async def test(bench: Bench) -> None:
        await bench.until(lambda: bench.scheduler.state == "ready")
        bench.worker.die()
        await bench.until(lambda: bench.scheduler.state == "degraded")
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 2

    run(test, preload=True)


def test_wait_after_a_failure_is_over_once_a_worker_has_started() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [WorkerStartError("damaged")]
        assert error_of(await bench.ending(bench.submit(model="damaged"))) == "model_failed"
        good = bench.submit(model="good")
        (await bench.working()).finish()
        await bench.ending(good)
        bench.worker.die()
        again = bench.submit(model="good")
        await bench.until(lambda: bench.worker.is_working)
        bench.worker.finish()
        assert isinstance(await bench.ending(again), Result)

    run(test, timing=replace(FAST, backoff=60, backoff_limit=60))


def test_start_that_fails_is_told_and_tried_again_later_each_time() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [WorkerStartError(f"reason {n}") for n in range(3)]
        job = bench.submit()
        ending = await bench.ending(job)
        assert error_of(ending) == "model_failed"
        assert "reason 0" in str(ending)
        assert bench.scheduler.state == "degraded"
        begun = asyncio.get_running_loop().time()
        at_once = bench.submit()
        await asyncio.sleep(FAST.backoff / 4)
        assert len(bench.workers) == 1, "not tried again so soon"
        assert at_once not in bench.endings, "it waits for the next start"
        assert "reason 1" in str(await bench.ending(at_once))
        await bench.until(lambda: bench.scheduler.state == "ready")
        # 0.1, 0.2 and again 0.2 seconds lie between four starts.
        assert asyncio.get_running_loop().time() - begun > 0.35
        assert len(bench.workers) == 4
        assert bench.scheduler.reasons == ()
        await bench.next_fill_succeeds()

    run(test)


def test_one_model_that_fails_does_not_keep_another_from_loading() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [WorkerStartError("damaged")]
        assert error_of(await bench.ending(bench.submit(model="damaged"))) == "model_failed"
        job = bench.submit(model="good")
        (await bench.working()).finish()
        assert isinstance(await bench.ending(job), Result)

    run(test)


def test_a_device_that_fails_leaves_its_jobs_to_the_others() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [WorkerStartError("no such device")]
        await bench.until(lambda: "no such device" in bench.scheduler.reasons)
        for _ in range(3):
            await bench.next_fill_succeeds()
        assert bench.scheduler.state == "degraded"

    run(test, devices=["a", "b"], preload=True, timing=replace(FAST, backoff=60, backoff_limit=60))


def test_start_that_hangs_is_given_up() -> None:
    async def test(bench: Bench) -> None:
        bench.gate.clear()
        job = bench.submit()
        assert bench.scheduler.place(job)[0] == "queued"
        await bench.until(lambda: bench.scheduler.place(job)[0] == "loading")
        assert bench.scheduler.state == "loading"
        ending = await bench.ending(job)
        assert error_of(ending) == "model_failed"
        assert "in time" in str(ending)
        assert bench.worker.ended
        bench.gate.set()
        await asyncio.sleep(FAST.backoff + 0.05)
        await bench.next_fill_succeeds()

    run(test)


def test_fill_that_hangs_is_given_up_and_one_that_is_alive_is_not() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        worker = await bench.working()
        for _ in range(8):
            await asyncio.sleep(FAST.stall_timeout / 4)
            worker.progress("filling", 0.1)  # the same again and again is a sign of life too
        assert job not in bench.endings
        assert error_of(await bench.ending(job)) == "timeout"
        assert worker.ended
        await bench.next_fill_succeeds()

    run(test)


def test_cancel_of_a_waiting_job() -> None:
    async def test(bench: Bench) -> None:
        running, waiting = bench.submit(), bench.submit()
        worker = await bench.working()
        bench.scheduler.cancel(waiting)
        assert isinstance(bench.endings[waiting], JobCancelledError)
        bench.scheduler.cancel(waiting)
        assert worker.cancels == 0
        worker.finish()
        assert isinstance(await bench.ending(running), Result)
        bench.scheduler.cancel(running)
        await bench.next_fill_succeeds()

    run(test)


def test_cancel_while_the_worker_is_starting() -> None:
    async def test(bench: Bench) -> None:
        bench.gate.clear()
        job = bench.submit()
        await bench.until(lambda: bench.workers)
        bench.scheduler.cancel(job)
        assert isinstance(bench.endings[job], JobCancelledError)
        bench.gate.set()
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 1, "the start was not for nothing"

    run(test)


def test_cancel_that_is_heeded_keeps_the_worker() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        await bench.working()
        bench.scheduler.cancel(job)
        bench.scheduler.cancel(job)
        assert isinstance(await bench.ending(job), JobCancelledError)
        assert bench.worker.cancels == 1
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 1

    run(test)


def test_cancel_that_is_not_heeded_ends_the_worker() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        worker = await bench.working()
        worker.obeys = False
        bench.scheduler.cancel(job)
        begun = asyncio.get_running_loop().time()
        assert isinstance(await bench.ending(job), JobCancelledError)
        assert asyncio.get_running_loop().time() - begun >= FAST.cancel_grace
        assert worker.ended
        await bench.next_fill_succeeds()

    run(test)


def test_result_that_comes_after_the_cancel_is_not_given() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        worker = await bench.working()
        worker.obeys = False
        bench.scheduler.cancel(job)
        await bench.until(lambda: worker.cancels)
        worker.finish()
        assert isinstance(await bench.ending(job), JobCancelledError)
        assert not worker.ended
        await bench.next_fill_succeeds()

    run(test)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JobError("out_of_memory", "full"), "out_of_memory"),
        (JobError("bad_request", "an empty picture"), "bad_request"),
        (ZeroDivisionError("a bug"), "internal"),
    ],
)
def test_job_that_fails_is_told_why(error: Exception, code: str) -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        (await bench.working()).fail(error)
        assert error_of(await bench.ending(job)) == code
        assert bench.scheduler.counters.failed == 1
        await bench.next_fill_succeeds()

    run(test)


def test_worker_that_had_no_memory_is_replaced() -> None:
    """What the attempt has left must not fail the next fill too."""

    async def test(bench: Bench) -> None:
        job = bench.submit()
        first = await bench.working()
        first.fail(JobError("out_of_memory", "full"))
        assert error_of(await bench.ending(job)) == "out_of_memory"
        assert first.ended
        await bench.next_fill_succeeds()
        assert bench.worker is not first

    run(test)


PREVIEW = Preview(job=99, x=0, y=0, width=1, height=1, scale=4, pixels=bytes(4))


def test_preview_is_told_once_and_with_the_number_of_its_job() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit(job=7, preview=True)
        worker = await bench.working()
        worker.previewed(PREVIEW)
        worker.previewed(PREVIEW)
        worker.finish()
        await bench.ending(job)
        assert bench.previews == [replace(PREVIEW, job=7)]

    run(test)


def test_preview_of_a_fill_that_runs_again_is_not_told_again() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit(preview=True)
        first = await bench.working()
        first.previewed(PREVIEW)
        first.die()
        second = await bench.working(2)
        second.previewed(PREVIEW)
        second.finish()
        assert isinstance(await bench.ending(job), Result)
        assert len(bench.previews) == 1

    run(test, reruns=1)


@pytest.mark.parametrize("asked", [True, False])
def test_no_preview_after_cancel_or_unasked(asked: bool) -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit(preview=asked)
        worker = await bench.working()
        worker.obeys = False
        if asked:
            bench.scheduler.cancel(job)
        worker.previewed(PREVIEW)
        worker.finish()
        await bench.ending(job)
        assert bench.previews == []

    run(test)


def test_owner_that_fails_to_take_its_ending_harms_nobody() -> None:
    async def test(bench: Bench) -> None:
        def ended(job: Job, ending: Ending) -> None:
            raise ValueError("not mine")

        job = Job(client=1, fill=make_fill(), progressed=lambda job: None, ended=ended)
        bench.scheduler.submit(job)
        (await bench.working()).finish()
        await bench.next_fill_succeeds()

    run(test)


def test_queue_is_bounded_in_number() -> None:
    async def test(bench: Bench) -> None:
        bench.submit()
        await bench.working()
        bench.submit(1)
        bench.submit(2)
        with pytest.raises(JobError) as refused:
            bench.submit(3)
        assert refused.value.code == "busy"
        assert bench.scheduler.counters.busy == 1
        bench.worker.finish()
        await bench.working(2)
        bench.submit(3)

    run(test, queue_limit=2)


def test_queue_is_bounded_in_bytes_but_takes_one_job_of_any_size() -> None:
    async def test(bench: Bench) -> None:
        bench.submit(size=100)
        await bench.working()
        huge = bench.submit(size=100)
        with pytest.raises(JobError):
            bench.submit(size=1)
        bench.scheduler.cancel(huge)
        for _ in range(10):
            bench.submit(size=4)
        with pytest.raises(JobError):
            bench.submit(size=100)

    run(test, queue_bytes=1000)


def test_stopping_ends_every_job_and_takes_no_more() -> None:
    async def test(bench: Bench) -> None:
        jobs = [bench.submit() for _ in range(3)]
        await bench.working()
        await bench.scheduler.stop()
        assert {error_of(bench.endings[job]) for job in jobs} == {"shutting_down"}
        with pytest.raises(JobError) as refused:
            bench.submit()
        assert refused.value.code == "shutting_down"

    run(test)


def test_stopping_while_a_worker_starts() -> None:
    async def test(bench: Bench) -> None:
        bench.gate.clear()
        job = bench.submit()
        await bench.until(lambda: bench.workers)
        await bench.scheduler.stop()
        assert error_of(bench.endings[job]) == "shutting_down"

    run(test)


def test_idle_worker_is_unloaded_and_comes_back_by_itself() -> None:
    async def test(bench: Bench) -> None:
        await bench.until(lambda: bench.scheduler.state == "ready")
        for _ in range(4):
            await asyncio.sleep(0.1)
            await bench.next_fill_succeeds()
        assert len(bench.workers) == 1, "not idle"
        await bench.until(lambda: bench.scheduler.state == "idle")
        assert bench.workers[0].ended
        assert bench.scheduler.devices(), "still known"
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 2

    run(test, preload=True, timing=replace(FAST, unload_after=0.3))


def test_patience_does_not_count_a_pause() -> None:
    now = 0.0
    patience = SuspendAwareTimer(1.0, clock=lambda: now)
    for _ in range(3):
        now += 1.0
        patience.elapsed()
    assert patience.elapsed() == 3.0
    now += 3600.0
    assert patience.elapsed() == 5.0
    patience.reset()
    assert patience.elapsed() == 0.0


# What the engine asks for


def test_a_job_whose_worker_is_lost_runs_again_before_all_others() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit("one", size=6)
        first = await bench.working()
        waiting = bench.submit("other")
        first.die()
        second = await bench.working(2)
        assert second is not first
        assert second.fills[-1].width == 6
        assert bytes(second.fills[-1].pixels) == bytes(first.fills[-1].pixels)
        second.finish()
        assert isinstance(await bench.ending(job), Result)
        (await bench.working(3)).finish()
        assert isinstance(await bench.ending(waiting), Result)
        assert bench.scheduler.counters.reruns == 1
        assert bench.scheduler.counters.failed == 0

    run(test, reruns=2)


def test_a_job_runs_again_as_often_as_the_engine_says_and_no_more() -> None:
    async def test(bench: Bench) -> None:
        job = bench.submit()
        for number in range(3):
            (await bench.working(number + 1)).die()
        assert error_of(await bench.ending(job)) == "device_lost"
        assert bench.scheduler.counters.reruns == 2
        await bench.next_fill_succeeds()

    run(test, reruns=2)


def test_a_job_that_waits_to_run_again_can_be_cancelled_and_is_ended_by_a_stop() -> None:
    async def test(bench: Bench) -> None:
        cancelled, stopped = bench.submit(), bench.submit()
        worker = await bench.working()
        bench.gate.clear()
        worker.die()
        await bench.until(lambda: bench.scheduler.queued == 2)
        bench.scheduler.cancel(cancelled)
        assert isinstance(await bench.ending(cancelled), JobCancelledError)
        await bench.scheduler.stop()
        assert error_of(bench.endings[stopped]) == "shutting_down"

    run(test, reruns=2)


def test_workers_come_with_the_length_of_the_queue_and_go_when_idle() -> None:
    async def test(bench: Bench) -> None:
        await bench.until(lambda: bench.scheduler.state == "ready")
        assert len(bench.workers) == 1, "the one that is always there"
        jobs = [bench.submit(number) for number in range(3)]
        await bench.until(lambda: len([one for one in bench.workers if one.is_working]) == 3)
        assert len(bench.workers) == 3
        jobs += [bench.submit(number) for number in range(9)]
        await bench.until(lambda: len(bench.workers) == 4)
        for _ in range(12):
            (await bench.working()).finish()
            await asyncio.sleep(0)
        for job in jobs:
            assert isinstance(await bench.ending(job), Result)
        await bench.until(lambda: sum(not one.ended for one in bench.workers) == 1)
        assert not bench.workers[0].ended
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 4

    run(test, devices=["a", "b", "c", "d"], kept=1, idle_seconds=0.2)


def test_no_worker_is_kept_where_the_engine_keeps_none_and_one_job_starts_one() -> None:
    async def test(bench: Bench) -> None:
        await asyncio.sleep(0.05)
        assert bench.workers == []
        await bench.next_fill_succeeds()
        assert len(bench.workers) == 1
        await bench.until(lambda: bench.worker.ended)

    run(test, devices=["a", "b", "c"], kept=0, idle_seconds=0.1)


def test_a_model_that_no_worker_can_load_fails_although_some_were_never_started() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [WorkerStartError("no such weights")] * 2
        assert error_of(await bench.ending(bench.submit())) == "model_failed"

    run(test, devices=["a", "b", "c"], kept=1)


def test_a_job_waits_for_the_next_start_where_no_machine_could_be_reached() -> None:
    async def test(bench: Bench) -> None:
        bench.starts = [EngineUnreachableError("the cluster is gone")] * 2
        job = bench.submit()
        (await bench.working()).finish()
        assert isinstance(await bench.ending(job), Result)

    run(test, devices=["a", "b"], kept=2)


def test_a_full_cluster_is_no_fault_while_others_work() -> None:
    async def test(bench: Bench) -> None:
        await bench.until(lambda: bench.scheduler.state == "ready")
        bench.starts = [WorkerStartError("there is no room")] * 8
        bench.submit("one")
        bench.submit("other")
        await bench.until(lambda: len(bench.workers) == 2)
        await bench.working()
        assert bench.scheduler.state == "ready"
        assert bench.scheduler.reasons == ()
        bench.problem = "the cluster is gone"
        assert bench.scheduler.state == "degraded"
        assert bench.scheduler.reasons == ("the cluster is gone",)

    run(test, devices=["a", "b"], kept=1)


def test_a_slow_device_does_not_hold_up_the_fast_one() -> None:
    """While the first device has one fill, the second does all others."""

    async def test(bench: Bench) -> None:
        jobs = [bench.submit("one") for _ in range(10)]
        await bench.until(lambda: len([one for one in bench.workers if one.is_working]) == 2)
        slow, fast = bench.workers
        for number in range(2, 11):
            fast.finish()
            await bench.until(lambda number=number: len(bench.endings) == number - 1)
        assert len(slow.fills) == 1
        assert len(fast.fills) == 9
        slow.finish()
        for job in jobs:
            assert isinstance(await bench.ending(job), Result)

    run(test, devices=["slow", "fast"])
