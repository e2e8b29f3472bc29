"""The checks before a connection from elsewhere becomes a websocket: whose it is, and how many they are."""

from __future__ import annotations

import http
import logging
from collections import defaultdict
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from lama_core.client.protocol import auth, user_proof
from lama_core.client.protocol.user_proof import Verifier
from lama_core.client.text import one_line
from lama_server.handshake import Connection, Guard, PageMaker, answer_page, not_found
from lama_server.shared.challenges import Challenges
from lama_server.shared.tls import common_name
from lama_server.shared.users import UserBook

log = logging.getLogger(__name__)

_MAX_ADDRESS: Final = 64
"""Characters of a client's address that are kept of what a proxy says."""

_NOBODY: Final = user_proof.verifier("a token that nobody has", "nobody")
"""Stands for the verifier of a user that does not exist, so that both take the same time."""


class SharedGuard(Guard):
    """Lets in who proves the token of a user, or shows a client certificate of one."""

    def __init__(
        self,
        *,
        users: UserBook,
        pages: dict[str, PageMaker],
        prefix: str,
        behind_proxy: bool,
        max_connections: int,
        max_per_user: int,
    ) -> None:
        """Guard one listener.

        Args:
            users: who may come in.
            pages: by path; they need no token.
            prefix: of all paths, as a proxy may pass it on; "" or "/" and a word. Paths without it do too.
            behind_proxy: whether a proxy on this machine says where a client is.
            max_connections: websockets open at once.
            max_per_user: those of one user.
        """
        super().__init__(max_connections)
        self._users = users
        self._pages = pages
        self._prefix = prefix
        self._behind_proxy = behind_proxy
        self._max_per_user = max_per_user
        self._challenges = Challenges()
        self._of_user: defaultdict[str, set[Connection]] = defaultdict(set)

    def ended(self, connection: Connection) -> None:
        """Note that a connection has ended."""
        super().ended(connection)
        if connection.user:
            self._of_user[connection.user].discard(connection)
            if not self._of_user[connection.user]:
                del self._of_user[connection.user]

    async def authorize(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request, or None to let it become a websocket (websockets' process_request)."""
        assert isinstance(connection, Connection)
        headers = request.headers
        # No page has anything to look for here: a browser would name its origin.
        if headers.get_all("Origin"):
            return self._refuse(
                connection, auth.Verdict(status=403, reason="requests with an Origin header are refused")
            )
        if getattr(request, "method", "GET") != "GET":
            return connection.respond(http.HTTPStatus.METHOD_NOT_ALLOWED, "only GET\n")
        path = self._path(request.path.partition("?")[0])
        if path in self._pages:
            return answer_page(connection, await self._pages[path]())
        if path != "/":
            return not_found(connection)
        connection.address = self._address(connection, request)
        refused = self._identify(connection, headers.get_all("Authorization"))
        if refused:
            return self._ask_for_proof(connection, refused)
        if self._is_full() or len(self._of_user[connection.user]) >= self._max_per_user:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no room; try again\n")
        self._of_user[connection.user].add(connection)
        return None

    def _path(self, path: str) -> str:
        """The path without the prefix; some proxies take it off and some pass it on."""
        if self._prefix and (path == self._prefix or path.startswith(self._prefix + "/")):
            path = path[len(self._prefix) :]
        return path or "/"

    def _address(self, connection: Connection, request: Request) -> str:
        if self._behind_proxy:
            # The last one is the proxy's own word; those before it are whatever the client said.
            forwarded = request.headers.get_all("X-Forwarded-For")
            last = forwarded[-1].rpartition(",")[2].strip() if forwarded else ""
            if last:
                return one_line(last, _MAX_ADDRESS)
        peer = connection.remote_address
        return str(peer[0]) if isinstance(peer, tuple) and peer else ""

    def _identify(self, connection: Connection, authorizations: list[str]) -> str:
        """Note who it is; or say why nobody."""
        if not authorizations:
            name = common_name(connection.transport.get_extra_info("peercert"))
            user = self._users.find(name) if name else None
            if user is None or not user.certificate:
                return (
                    "no proof" if not name else f"the certificate of {one_line(name)} is not that of a user"
                )
            connection.user = user.name
            return ""
        proof = user_proof.parse_authorization(authorizations[0]) if len(authorizations) == 1 else None
        if proof is None:
            return "the Authorization header is malformed"
        if not self._challenges.is_fresh(proof.challenge):
            return "the challenge is not this server's, or too old"
        user = self._users.find(proof.user)
        known: Verifier = _NOBODY if user is None or user.verifier is None else user.verifier
        if not user_proof.is_right(proof, known) or known is _NOBODY:
            return f"the proof of {proof.user} is wrong"
        if not self._challenges.use(proof.challenge):
            return "the challenge was used before"
        connection.user = proof.user
        connection.proof = user_proof.server_proof(known, proof.nonce)
        return ""

    def _ask_for_proof(self, connection: Connection, reason: str) -> Response:
        """A 401 with a fresh challenge; for a client that has not tried yet this is the way in."""
        if reason != "no proof":
            log.warning("refused a request from %s: %s", connection.address, one_line(reason))
        response = connection.respond(http.HTTPStatus.UNAUTHORIZED, "prove the token of a user\n")
        response.headers[user_proof.CHALLENGE] = user_proof.challenge_header(self._challenges.new())
        return response
