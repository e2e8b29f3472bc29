"""The unfinished fills of a shared server's users, and whether one of them may have another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from lama_core.client.protocol.limits import MIB
from lama_server.errors import JobError
from lama_server.jobs import Job
from lama_server.shared.users import UserLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose turn it is in the queue: a user, on however many connections."""

    user: str


class UserJobs:
    """Counts the fills of users. Used from one event loop, without locks."""

    def __init__(self, limits: Callable[[str], UserLimits]) -> None:
        """Begin without any. `limits`: those of a user."""
        self._limits = limits
        self._jobs: defaultdict[str, set[Job]] = defaultdict(set)

    def add(self, user: str, job: Job) -> None:
        """Take one more that is to wait.

        Raises:
            JobError: `busy`, because the user has as many as may be.
        """
        limits = self._limits(user)
        waiting = [each for each in self._jobs[user] if not each.running]
        if len(waiting) >= limits.waiting:
            raise JobError("busy", f"{user} has {len(waiting)} fills waiting, which is as many as may be")
        if sum(each.bytes for each in waiting) + job.bytes > limits.memory_mib * MIB:
            raise JobError(
                "busy", f"the fills of {user} that wait use the {limits.memory_mib} MiB that they may"
            )
        self._jobs[user].add(job)

    def remove(self, user: str, job: Job) -> None:
        """Forget one that has ended."""
        self._jobs[user].discard(job)
        if not self._jobs[user]:
            del self._jobs[user]

    def may_run(self, client: Hashable) -> bool:
        """Whether one more fill of this client may be worked on now."""
        if not isinstance(client, Owner) or client.user not in self._jobs:
            return True
        limit = self._limits(client.user).running
        return not limit or sum(job.running for job in self._jobs[client.user]) < limit
