"""The checks before a connection becomes a websocket: its origin, its token, how many there are.

`Guard` counts and bounds connections; `HandshakeGuard` checks those of this user's own programs, and
`lama_server.shared_handshake` those of the users of a shared server.
"""

from __future__ import annotations

import asyncio
import http
import logging
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lama_core.client.protocol import auth
from lama_core.client.protocol.messages import DESK_PATH
from lama_core.client.text import one_line
from lama_server.web.page import Page
from lama_server.web.sessions import Sessions
from lama_server.web.site import Site

log = logging.getLogger(__name__)

MAX_SLOW_HANDSHAKES = 64
"""Connections in their handshake beyond which a slow one is dropped for each new one, so that no number of
connections that send nothing keeps out one that does."""
SLOW_HANDSHAKE_SECONDS = 1.0
"""An honest handshake takes milliseconds, also when a hundred come at once."""
MAX_HANDSHAKES = 512
"""With that many the oldest is dropped, slow or not."""


PageMaker = Callable[[], Awaitable[Page]]


class Connection(ServerConnection):
    """A websocket with what its guard knows of it; made by `Guard.connection_type`.

    Attributes:
        proof: the server's proof for the answer that opens the websocket.
        path: what was asked for.
        session: the key of a page's session; "" for every other client.
        user: the name of a shared server's user; "" for the programs of this user.
        address: where a user is connected from.
        is_open: whether the handshake is over.
        is_lost: whether the connection has ended.
    """

    guard: Guard
    proof = ""
    path = "/"
    session = ""
    user = ""
    address = ""
    is_open = False
    is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.guard.began(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.guard.ended(self)

    def abort(self) -> None:
        """Drop the connection at once, without a word."""
        self.transport.abort()


class Guard:
    """Counts connections, and bounds those that are in their handshake.

    Attributes:
        connections: websockets that are open now.
        total_connections: websockets that have been opened since the start.
    """

    def __init__(self, max_connections: int) -> None:
        """`max_connections`: websockets open at once."""
        self._max_connections = max_connections
        self._handshakes: dict[Connection, float] = {}  # when each began, the oldest first
        self.connections = 0
        self.total_connections = 0

    async def authorize(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request, or None to let it become a websocket (websockets' process_request)."""
        raise NotImplementedError

    def connection_type(self) -> type[Connection]:
        """The connection class to give to websockets."""
        this_guard = self

        class GuardedConnection(Connection):
            guard = this_guard

        return GuardedConnection

    def began(self, connection: Connection) -> None:
        """Note that a connection was made; it has sent nothing yet."""
        now = time.monotonic()
        if len(self._handshakes) >= MAX_SLOW_HANDSHAKES:
            oldest, begun = next(iter(self._handshakes.items()))
            if now - begun > SLOW_HANDSHAKE_SECONDS or len(self._handshakes) >= MAX_HANDSHAKES:
                del self._handshakes[oldest]
                oldest.abort()
        self._handshakes[connection] = now

    def ended(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        connection.is_lost = True
        self._handshakes.pop(connection, None)
        if connection.is_open:
            self.connections -= 1

    def _is_full(self) -> bool:
        """Whether there is room for no more websockets."""
        return self.connections >= self._max_connections

    def complete(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Give the server's own proof with the answer that opens the websocket (process_response)."""
        assert isinstance(connection, Connection)
        self._handshakes.pop(connection, None)
        if connection.is_lost:
            return
        if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            if connection.proof:  # a page has had it with its ticket
                response.headers[auth.SERVER_PROOF] = connection.proof
            connection.is_open = True
            self.connections += 1
            self.total_connections += 1

    def _refuse(self, connection: Connection, verdict: auth.Verdict) -> Response:
        log.info("refused a request: %d, %s", verdict.status, one_line(verdict.reason))
        response = connection.respond(http.HTTPStatus(verdict.status), f"{verdict.reason}\n")
        if verdict.status == http.HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "LamaFill"
        return response


class HandshakeGuard(Guard):
    """Checks requests by Host, Origin and token, limits their number, and serves the plain pages."""

    def __init__(
        self,
        *,
        port: int,
        token: str,
        pages: dict[str, PageMaker],
        site: Site,
        sessions: Sessions,
        max_connections: int,
    ) -> None:
        """Guard the port of one server.

        Args:
            port: of the server.
            token: that clients prove to know.
            pages: by path; they need no token.
            site: what browsers get.
            sessions: of pages.
            max_connections: websockets open at once.
        """
        super().__init__(max_connections)
        self._site = site
        self._sessions = sessions
        self._port = port
        self._token = token
        self._pages = pages
        self._nonces = auth.Nonces()

    async def authorize(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request, or None to let it become a websocket (websockets' process_request)."""
        assert isinstance(connection, Connection)
        path = request.path.partition("?")[0]
        upgrade = "Upgrade" in request.headers
        ticket = auth.ticket_of(request.headers.get_all("Sec-WebSocket-Protocol")) if upgrade else None
        is_pages_own = ticket is not None or (not upgrade and self._site.answers(path))
        refused = self._check_place(request, pages_own=is_pages_own)
        if refused is not None:
            return self._refuse(connection, refused)
        # Older versions of websockets know no other method and refuse it themselves.
        if getattr(request, "method", "GET") != "GET":
            return connection.respond(http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET\n")
        if path in self._pages:
            return answer_page(connection, await self._pages[path]())
        if not upgrade and self._site.answers(path):
            page = self._site.answer(path, request.headers.get_all("Authorization"))
            return not_found(connection) if page is None else answer_page(connection, page)
        if path not in ("/", DESK_PATH):
            return not_found(connection)
        verdict = self._check_client(request) if ticket is None else self._check_ticket(connection, ticket)
        if not verdict.admitted:
            return self._refuse(connection, verdict)
        if self._is_full():
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no room; try again\n")
        connection.proof = verdict.proof
        connection.path = path
        return None

    def _check_place(self, request: Request, *, pages_own: bool) -> auth.Verdict | None:
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if not pages_own:
            return auth.check_place(hosts=hosts, origins=origins, port=self._port)
        headers = request.headers
        return auth.check_page_place(
            hosts=hosts,
            origins=origins,
            sites=headers.get_all("Sec-Fetch-Site"),
            port=self._port,
            navigation=(*headers.get_all("Sec-Fetch-Mode"), *headers.get_all("Sec-Fetch-Dest")),
        )

    def _check_client(self, request: Request) -> auth.Verdict:
        headers = request.headers
        return auth.check_upgrade(
            hosts=headers.get_all("Host"),
            origins=headers.get_all("Origin"),
            authorizations=headers.get_all("Authorization"),
            port=self._port,
            token=self._token,
            nonces=self._nonces,
        )

    def _check_ticket(self, connection: Connection, ticket: str) -> auth.Verdict:
        session = self._sessions.redeem(ticket)
        if session is None:
            return auth.Verdict(status=401, reason="the ticket is not good, or no longer")
        connection.session = session
        return auth.Verdict(status=101, reason="admitted")


def not_found(connection: ServerConnection) -> Response:
    """The answer to a request for what is not there."""
    return connection.respond(http.HTTPStatus.NOT_FOUND, "nothing here\n")


def answer_page(connection: ServerConnection, page: Page) -> Response:
    """The answer that is a page."""
    response = connection.respond(http.HTTPStatus(page.status), "")
    response.body = page.body
    for name in ("Content-Type", "Content-Length"):
        del response.headers[name]
    response.headers["Content-Type"] = page.content_type
    response.headers["Content-Length"] = str(len(page.body))
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    for name, value in page.headers.items():
        response.headers[name] = value
    return response
