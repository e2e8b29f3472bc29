"""Lets in who may come in: everything that is decided before a connection is a websocket."""

from __future__ import annotations

import asyncio
import http
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lama_core.client.protocol import auth
from lama_server.logs import one_line

log = logging.getLogger(__name__)

MAX_HANDSHAKES = 64
"""Connections in their handshake beyond which one that dawdles is dropped for each newcomer, so that no
number of connections that say nothing keeps out one that does."""
DAWDLING_SECONDS = 1.0
"""An honest handshake takes milliseconds, also when a hundred come at once."""
MOST_HANDSHAKES = 512
"""With that many the oldest is dropped, dawdling or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The answer to a plain request."""

    text: str
    content_type: str
    status: int = 200


PageMaker = Callable[[], Awaitable[Page]]


class Visitor(ServerConnection):
    """A connection of websockets' with what its door knows of it; made by `Door.visitor_type`."""

    door: Door
    proof = ""
    entered = False
    gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.door.arrive(self)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.door.leave(self)

    def abort(self) -> None:
        """Drop the connection at once, without a word."""
        self.transport.abort()


class Door:
    """Judges requests by place, token and room, and serves the plain pages.

    `open`: websockets that are open now; `visits`: that have been opened since the start.
    """

    def __init__(self, *, port: int, token: str, pages: dict[str, PageMaker], room: int) -> None:
        """`room`: websockets open at once. `pages`: by path; they need no token."""
        self._port = port
        self._token = token
        self._pages = pages
        self._room = room
        self._nonces = auth.Nonces()
        self._handshaking: dict[Visitor, float] = {}  # when each arrived, the oldest first
        self.open = 0
        self.visits = 0

    def visitor_type(self) -> type[Visitor]:
        """The connection class to give to websockets."""
        this_door = self

        class OwnVisitor(Visitor):
            door = this_door

        return OwnVisitor

    def arrive(self, visitor: Visitor) -> None:
        """A connection was made and has said nothing yet."""
        now = time.monotonic()
        if len(self._handshaking) >= MAX_HANDSHAKES:
            oldest, arrived = next(iter(self._handshaking.items()))
            if now - arrived > DAWDLING_SECONDS or len(self._handshaking) >= MOST_HANDSHAKES:
                del self._handshaking[oldest]
                oldest.abort()
        self._handshaking[visitor] = now

    def leave(self, visitor: Visitor) -> None:
        """A connection is gone."""
        visitor.gone = True
        self._handshaking.pop(visitor, None)
        if visitor.entered:
            self.open -= 1

    async def judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request, or None to let it become a websocket (websockets' process_request)."""
        assert isinstance(connection, Visitor)
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        refused = auth.check_place(hosts=hosts, origins=origins, port=self._port)
        if refused is not None:
            return self._refuse(connection, refused)
        # Older versions of websockets know no other method and refuse it themselves.
        if getattr(request, "method", "GET") != "GET":
            return connection.respond(http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET\n")
        path = request.path.partition("?")[0]
        if path in self._pages:
            return _answer(connection, await self._pages[path]())
        if path != "/":
            return connection.respond(http.HTTPStatus.NOT_FOUND, "nothing here\n")
        verdict = auth.check_upgrade(
            hosts=hosts,
            origins=origins,
            authorizations=request.headers.get_all("Authorization"),
            port=self._port,
            token=self._token,
            nonces=self._nonces,
        )
        if not verdict.admitted:
            return self._refuse(connection, verdict)
        if self.open >= self._room:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no room; try again\n")
        connection.proof = verdict.proof
        return None

    def greet(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """Give the server's own proof with the answer that opens the websocket (process_response)."""
        assert isinstance(connection, Visitor)
        self._handshaking.pop(connection, None)
        if connection.gone:
            return
        if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS:
            response.headers[auth.SERVER_PROOF] = connection.proof
            connection.entered = True
            self.open += 1
            self.visits += 1

    def _refuse(self, connection: Visitor, verdict: auth.Verdict) -> Response:
        log.info("refused a request: %d, %s", verdict.status, one_line(verdict.reason))
        response = connection.respond(http.HTTPStatus(verdict.status), f"{verdict.reason}\n")
        if verdict.status == http.HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "LamaFill"
        return response


def _answer(connection: ServerConnection, page: Page) -> Response:
    response = connection.respond(http.HTTPStatus(page.status), page.text)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = page.content_type
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
