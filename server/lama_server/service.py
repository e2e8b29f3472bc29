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
from pathlib import Path

from lama_core.client.connection.runtime import RuntimeFile
from lama_core.client.errors import LamaFillError
from lama_core.client.protocol import auth
from lama_core.client.text import one_line
from lama_server import __version__
from lama_server.app import App, listen_again
from lama_server.catalogue import StoreCatalogue
from lama_server.device_supervisor import Timing
from lama_server.engine import EngineFactory
from lama_server.instance import InstanceLock, find_server
from lama_server.job_queue import JobQueue
from lama_server.local_engine import LocalEngine
from lama_server.logs import set_up_logs
from lama_server.scheduler import Scheduler
from lama_server.settings import Settings
from lama_server.shared_server import SharedServer
from lama_server.socket_activation import drain, take_passed_socket
from lama_server.tasks import cancel_and_wait
from lama_server.timeout import SuspendAwareTimer

log = logging.getLogger(__name__)

START_COMMAND = (sys.executable, "-m", "lama_cli")
"""What a client starts the next server with; see `lama_core.client.connection.launch`."""
_ACQUIRE_SECONDS = 10.0
"""How long another server may take to say where it is, or to be gone."""


class NotAloneError(LamaFillError):
    """Another process holds the place of the server and does not say where it is."""


def run_service(
    settings: Settings,
    folder: Path,
    *,
    started_by_client: bool = False,
    make_engine: EngineFactory = LocalEngine,
) -> int:
    """Be the server of `folder` until told to end. Returns 0, also when there is one already.

    `make_engine`: makes what fills for it.

    Raises:
        LamaFillError: with what the user has to do before a server can start.
    """
    return asyncio.run(_serve(settings, folder, started_by_client, make_engine))


async def _serve(
    settings: Settings, folder: Path, started_by_client: bool, make_engine: EngineFactory
) -> int:
    # First of all, so that from the first file on there is somebody to remove it.
    stop = ShutdownEvent()
    stop.handle_signals()
    os.umask(0o077)
    passed = take_passed_socket(os.environ)
    instance = InstanceLock(folder)
    if not await _acquire(instance, stop):
        if passed is not None:
            drain(passed)
        return 0
    try:
        await _serve_instance(instance, settings, started_by_client, make_engine, stop, passed)
    finally:
        instance.release()
    return 0


async def _serve_instance(
    instance: InstanceLock,
    settings: Settings,
    started_by_client: bool,
    make_engine: EngineFactory,
    stop: ShutdownEvent,
    passed: socket.socket | None,
) -> None:
    set_up_logs(
        instance.folder,
        level=settings.log_level,
        size=settings.log_kib * 1024,
        kept=settings.log_files,
        console=not started_by_client,
    )
    shared = SharedServer(settings, instance.folder) if settings.listen else None
    token = auth.new_token()
    catalogue = StoreCatalogue(settings.model)
    engine = make_engine(settings, instance.folder)
    scheduler = Scheduler(
        engine=engine,
        queue=JobQueue(
            max_jobs=settings.queue,
            max_bytes=settings.queue_memory_mib << 20,
            may_run=shared.jobs.may_run if shared is not None else lambda client: True,
        ),
        default_model=catalogue.default,
        timing=Timing(
            unload_after=settings.unload_after,
            stall_timeout=settings.stall_timeout,
            cancel_grace=settings.cancel_grace,
        ),
        preload=settings.preload,
    )
    app = App(
        listener=passed or listen_again(settings.port, instance.last_port()),
        token=token,
        settings=settings,
        scheduler=scheduler,
        catalogue=catalogue,
        stop=stop.request,
        shared=shared,
    )
    # What exists by now stays: the garbage collector need not look at it again and again.
    gc.freeze()
    async with app:
        instance.publish(
            RuntimeFile(
                port=app.port, pid=os.getpid(), version=__version__, token=token, started=time.time()
            ),
            START_COMMAND,
        )
        log.info("version %s serves on 127.0.0.1:%d", __version__, app.port)
        print(f"serving on 127.0.0.1:{app.port}; logs are in {one_line(str(instance.folder))}", flush=True)
        if shared is not None:
            log.info("serves %d users on %s", len(shared.users), shared.address)
            print(f"serving {len(shared.users)} users on {shared.address}", flush=True)
            if not len(shared.users):
                log.warning("there are no users yet: add them by `lama-fill users add NAME`")
        scheduler.start()
        # Users of other machines cannot start it again.
        idle_limit = settings.exit_after if started_by_client and shared is None else 0.0
        watching = asyncio.create_task(_end_when_idle(app, scheduler, idle_limit, stop), name="idle")
        try:
            reason = await stop.wait()
        finally:
            await cancel_and_wait(watching)
        log.info("ending: %s", reason)
    await engine.close()
    log.info("ended")


class ShutdownEvent:
    """Set once, when the server is to end; whoever asks first gives the reason."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self._reason = ""

    def request(self, reason: str) -> None:
        """End; the first reason is the one that counts."""
        self._reason = self._reason or reason
        self._requested.set()

    async def wait(self) -> str:
        """Return the reason when there is one."""
        await self._requested.wait()
        return self._reason

    async def wait_for(self, seconds: float) -> bool:
        """Whether the end is requested within that time."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._requested.wait(), seconds)
        return self._requested.is_set()

    def handle_signals(self) -> None:
        """Take the signals that ask a process to end."""
        loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is None:
                continue
            try:
                loop.add_signal_handler(number, self.request, name)
            except NotImplementedError:  # on Windows
                signal.signal(number, lambda *_, name=name: loop.call_soon_threadsafe(self.request, name))


async def _acquire(instance: InstanceLock, stop: ShutdownEvent) -> bool:
    """Hold the place; or say who does, and return False."""
    waited = SuspendAwareTimer(0.02)
    while not instance.acquire():
        found = find_server(instance.folder)
        if found is not None:
            print(
                f"the server is running already: 127.0.0.1:{found.port}, process {found.pid}; for it to take "
                "other settings, run `lama-fill stop` first"
            )
            return False
        # It is just starting, and about to say where it is; or just ending, and about to be gone.
        if await stop.wait_for(waited.tick):
            return False
        if waited.elapsed() >= _ACQUIRE_SECONDS:
            raise NotAloneError(
                f"another process holds {instance.folder} and does not say where it serves; "
                "end it, or wait until it has ended"
            )
    return True


async def _end_when_idle(app: App, scheduler: Scheduler, limit: float, stop: ShutdownEvent) -> None:
    """End the server after `limit` seconds without a client or a job; 0: never."""
    if not limit:
        return
    timer = SuspendAwareTimer(min(15.0, limit / 20))
    total = app.total_connections
    while timer.elapsed() < limit:
        await asyncio.sleep(timer.tick)
        if app.connections or app.total_connections != total or scheduler.queued or scheduler.running:
            total = app.total_connections
            timer.reset()
    stop.request(f"no client needed the server for {limit:g} s")
