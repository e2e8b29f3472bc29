"""Who may talk to the server: pure functions over the headers of the upgrade request.

Both sides know the token of the runtime file, which only the user can read. A client proves that it
knows it, and so does the server, each by an HMAC-SHA256 over a nonce of the client; the token itself is
never sent. Pages of other origins are kept out because a browser cannot leave out `Origin`, and names that
resolve to the loopback address because `Host` has to be the address itself.

The server's own page proves a secret of its own in the same way: first the one-time token that
`lama-fill web` made, then the key of the session that follows from it. A browser cannot put a header into the
request for a websocket, so the page proves its key in a plain request, gets a ticket for one websocket, and
names that among its subprotocols.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

AUTHORIZATION: Final = "Authorization"
SERVER_PROOF: Final = "X-Lama-Fill-Proof"
LOOPBACK: Final = "127.0.0.1"

TICKET_PREFIX: Final = "lamafill.ticket."
"""Begins the subprotocol that carries a page's ticket."""
SITES: Final = ("same-origin", "none")
"""The values of `Sec-Fetch-Site` that requests for the page may have: from the page, and from the user."""
NAVIGATION: Final = ("navigate", "document")
"""`Sec-Fetch-Mode` and `Sec-Fetch-Dest` of a link that is followed in a tab: it may come from anywhere."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,128}", re.ASCII)
_AUTHORIZATION: Final = re.compile(
    r'LamaFill nonce="([A-Za-z0-9_-]{16,64})", proof="([0-9a-f]{64})"', re.ASCII
)


def new_token() -> str:
    """A fresh token for a runtime file: 43 characters, 256 random bits."""
    return secrets.token_urlsafe(32)


def new_nonce() -> str:
    """A fresh nonce for one connection: 32 characters, 192 random bits."""
    return secrets.token_urlsafe(24)


def is_token(text: str) -> bool:
    """Whether this can be a token: 32 to 128 characters of base64url."""
    return _TOKEN.fullmatch(text) is not None


def _proof(token: str, text: str) -> str:
    return hmac.new(token.encode("ascii"), text.encode("ascii"), "sha256").hexdigest()


def client_proof(token: str, nonce: str) -> str:
    """What the client sends: 64 lowercase hexadecimal digits."""
    return _proof(token, "client:" + nonce)


def server_proof(token: str, nonce: str) -> str:
    """What the server answers: 64 lowercase hexadecimal digits."""
    return _proof(token, "server:" + nonce)


def authorization(token: str, nonce: str) -> str:
    """The client's `Authorization` header."""
    return f'LamaFill nonce="{nonce}", proof="{client_proof(token, nonce)}"'


def parse_authorization(value: str) -> tuple[str, str] | None:
    """Nonce and proof of an `Authorization` header, or None when it is anything but exactly that."""
    match = _AUTHORIZATION.fullmatch(value)
    return None if match is None else (match[1], match[2])


def is_server_proof(value: str, token: str, nonce: str) -> bool:
    """Whether a server's `X-Lama-Fill-Proof` is right; takes the same time for any value."""
    return hmac.compare_digest(value.encode("utf-8", "replace"), server_proof(token, nonce).encode("ascii"))


def session_key(page_token: str) -> str:
    """What a page proves after its one-time token: 64 lowercase hexadecimal digits, which are a token too."""
    return _proof(page_token, "session")


def origin(port: int) -> str:
    """The `Origin` header of the server's own page."""
    return f"http://{host(port)}"


def ticket_of(subprotocols: Sequence[str]) -> str | None:
    """The ticket among the values of `Sec-WebSocket-Protocol`, or None when there is not exactly one."""
    offered = [name.strip() for value in subprotocols for name in value.split(",")]
    tickets = [name[len(TICKET_PREFIX) :] for name in offered if name.startswith(TICKET_PREFIX)]
    return tickets[0] if len(tickets) == 1 and is_token(tickets[0]) else None


def host(port: int) -> str:
    """The only `Host` header that the server of this port accepts."""
    return f"{LOOPBACK}:{port}"


class Nonces:
    """The nonces that were used, so that each is good once.

    Only a nonce with a right proof gets here, so nobody without the token can fill this up. The oldest are
    forgotten beyond `size`; the token, and with it every nonce, is void after a restart anyway.
    """

    def __init__(self, size: int = 1 << 16) -> None:
        self._size = size
        self._used: OrderedDict[str, None] = OrderedDict()

    def use(self, nonce: str) -> bool:
        """Mark as used; False when it was used before."""
        if nonce in self._used:
            return False
        self._used[nonce] = None
        if len(self._used) > self._size:
            self._used.popitem(last=False)
        return True


@dataclass(frozen=True)
class Verdict:
    """The answer to an upgrade request or to a plain one.

    `status`: 101 go on, 401 or 403. `reason`: for the log and the answer's body; says nothing of the token.
    `proof`: the `X-Lama-Fill-Proof` header of the 101 answer, "" otherwise.
    """

    status: int
    reason: str
    proof: str = ""

    @property
    def admitted(self) -> bool:
        return self.status == 101


def check_place(*, hosts: Sequence[str], origins: Sequence[str], port: int) -> Verdict | None:
    """Refuse what comes from a browser or by another name; None when there is nothing to refuse.

    Takes every value of the `Host` and of the `Origin` headers. For /health and /metrics this is the
    only check.
    """
    if origins:
        return Verdict(status=403, reason="requests with an Origin header are refused")
    return _check_host(hosts, port)


def check_page_place(
    *,
    hosts: Sequence[str],
    origins: Sequence[str],
    sites: Sequence[str],
    port: int,
    navigation: tuple[str, ...] = (),
) -> Verdict | None:
    """The same for what the server's own page asks for: its own origin is let in, and no other.

    Takes every value of the `Sec-Fetch-Site` header too, by which browsers say who wants something that needs
    no Origin: a picture, a script, a frame. `navigation`: what they say of how it is wanted.
    """
    if origins and list(origins) != [origin(port)]:
        return Verdict(status=403, reason="the Origin header is not this server's own")
    if sites and (len(sites) > 1 or sites[0] not in SITES) and navigation != NAVIGATION:
        return Verdict(status=403, reason="a page of another origin asks")
    return _check_host(hosts, port)


def _check_host(hosts: Sequence[str], port: int) -> Verdict | None:
    if list(hosts) != [host(port)]:
        return Verdict(status=403, reason="the Host header is not this server's address")
    return None


def check_upgrade(
    *,
    hosts: Sequence[str],
    origins: Sequence[str],
    authorizations: Sequence[str],
    port: int,
    token: str,
    nonces: Nonces,
) -> Verdict:
    """Judge an upgrade request by every value of its `Host`, `Origin` and `Authorization` headers."""
    refused = check_place(hosts=hosts, origins=origins, port=port)
    if refused is not None:
        return refused
    return check_proof(authorizations=authorizations, token=token, nonces=nonces)


def check_proof(*, authorizations: Sequence[str], token: str, nonces: Nonces) -> Verdict:
    """Judge the proof of a token by every value of the `Authorization` header."""
    parsed = parse_authorization(authorizations[0]) if len(authorizations) == 1 else None
    if parsed is None:
        return Verdict(status=401, reason="the Authorization header is missing or malformed")
    nonce, proof = parsed
    if not hmac.compare_digest(proof, client_proof(token, nonce)):
        return Verdict(status=401, reason="the proof is wrong")
    if not nonces.use(nonce):
        return Verdict(status=401, reason="the nonce was used before")
    return Verdict(status=101, reason="admitted", proof=server_proof(token, nonce))
