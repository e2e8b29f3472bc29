"""The jobs that wait: fair between clients, bounded in number and in the memory of their pixels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator

from lama_server.errors import JobError
from lama_server.fair_queue import FairQueue
from lama_server.jobs import Job


class JobQueue:
    """Jobs in the order in which they are to run. Used from one event loop, without locks.

    The scheduler puts jobs in; each device's supervisor takes them out.
    """

    def __init__(
        self,
        *,
        max_jobs: int,
        max_bytes: int,
        may_run: Callable[[Hashable], bool] = lambda client: True,
    ) -> None:
        """Begin empty.

        Args:
            max_jobs: that may wait, of all clients together.
            max_bytes: of their pixels and holes; a single job may be larger.
            may_run: whether one more job of a client may run now; else its jobs wait. `look_again` when that
                has changed.
        """
        self._jobs: FairQueue[Job] = FairQueue(may_run)
        self._max_jobs = max_jobs
        self._max_bytes = max_bytes
        self._bytes = 0
        self._listeners: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return job in self._jobs

    def __iter__(self) -> Iterator[Job]:
        """All jobs that wait, in no order that means anything; jobs may be removed meanwhile."""
        return iter(self._jobs)

    @property
    def bytes(self) -> int:
        """The memory that the pixels and holes of the jobs take."""
        return self._bytes

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a job has come or gone."""
        self._listeners.append(listener)

    def push(self, job: Job) -> int:
        """Let a job wait.

        Returns:
            How many jobs come before it.

        Raises:
            JobError: `busy`; the job was not taken.
        """
        if len(self._jobs) >= self._max_jobs:
            raise JobError("busy", "too many fills are waiting; try again in a moment")
        if self._jobs and self._bytes + job.bytes > self._max_bytes:
            raise JobError("busy", "the fills that are waiting use all the memory set for them; try again")
        self._jobs.push(job.client, job)
        self._count(job.bytes)
        return self._jobs.position(job)

    def look_again(self) -> None:
        """Have all listeners look for a job that may run now."""
        self._count(0)

    def push_back(self, job: Job) -> None:
        """Let a job that was taken out be the next one. Whether there is room was asked when it came."""
        self._jobs.push_first(job.client, job)
        self._count(job.bytes)

    def peek(self) -> Job | None:
        """The next job that may run, left where it is; None when no job waits."""
        return self._jobs.peek()

    def pop(self) -> Job | None:
        """Take the next job out; None when no job waits."""
        job = self._jobs.pop()
        if job is not None:
            self._count(-job.bytes)
        return job

    def remove(self, job: Job) -> bool:
        """Take a job out, wherever it is; False when it does not wait."""
        if not self._jobs.remove(job):
            return False
        self._count(-job.bytes)
        return True

    def position(self, job: Job) -> int:
        """How many jobs come before this one; 0 for one that does not wait."""
        return self._jobs.position(job)

    def _count(self, size: int) -> None:
        self._bytes += size
        for listener in self._listeners:
            listener()
