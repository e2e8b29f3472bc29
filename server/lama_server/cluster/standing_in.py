"""A worker for which another one stands in while it cannot be started."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lama_core.client.protocol.messages import Device, Fill, Preview, Result
from lama_server.errors import WorkerStartError
from lama_server.jobs import Worker


class StandingInWorker:
    """A `lama_server.jobs.Worker` that is the one, or the other while the one cannot be had."""

    def __init__(
        self,
        one: Worker,
        *,
        other: Callable[[], Worker],
        is_wanted: Callable[[], bool],
        until: Callable[[], Awaitable[object]],
    ) -> None:
        """Prepare, without starting anything.

        Args:
            one: the worker that is wanted.
            other: makes the one that stands in for it.
            is_wanted: whether another may stand in, once the one could not be started.
            until: returns when the one can be had again; then the other counts as lost.
        """
        self._worker = one
        self._other = other
        self._is_wanted = is_wanted
        self._until = until
        self._stands_in = False

    @property
    def device(self) -> Device | None:
        return self._worker.device

    @property
    def model(self) -> str:
        return self._worker.model

    @property
    def pid(self) -> int:
        return self._worker.pid

    @property
    def memory_bytes(self) -> int:
        return self._worker.memory_bytes

    async def start(self, model: str) -> None:
        try:
            await self._worker.start(model)
        except WorkerStartError:
            await self._worker.end()
            if not self._is_wanted():
                raise
            self._worker = self._other()
            self._stands_in = True
            await self._worker.start(model)

    async def fill(
        self, fill: Fill, progress: Callable[[str, float], None], previewed: Callable[[Preview], None]
    ) -> Result:
        return await self._worker.fill(fill, progress, previewed)

    def cancel(self) -> None:
        self._worker.cancel()

    def release_caches(self) -> None:
        self._worker.release_caches()

    async def lost(self) -> str:
        if not self._stands_in:
            return await self._worker.lost()
        lost = asyncio.create_task(self._worker.lost(), name="watch the worker that stands in")
        back = asyncio.ensure_future(self._until())
        try:
            await asyncio.wait({lost, back}, return_when=asyncio.FIRST_COMPLETED)
            return lost.result() if lost.done() else "the cluster is there again"
        finally:
            lost.cancel()
            back.cancel()

    async def end(self) -> None:
        await self._worker.end()
