"""A batch on a Ray cluster: workers read pictures where they lie, fill them, and write them there.

No pixel passes through this process. A worker reads and writes pictures while it fills another.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from lama_cli.batch import BatchError, Done, Task
from lama_cli.batch_actor import AT_ONCE, BatchActor, FillSettings
from lama_cli.remote_files import is_remote
from lama_cli.saying import say
from lama_core.client.files import hash_file
from lama_core.client.text import one_line
from lama_server import __version__
from lama_server.cluster.head import GONE_SECONDS, HeadError, complete_address, connect, dial, lack_of_room
from lama_server.cluster.node_models import ModelCopy

_MAX_TRIES = 3
"""How many workers may be lost with a picture: it may be the picture that ends them."""

_POLL_SECONDS = 1.0

_MAX_BAD_STARTS = 4
"""Workers in a row that could not be started, after which the batch is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the workers are.

    Attributes:
        address: HOST:PORT, "auto", "local", or "" for what RAY_ADDRESS says, else "local".
        workers: how many; 0 for as many as the cluster has room for.
        cpus: that each takes where the cluster has no GPU.
    """

    address: str
    workers: int
    cpus: int


def run_ray_batch(
    tasks: Sequence[Task],
    cluster: Cluster,
    settings: FillSettings,
    *,
    weights: Path,
    device: str,
    tell: Callable[[Done], None],
) -> float:
    """Fill them all. What goes wrong with one of them is told and does not stop the others.

    Args:
        tasks: what to fill; paths are those of folders that all nodes share.
        cluster: where.
        settings: how.
        weights: the model's file on this machine; a node that has not the same gets a copy.
        device: "auto" for a GPU where the cluster has any, "cpu", or another kind.
        tell: called for each picture when it is written or has failed, as they end.

    Returns:
        Seconds from the first worker's being ready to the last picture's end.

    Raises:
        BatchError: the cluster cannot be reached or is gone, or no worker can be started.
    """
    try:
        head = connect(complete_address(cluster.address))
    except HeadError as error:
        raise BatchError(str(error)) from error
    try:
        return _Run(tasks, cluster, settings, weights=weights, device=device, tell=tell, head=head).run()
    finally:
        ray.shutdown()


@dataclass(slots=True)
class _Attempt:
    """A picture that waits or is worked on."""

    task: Task
    tries: int = 0


class _Worker:
    """An actor, and what it has."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.starting = actor.start.remote()
        self.node = ""
        self.work: dict[Any, _Attempt] = {}


