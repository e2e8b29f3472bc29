"""What the scheduler works with: jobs, how they end, and what it expects of a worker."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Protocol

from lama_core.client.protocol.messages import Device, Fill, Preview, Result
from lama_server.errors import JobCancelledError, JobError

log = logging.getLogger(__name__)

Ending = Result | JobError | JobCancelledError
"""How a job ends: with a result, an error, or cancelled."""


class Worker(Protocol):
    """One worker: a process on one device of this machine, or an actor on a node of a cluster.

    It does one thing at a time.

    `device` is None until the worker has started. `memory_bytes`: memory of the device that is in use, 0 when
    unknown.
    """

    @property
    def device(self) -> Device | None: ...

    @property
    def model(self) -> str: ...

    @property
    def pid(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...

    async def start(self, model: str) -> None:
        """Start the process and load `model`. Raises WorkerStartError."""

    async def fill(
        self, fill: Fill, progress: Callable[[str, float], None], previewed: Callable[[Preview], None]
    ) -> Result:
        """Run one job.

        Args:
            fill: what to fill; `model` names an installed model.
            progress: called with the stage and the fraction 0..1, and at every other sign of life too.
            previewed: called with a preview where the fill asks for one.

        Returns:
            The result, with the fill's `job`. Its `pixels` and `blend` may be views of memory that the next
            job overwrites: use them before then.

        Raises:
            JobError, JobCancelledError, WorkerLostError: how it ended instead.
        """

    def cancel(self) -> None:
        """Ask the running job to end soon."""

    def release_caches(self) -> None:
        """Free the memory of the last result, which nobody needs any more."""

    async def lost(self) -> str:
        """Return, with a reason, when the process has ended without being told to."""

    async def end(self) -> None:
        """End the process at once, whatever it does. Never raises; may be called at any time, and twice."""


class Job:
    """One fill, from its arrival to its ending. `ended` of the scheduler's caller is called exactly once."""

    def __init__(
        self,
        *,
        client: Hashable,
        fill: Fill,
        progressed: Callable[[Job], None],
        previewed: Callable[[Preview], None] = lambda preview: None,
        ended: Callable[[Job, Ending], None],
    ) -> None:
        self.client = client
        self.fill = fill
        self.bytes = fill.plane_bytes
        self.began = time.monotonic()
        self.stage = "queued"
        self.fraction = 0.0
        self.running = False
        self.signs = 0
        self.losses = 0
        self.cancelled = asyncio.Event()
        self._progressed = progressed
        self._previewed = previewed
        self._has_preview = False
        self._ended = ended

    def take_fill(self) -> Fill:
        """The fill; the job keeps it without pixels, so that these are gone when nobody needs them."""
        fill = self.fill
        self.fill = fill.without_pixels()
        return fill

    def run_again(self, fill: Fill) -> None:
        """Its worker was lost: take back the fill, and wait for another one."""
        self.fill = fill
        self.losses += 1
        self.running = False

    def progress(self, stage: str, fraction: float) -> None:
        """Take a worker's sign of life. The fraction never falls, not even in a second attempt."""
        self.signs += 1
        fraction = max(self.fraction, min(1.0, fraction))
        if (stage, fraction) != (self.stage, self.fraction):
            self.stage, self.fraction = stage, fraction
            self._progressed(self)

    def preview(self, preview: Preview) -> None:
        """Take a worker's preview. The owner is told of the first one, and of none once it is cancelled."""
        if self.fill.preview and not self._has_preview and not self.cancelled.is_set():
            self._has_preview = True
            self._previewed(replace(preview, job=self.fill.job))

    def end(self, ending: Ending) -> None:
        """Tell the job's owner how it ended. What the owner raises is only logged."""
        self.take_fill()
        try:
            self._ended(self, ending)
        except Exception:
            log.exception("the ending of a job could not be told")
