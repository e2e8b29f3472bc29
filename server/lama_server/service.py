"""The life of the server process: one for each user, from the lock to the last file removed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lama_core.client.connection.runtime import RuntimeFile
from lama_core.client.errors import LamaFillError
from lama_core.client.protocol import auth
from lama_server import __version__
from lama_server.app import App, listen
from lama_server.catalogue import StoreCatalogue
from lama_server.device_supervisor import Timing
from lama_server.instance import Place, find_server
from lama_server.jobs import Worker
from lama_server.logs import set_up_logs
from lama_server.scheduler import Scheduler
from lama_server.settings import Settings
from lama_server.sizes import read_size
from lama_server.socket_activation import take_passed_socket, turn_away
from lama_server.tasks import settle
from lama_server.timeout import Patience
from lama_server.worker_process import WORKER_COMMAND, WorkerProcess

log = logging.getLogger(__name__)

START_COMMAND = (sys.executable, "-m", "lama_cli")
"""What a client starts the next server with; see `lama_core.client.connection.launch`."""
_CLAIM_SECONDS = 10.0
"""How long another server may take to say where it is, or to be gone."""


class NotAloneError(LamaFillError):
    """Another process holds the place of the server and does not say where it is."""


def run_service(
    settings: Settings,
    folder: Path,
    *,
    started_by_client: bool = False,
    worker_command: Sequence[str] = WORKER_COMMAND,
) -> int:
    """Be the server of `folder` until told to end. Returns 0, also when there is one already.

    `worker_command`: what is started for each device.

    Raises:
        LamaFillError: with what the user has to do before a server can start.
    """
    return asyncio.run(_serve(settings, folder, started_by_client, worker_command))


async def _serve(
    settings: Settings, folder: Path, started_by_client: bool, worker_command: Sequence[str]
) -> int:
    # First of all, so that from the first file on there is somebody to remove it.
    stop = Stop()
    stop.heed_signals()
    os.umask(0o077)
    passed = take_passed_socket(os.environ)
    place = Place(folder)
    if not await _claim(place, stop):
        if passed is not None:
            turn_away(passed)
        return 0
    try:
        await _serve_place(place, settings, started_by_client, worker_command, stop, passed)
    finally:
        place.withdraw()
    return 0


async def _serve_place(
    place: Place,
    settings: Settings,
    started_by_client: bool,
    worker_command: Sequence[str],
    stop: Stop,
    passed: socket.socket | None,
) -> None:
    set_up_logs(
        place.folder,
        level=settings.log_level,
        size=settings.log_kib * 1024,
        kept=settings.log_files,
        console=not started_by_client,
    )
    token = auth.new_token()
    catalogue = StoreCatalogue(settings.model)

    def make_worker(device: str) -> Worker:
        return WorkerProcess(
            device,
            command=worker_command,
            flags=(
                *("--threads", str(settings.threads)),
                *("--precision", settings.precision),
                *("--memory", str(read_size(settings.memory))),
            ),
            folder=str(place.folder),
        )

    scheduler = Scheduler(
        devices=settings.device.split(","),
        factory=make_worker,
        default_model=catalogue.default,
        queue_limit=settings.queue,
        queue_bytes=settings.queue_memory_mib << 20,
        timing=Timing(
            unload_after=settings.unload_after,
            stall_timeout=settings.stall_timeout,
            cancel_grace=settings.cancel_grace,
        ),
        preload=settings.preload,
    )
    app = App(
        listener=passed or listen(settings.port),
        token=token,
        settings=settings,
        scheduler=scheduler,
        catalogue=catalogue,
        stop=stop.because,
    )
    # What exists by now stays: the garbage collector need not look at it again and again.
    gc.freeze()
    async with app:
        place.publish(
            RuntimeFile(
                port=app.port, pid=os.getpid(), version=__version__, token=token, started=time.time()
            ),
            START_COMMAND,
        )
        log.info("version %s serves on 127.0.0.1:%d", __version__, app.port)
        print(f"serving on 127.0.0.1:{app.port}; logs are in {place.folder}", flush=True)
        scheduler.start()
        idle_limit = settings.exit_after if started_by_client else 0.0
        watching = asyncio.create_task(_end_when_idle(app, scheduler, idle_limit, stop), name="idle")
        try:
            reason = await stop.wait()
        finally:
            await settle(watching)
        log.info("ending: %s", reason)
    log.info("ended")


class Stop:
    """The wish that the server ends, whoever has it."""

    def __init__(self) -> None:
        self._wished = asyncio.Event()
        self._reason = ""

    def because(self, reason: str) -> None:
        """End; the first reason is the one that counts."""
        self._reason = self._reason or reason
        self._wished.set()

    async def wait(self) -> str:
        """Return the reason when there is one."""
        await self._wished.wait()
        return self._reason

    async def within(self, seconds: float) -> bool:
        """Whether the wish comes within that time."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wished.wait(), seconds)
        return self._wished.is_set()

    def heed_signals(self) -> None:
        """Take the signals that ask a process to end."""
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is None:
                continue
            try:
                loop.add_signal_handler(number, self.because, name)
            except NotImplementedError:  # on Windows
                signal.signal(number, lambda *_, name=name: loop.call_soon_threadsafe(self.because, name))


async def _claim(place: Place, stop: Stop) -> bool:
    """Hold the place; or say who does, and return False."""
    waited = Patience(0.02)
    while not place.claim():
        found = find_server(place.folder)
        if found is not None:
            print(f"the server is running already: 127.0.0.1:{found.port}, process {found.pid}")
            return False
        # It is just starting, and about to say where it is; or just ending, and about to be gone.
        if await stop.within(waited.tick):
            return False
        if waited.spent() >= _CLAIM_SECONDS:
            raise NotAloneError(
                f"another process holds {place.folder} and does not say where it serves; "
                "end it, or wait until it has ended"
            )
    return True


async def _end_when_idle(app: App, scheduler: Scheduler, limit: float, stop: Stop) -> None:
    """End the server after `limit` seconds without a client or a job; 0: never."""
    if not limit:
        return
    patience = Patience(min(15.0, limit / 20))
    visits = app.visits
    while patience.spent() < limit:
        await asyncio.sleep(patience.tick)
        if app.connections or app.visits != visits or scheduler.queued or scheduler.running:
            visits = app.visits
            patience.reset()
    stop.because(f"nobody needed the server for {limit:g} s")
