"""Which pages may talk to the server: one-time tokens, the sessions that follow from them, and tickets.

All of it is in memory and ends with the server. A page proves what it knows, as every client does
(`lama_core.client.protocol.auth`); neither its token nor the key of its session is ever sent.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from lama_core.client.protocol import auth

MAX_TOKENS: Final = 32
MAX_SESSIONS: Final = 128
MAX_TICKETS: Final = 256
"""Beyond these numbers the oldest one is void."""
TICKET_SECONDS: Final = 30.0

_UNKNOWN: Final = auth.Verdict(status=401, reason="no such token or session")


Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Opens one websocket.

    Attributes:
        session: the key of the session that it was given to.
        until: on the monotonic clock.
    """

    session: str
    until: float


class Sessions:
    """The pages' tokens, sessions and tickets."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nonces = auth.Nonces()
        self._tokens: OrderedDict[str, None] = OrderedDict()
        self._sessions: OrderedDict[str, None] = OrderedDict()
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()

    def offer(self, token: str) -> None:
        """Let a page begin a session with this token, once."""
        _add(self._tokens, token, None, MAX_TOKENS)

    def withdraw(self, token: str) -> None:
        """Void a token, if it was not used."""
        self._tokens.pop(token, None)

    def resume(self, token: str) -> None:
        """Let the session go on that a page began with this token at an earlier server."""
        _add(self._sessions, auth.session_key(token), None, MAX_SESSIONS)

    def begin(self, authorizations: Sequence[str]) -> auth.Verdict:
        """Judge the proof of a one-time token. A right one is used up, and its session begins."""
        token, verdict = self._prover(authorizations, self._tokens)
        if verdict.admitted:
            del self._tokens[token]
            self.resume(token)
        return verdict

    def ticket(self, authorizations: Sequence[str]) -> tuple[auth.Verdict, str]:
        """Judge the proof of a session's key. When it is right there is a ticket."""
        session, verdict = self._prover(authorizations, self._sessions)
        if not verdict.admitted:
            return verdict, ""
        self._sessions.move_to_end(session)
        ticket = auth.new_token()
        known = Ticket(session=session, until=self._clock() + TICKET_SECONDS)
        _add(self._tickets, ticket, known, MAX_TICKETS)
        return verdict, ticket

    def redeem(self, ticket: str) -> str | None:
        """The session that a ticket was given to; None when it is no ticket, or no longer."""
        known = self._tickets.pop(ticket, None)
        return None if known is None or self._clock() > known.until else known.session

    def _prover(
        self, authorizations: Sequence[str], secrets: OrderedDict[str, None]
    ) -> tuple[str, auth.Verdict]:
        """Which of the secrets is proved."""
        for secret in secrets:
            verdict = auth.check_proof(authorizations=authorizations, token=secret, nonces=self._nonces)
            if verdict.admitted:
                return secret, verdict
        return "", _UNKNOWN


def _add(values: OrderedDict[str, Value], key: str, value: Value, limit: int) -> None:
    values[key] = value
    values.move_to_end(key)
    if len(values) > limit:
        values.popitem(last=False)
