"""The server's public side: one port with websockets for clients, and pages."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol import auth
from lama_core.client.protocol.limits import MAX_TEXT, MIB, Limits
from lama_core.client.protocol.messages import DESK_PATH, DESK_SUBPROTOCOL, SUBPROTOCOL, ServerStatus
from lama_server import __version__
from lama_server.connection import Catalogue, ClientConnection, ServerContext
from lama_server.handshake import Connection, HandshakeGuard
from lama_server.memory import free_memory
from lama_server.metrics import CONTENT_TYPE, Gauges, metrics_page
from lama_server.scheduler import Scheduler
from lama_server.settings import Settings
from lama_server.shared_server import SharedServer
from lama_server.tasks import cancel_and_wait
from lama_server.web.desk import Desk
from lama_server.web.page import Page
from lama_server.web.sessions import Sessions
from lama_server.web.site import Site

_CLOSE_SECONDS = 1.0
"""How long a client may take to answer a close, and to take what it is still owed when the server ends."""

_VIOLATION = 1002

_COLLECT_BYTES = 16 * MIB
"""Messages of closed connections that may wait to be freed."""


class PortError(LamaFillError):
    """The port that was set cannot be listened on."""


def listen(port: int) -> socket.socket:
    """A listening socket on the loopback address; 0 takes any free port.

    Raises:
        PortError: when another program has the port.
    """
    # asyncio sends small messages at once (TCP_NODELAY) only for a socket that says that it is TCP; otherwise
    # each fill takes 40 ms more.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # POSIX: take a port whose last connections are still in TIME_WAIT. Windows: share it with no program.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listener.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)
        listener.bind((auth.LOOPBACK, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise PortError(
            f"port {port} cannot be used ({error.strerror}); set another one, or 0 for any that is free"
        ) from error
    return listener


def listen_again(port: int, last: int) -> socket.socket:
    """`listen`, and where any free port will do, at the last one: a page that is open finds the server there.

    Raises:
        PortError: when another program has the port.
    """
    if port == 0 and last:
        try:
            return listen(last)
        except PortError:
            pass
    return listen(port)


class App:
    """Serves a scheduler to clients. An asynchronous context manager: listens inside, is gone after."""

    def __init__(
        self,
        *,
        listener: socket.socket,
        token: str,
        settings: Settings,
        scheduler: Scheduler,
        catalogue: Catalogue,
        stop: Callable[[str], None],
        shared: SharedServer | None = None,
    ) -> None:
        """Prepare to serve.

        Args:
            listener: for this user's own programs.
            token: that they prove.
            settings: of the server.
            scheduler: takes the fills.
            catalogue: the installed models.
            stop: called with the reason when a client asks for the server's end.
            shared: the listener for other machines' users.
        """
        self.port: int = listener.getsockname()[1]
        self._listener = listener
        self._settings = settings
        self._scheduler = scheduler
        self._catalogue = catalogue
        self._began = time.monotonic()
        self._clients: set[ClientConnection] = set()
        self._server: Server | None = None
        self._uncollected = 0
        sessions = Sessions()
        self._desk = Desk(sessions)
        self._guard = HandshakeGuard(
            port=self.port,
            token=token,
            pages={"/health": self._health, **({"/metrics": self._metrics} if settings.metrics else {})},
            site=Site(port=self.port, sessions=sessions, version=__version__),
            sessions=sessions,
            max_connections=settings.connections,
        )
        self._shared = shared
        self._shared_guard = None if shared is None else shared.make_guard({"/health": self._health})
        self._context = ServerContext(
            settings=settings,
            limits=replace(
                Limits(),
                max_frame_bytes=settings.message_mib * MIB,
                max_jobs=settings.queue_per_client,
            ),
            scheduler=scheduler,
            catalogue=catalogue,
            status=self.status,
            stop=stop,
            shared=shared,
        )

    @property
    def connections(self) -> int:
        """Clients that are connected."""
        return self._guard.connections + (self._shared_guard.connections if self._shared_guard else 0)

    @property
    def total_connections(self) -> int:
        """Clients that have connected since the start."""
        shared = self._shared_guard.total_connections if self._shared_guard else 0
        return self._guard.total_connections + shared

    async def __aenter__(self) -> App:
        settings = self._settings
        self._server = await serve(
            self._handle,
            sock=self._listener,
            process_request=self._guard.authorize,
            process_response=self._guard.complete,
            create_connection=self._guard.connection_type(),
            subprotocols=[Subprotocol(SUBPROTOCOL), Subprotocol(DESK_SUBPROTOCOL)],
            compression=None,
            server_header=None,
            max_size=self._context.limits.max_frame_bytes,
            # One message at most waits while another is handled: clients are bounded by what is queued.
            max_queue=1,
            open_timeout=settings.handshake_timeout,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            close_timeout=_CLOSE_SECONDS,
        )
        if self._shared is not None and self._shared_guard is not None:
            await self._shared.start(
                self._shared_guard, self._handle_user, self._revoke, close_timeout=_CLOSE_SECONDS
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell every client what became of its jobs, then that the server is going away."""
        assert self._server is not None
        await self._scheduler.stop()
        if self._clients:
            flushing = [asyncio.create_task(client.flushed()) for client in self._clients]
            await asyncio.wait(flushing, timeout=_CLOSE_SECONDS)
            await cancel_and_wait(*flushing)
        self._server.close()
        closing = asyncio.create_task(self._server.wait_closed(), name="close")
        await asyncio.wait({closing}, timeout=2 * _CLOSE_SECONDS)
        await cancel_and_wait(closing)
        if self._shared is not None:
            await self._shared.stop(2 * _CLOSE_SECONDS)

    def status(self) -> ServerStatus:
        """What a client that asks is told."""
        scheduler = self._scheduler
        default = self._catalogue.default()
        return ServerStatus(
            state=scheduler.state,
            server_version=__version__,
            pid=os.getpid(),
            uptime_seconds=time.monotonic() - self._began,
            connections=self.connections,
            queued=scheduler.queued,
            running=scheduler.running,
            done=scheduler.counters.done,
            failed=scheduler.counters.failed,
            stopped=scheduler.counters.stopped,
            workers=scheduler.workers(),
            devices=scheduler.devices(),
            models=self._catalogue.models(),
            default_model=default,
            problem="; ".join(scheduler.reasons)[:MAX_TEXT],
        )

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Connection)
        is_desk = connection.path == DESK_PATH
        if connection.subprotocol != (DESK_SUBPROTOCOL if is_desk else SUBPROTOCOL):
            await connection.close(_VIOLATION, "this subprotocol is not spoken here")
            return
        if is_desk:
            await self._desk.run(connection)
            return
        await self._serve(connection)

    async def _handle_user(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Connection)
        if connection.subprotocol != SUBPROTOCOL:
            await connection.close(_VIOLATION, "this subprotocol is not spoken here")
            return
        await self._serve(connection)

    def _revoke(self, names: set[str]) -> None:
        """End the connections of users whose proof is good no longer."""
        for client in self._clients:
            if client.user in names:
                client.dismiss()

    async def _serve(self, connection: Connection) -> None:
        client = ClientConnection(connection, self._context)
        self._clients.add(client)
        try:
            await client.run()
        finally:
            self._clients.discard(client)
            self._clear_up_after(client)

    def _clear_up_after(self, client: ClientConnection) -> None:
        """Free what closed connections have left behind, when it is worth it."""
        self._uncollected += client.received_bytes
        if self._uncollected >= _COLLECT_BYTES:
            self._uncollected = 0
            # Later, because the last one is still being closed.
            asyncio.get_running_loop().call_later(2 * _CLOSE_SECONDS, free_memory)

    async def _health(self) -> Page:
        state = self._scheduler.state
        # An idle server is ready: the next fill loads the model again.
        state = "ready" if state == "idle" else state
        body = json.dumps({"state": state, "version": __version__})
        status = 503 if state in ("degraded", "stopping") else 200
        return Page(body=f"{body}\n".encode(), content_type="application/json", status=status)

    async def _metrics(self) -> Page:
        scheduler = self._scheduler
        gauges = Gauges(
            connections=self.connections,
            queued=scheduler.queued,
            queued_bytes=scheduler.queued_bytes,
            running=scheduler.running,
            degraded=scheduler.state == "degraded",
        )
        # In a thread, because the first time takes an import.
        text = await asyncio.to_thread(metrics_page, scheduler.counters, gauges)
        return Page(body=text.encode(), content_type=CONTENT_TYPE)
