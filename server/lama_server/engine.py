"""Where workers come from: the one interface between the server and what fills for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from lama_server.jobs import Worker
from lama_server.settings import Settings


class Engine(Protocol):
    """Makes workers, each for one of its slots: a place where one worker at a time may run.

    Attributes:
        slots: their names, each once.
        kept: how many of them, from the first, have a worker whether there is a job or not. The others get
            one while more jobs wait than workers are about to take, and lose it when it has been idle for
            `idle_seconds`. None: every slot is kept as the settings `preload` and `unload_after` say.
        idle_seconds: see above.
        reruns: how often a job whose worker was lost is given to another one.
        problem: one line for the administrator; empty where all is well.
    """

    @property
    def slots(self) -> Sequence[str]: ...

    @property
    def kept(self) -> int | None: ...

    @property
    def idle_seconds(self) -> float: ...

    @property
    def reruns(self) -> int: ...

    @property
    def problem(self) -> str: ...

    def make_worker(self, slot: str) -> Worker:
        """A worker for the slot, not yet started; the one before it has ended."""

    async def close(self) -> None:
        """End whatever the workers share; all of them have ended. May be called when none was ever made."""


EngineFactory = Callable[[Settings, Path], Engine]
"""Makes the engine that the settings ask for; the path is the server's runtime folder."""
