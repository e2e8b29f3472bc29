"""The part of the server that other machines' users reach: its listener, its users, and their revocation."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.limits import MIB
from lama_core.client.protocol.messages import SUBPROTOCOL
from lama_core.client.text import one_line
from lama_server.handshake import PageMaker
from lama_server.logs import set_up_audit
from lama_server.settings import Settings
from lama_server.shared import audit
from lama_server.shared.tls import ServerTls
from lama_server.shared.users import USERS_FILE, UserBook, UserLimits
from lama_server.shared_handshake import SharedGuard
from lama_server.tasks import cancel_and_wait
from lama_server.user_jobs import UserJobs

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
"""How often the files of users and certificate are looked at."""


class ListenError(LamaFillError):
    """The address that was set cannot be listened on, or not in that way."""


def listen_at(address: str) -> socket.socket:
    """A listening socket.

    Args:
        address: HOST:PORT; an IPv6 address in brackets. `[::]` takes IPv4 too.

    Raises:
        ListenError: it cannot be listened on.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    listener: socket.socket | None = None
    try:
        kind, _, _, _, place = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(kind, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listener.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)
        if kind == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(place)
        listener.listen(512)
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ListenError(
            f"listen: {address} cannot be used ({reason}); set another address or port"
        ) from error
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only programs of this machine reach it."""
    address = ipaddress.ip_address(listener.getsockname()[0].partition("%")[0])
    return address.is_loopback


class SharedServer:
    """Listens for users.

    Attributes:
        address: where, for people.
        users: who they are.
        jobs: what they have in work.
        guard: counts their connections.
        max_frame_bytes: the largest message that is taken.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Read what is needed and take the address; nothing is answered yet.

        Args:
            settings: with `listen` set.
            folder: with the file of users; the audit's file is kept there too.

        Raises:
            LamaFillError: one line about what is to be mended.
        """
        self.users = UserBook(
            folder / USERS_FILE,
            UserLimits(
                running=settings.user_running,
                waiting=settings.user_waiting,
                memory_mib=settings.user_memory_mib,
            ),
        )
        self.jobs = UserJobs(self.users.limits)
        self.max_frame_bytes = min(settings.message_mib, settings.user_memory_mib) * MIB
        self._settings = settings
        self._tls = _tls(settings)
        self._listener = listen_at(settings.listen)
        if self._tls is None and not is_loopback(self._listener):
            self._listener.close()
            raise ListenError(
                f"listen: at {settings.listen} without TLS anybody on the way could read the pictures: set "
                "tls_cert and tls_key, or listen on 127.0.0.1 behind a proxy that has TLS"
            )
        host, port = self._listener.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        set_up_audit(
            audit.logger,
            folder / audit.AUDIT_NAME,
            size=settings.log_kib * 1024,
            kept=settings.audit_files,
        )
        self._server: Server | None = None
        self._watching: asyncio.Task[None] | None = None

    def make_guard(self, pages: dict[str, PageMaker]) -> SharedGuard:
        """What lets users in. `pages`: plain pages by their paths."""
        return SharedGuard(
            users=self.users,
            pages=pages,
            prefix=self._settings.path_prefix,
            behind_proxy=self._tls is None,
            max_connections=self._settings.connections,
            max_per_user=self._settings.user_connections,
        )

    async def start(
        self,
        guard: SharedGuard,
        handle: Callable[[ServerConnection], Awaitable[None]],
        revoke: Callable[[set[str]], None],
        *,
        close_timeout: float,
    ) -> None:
        """Answer users from now on.

        Args:
            guard: made by `make_guard`.
            handle: serves a connection.
            revoke: called with the names of users whose connections are to end.
            close_timeout: seconds that a client may take to answer a close.
        """
        settings = self._settings
        self._server = await serve(
            handle,
            sock=self._listener,
            ssl=None if self._tls is None else self._tls.context,
            process_request=guard.authorize,
            process_response=guard.complete,
            create_connection=guard.connection_type(),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            compression=None,
            server_header=None,
            max_size=self.max_frame_bytes,
            max_queue=1,
            open_timeout=settings.handshake_timeout,
            ping_interval=settings.ping_interval,
            ping_timeout=settings.ping_timeout,
            close_timeout=close_timeout,
            # One that does not begin TLS is dropped as one that says nothing.
            ssl_handshake_timeout=None if self._tls is None else settings.handshake_timeout,
        )
        self._watching = asyncio.create_task(self._watch(revoke), name="users")

    async def stop(self, seconds: float) -> None:
        """Close all connections, for at most that long."""
        if self._watching is not None:
            await cancel_and_wait(self._watching)
        if self._server is not None:
            self._server.close()
            closing = asyncio.create_task(self._server.wait_closed(), name="close users")
            await asyncio.wait({closing}, timeout=seconds)
            await cancel_and_wait(closing)

    async def _watch(self, revoke: Callable[[set[str]], None]) -> None:
        """Take changes of users and certificate while the server runs."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                revoked = self.users.refresh()
            except LamaFillError as error:
                log.error("the users stay as they were: %s", one_line(str(error)))
            else:
                if revoked is not None:
                    log.info("there are %d users now", len(self.users))
                if revoked:
                    log.info("no longer admitted as before: %s", ", ".join(sorted(revoked)))
                    revoke(revoked)
            if self._tls is not None:
                self._tls.refresh()


def _tls(settings: Settings) -> ServerTls | None:
    if not settings.tls_cert and not settings.tls_key:
        if settings.tls_client_ca:
            raise ListenError(
                "tls_client_ca needs tls_cert and tls_key: clients show certificates by TLS alone"
            )
        return None
    if not settings.tls_cert or not settings.tls_key:
        missing = "tls_key" if settings.tls_cert else "tls_cert"
        raise ListenError(f"{missing} is not set: TLS needs a certificate and its key")
    return ServerTls(certificate=settings.tls_cert, key=settings.tls_key, client_ca=settings.tls_client_ca)