class _Run:
    """One batch: hands out pictures, takes what became of them, replaces workers that were lost."""

    def __init__(
        self,
        tasks: Sequence[Task],
        cluster: Cluster,
        settings: FillSettings,
        *,
        weights: Path,
        device: str,
        tell: Callable[[Done], None],
        head: str,
    ) -> None:
        self._waiting = deque(_Attempt(_absolute(task)) for task in tasks)
        self._left = len(tasks)
        self._tell = tell
        self._head = head
        self._answered = time.monotonic()
        self._bad_starts = 0
        self._began = 0.0
        resources = ray.cluster_resources()
        on_cpu = device == "cpu" or (device == "auto" and not resources.get("GPU"))
        lack = lack_of_room(cluster.cpus) if on_cpu else ""
        if lack:
            say(lack, error=True)
        kind = ("cpu" if device == "auto" else device) if on_cpu else ("cuda" if device == "auto" else device)
        room = int(resources.get("CPU", 0) // cluster.cpus if on_cpu else resources.get("GPU", 0))
        self._count = min(len(tasks), cluster.workers or max(1, room))
        model = ModelCopy(sha256=hash_file(weights), fetch=partial(_fetch, [ray.put(weights.read_bytes())]))
        self._make = partial(
            ray.remote(BatchActor)
            .options(
                num_cpus=cluster.cpus if on_cpu else 1,
                num_gpus=0 if on_cpu else 1,
                max_restarts=0,
                max_concurrency=AT_ONCE + 1,
                scheduling_strategy="SPREAD",
            )
            .remote,
            settings=asdict(settings),
            device=kind,
            threads=cluster.cpus if on_cpu else 0,
            copy=model,
            version=__version__,
        )
        self._workers: list[_Worker] = []

    def run(self) -> float:
        self._workers = [_Worker(self._make()) for _ in range(self._count)]
        self._began = time.monotonic()
        while self._left:
            references = {
                ref: worker for worker in self._workers for ref in (worker.starting, *worker.work) if ref
            }
            done, _ = ray.wait(list(references), num_returns=1, timeout=_POLL_SECONDS)
            self._check_head()
            for reference in done:
                worker = references[reference]
                if worker not in self._workers:
                    continue  # it was lost with another of its pictures
                if reference is worker.starting:
                    self._take_start(worker)
                else:
                    self._take_end(worker, reference)
                self._hand_out(worker)
        return time.monotonic() - self._began

    def _take_start(self, worker: _Worker) -> None:
        reference, worker.starting = worker.starting, None
        try:
            worker.node, problem = ray.get(reference)
        except RayError as error:
            problem = one_line(str(error).strip().splitlines()[-1] if str(error).strip() else "it ended", 300)
        if not problem:
            if not any(one.node for one in self._workers if one is not worker):
                self._began = time.monotonic()
            self._bad_starts = 0
            return
        self._bad_starts += 1
        if self._bad_starts >= min(_MAX_BAD_STARTS, self._count):
            raise BatchError(f"no worker can be started in the cluster: {problem}")
        self._replace(worker)

    def _take_end(self, worker: _Worker, reference: Any) -> None:
        attempt = worker.work.pop(reference)
        try:
            report, error, note = ray.get(reference)
        except RayActorError as lost:
            worker.work[reference] = attempt
            self._lose(worker, lost)
            return
        except RayError as failed:
            report, note = None, ""
            error = f"{attempt.task.picture} could not be filled ({one_line(str(failed), 200)})"
        self._end(
            attempt,
            Done(
                task=attempt.task,
                report=report,
                error=BatchError(error) if error else None,
                note=note,
                tries=attempt.tries,
            ),
        )

    def _lose(self, worker: _Worker, why: RayActorError) -> None:
        """A worker or its node is gone: others get its pictures, first of all."""
        for attempt in worker.work.values():
            if attempt.tries < _MAX_TRIES:
                self._waiting.appendleft(attempt)
                continue
            reason = one_line(str(why).strip().splitlines()[0] if str(why).strip() else "lost", 200)
            self._end(
                attempt,
                Done(
                    task=attempt.task,
                    report=None,
                    error=BatchError(
                        f"{attempt.task.picture} was given up: {attempt.tries} workers ended in it ({reason})"
                    ),
                    tries=attempt.tries,
                ),
            )
        self._replace(worker)

    def _replace(self, worker: _Worker) -> None:
        with contextlib.suppress(RayError, ValueError):
            ray.kill(worker.actor)
        self._workers[self._workers.index(worker)] = _Worker(self._make())

    def _end(self, attempt: _Attempt, done: Done) -> None:
        self._left -= 1
        self._tell(done)

    def _hand_out(self, worker: _Worker) -> None:
        """Give a worker one picture to fill and others to read or write meanwhile; share the last ones."""
        ready = [one for one in self._workers if one.node]
        if worker not in ready:
            return
        share = -(-(len(self._waiting) + sum(len(one.work) for one in ready)) // len(ready))
        while self._waiting and len(worker.work) < min(AT_ONCE, share):
            attempt = self._waiting.popleft()
            attempt.tries += 1
            worker.work[worker.actor.fill.remote(attempt.task)] = attempt
        # What was lost with a worker waits for whoever has a place.
        for other in ready:
            while self._waiting and not other.work:
                attempt = self._waiting.popleft()
                attempt.tries += 1
                other.work[other.actor.fill.remote(attempt.task)] = attempt

    def _check_head(self) -> None:
        now = time.monotonic()
        if now - self._answered < _POLL_SECONDS:
            return
        try:
            dial(self._head)
            self._answered = now
        except HeadError:
            if now - self._answered >= GONE_SECONDS:
                raise BatchError(
                    f"the head of the Ray cluster at {self._head} is gone: start the batch again when it is "
                    "back, it goes on where it was"
                ) from None


def _absolute(task: Task) -> Task:
    """The same files, named from the root: workers have folders of their own."""

    def whole(path: Path) -> Path:
        return path if is_remote(path) else path.absolute()

    return replace(
        task,
        picture=whole(task.picture),
        mask=None if task.mask is None else whole(task.mask),
        output=whole(task.output),
        source=None if task.source is None else whole(task.source),
    )


def _fetch(references: list[Any]) -> bytes:
    data: bytes = ray.get(references[0])
    return data
