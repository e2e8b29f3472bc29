"""A connection to a shared server: TLS, the server's challenge, and the proof of a user's token."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, suppress
from typing import Any, Final

from websockets import exceptions as ws
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect
from websockets.typing import Subprotocol

from lama_core.client.connection.accounts import Account
from lama_core.client.connection.channel import CLOSE_SECONDS, NOT_A_WEBSOCKET, Connection, greet
from lama_core.client.connection.errors import (
    ClientError,
    NotTrustedError,
    ServerUnreachableError,
    SharedServerBusyError,
    TokenRefusedError,
    VersionError,
)
from lama_core.client.protocol import auth, user_proof
from lama_core.client.protocol.limits import FRAGMENT, MAX_SERVER_FRAME_BYTES
from lama_core.client.protocol.messages import SUBPROTOCOL, Hello

CONNECT_SECONDS: Final = 15.0
"""For name, connection, TLS, challenge and proof together."""
_UNAUTHORIZED, _UNAVAILABLE, _BAD_REQUEST, _UPGRADE_REQUIRED = 401, 503, 400, 426

_TIMEOUTS: Final = (TimeoutError, socket.timeout)
"""Before Python 3.10 these are two."""


def open_shared_connection(account: Account, hello: Hello, *, seconds: float = CONNECT_SECONDS) -> Connection:
    """Connect to a shared server. Each side proves itself before more is said.

    Raises `SharedServerError`s, `VersionError` or `ConnectionLostError`.
    """
    deadline = time.monotonic() + seconds
    stack = ExitStack()
    websocket = _open(account, stack, deadline)
    connection = Connection(stack, websocket, fragment=FRAGMENT)
    greet(connection, hello, deadline, lambda: _unreachable(account, "it does not answer"))
    return connection


def _open(account: Account, stack: ExitStack, deadline: float) -> ClientConnection:
    """The websocket: with a client certificate at once, else after a 401 that brings the challenge."""
    challenge = ""
    while True:
        nonce = auth.new_nonce()
        headers = {}
        if challenge:
            headers[auth.AUTHORIZATION] = user_proof.authorization(
                account.token, account.user, nonce, challenge
            )
        try:
            websocket = _dial(account, stack, deadline, headers)
        except ws.InvalidStatus as error:
            status = error.response.status_code
            if status == _UNAUTHORIZED and not challenge and account.token:
                challenge = _challenge(error, account)
                continue
            raise _refusal(error, account) from None
        proofs = websocket.response.headers.get_all(auth.SERVER_PROOF) if websocket.response else []
        if challenge:
            proved = len(proofs) == 1 and user_proof.is_server_proof(
                proofs[0], account.token, account.user, nonce
            )
        else:
            # TLS has proved both sides; a server that lets in anybody is not one of ours.
            proved = bool(account.certificate) and account.address.secure
        problem: ClientError | None = None
        if not proved:
            problem = NotTrustedError(f"{account.address} does not know your account: nothing was sent to it")
        elif websocket.subprotocol != SUBPROTOCOL:
            problem = _other_version(account)
        if problem is not None:
            with suppress(OSError):
                websocket.socket.shutdown(socket.SHUT_RDWR)
            stack.close()
            raise problem
        return websocket


def _dial(account: Account, stack: ExitStack, deadline: float, headers: dict[str, str]) -> ClientConnection:
    address = account.address
    left = deadline - time.monotonic()
    if left <= 0:
        raise _unreachable(account, "it does not answer in time")
    try:
        # A socket of our own: websockets then uses no proxy of the environment and follows no redirect.
        plain = socket.create_connection((address.host, address.port), timeout=left)
    except socket.gaierror:
        raise _unreachable(account, f"there is no host {address.host}") from None
    except (OSError, UnicodeError) as error:
        reason = "it does not answer" if isinstance(error, _TIMEOUTS) else "nothing answers there"
        raise _unreachable(account, reason) from None
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secured: Any = plain
        if address.secure:
            # Here, because a plug-in that never leaves its machine need not have ssl.
            from lama_core.client.connection.certificates import secure

            secured = secure(plain, account)
        plain.settimeout(None)
        return stack.enter_context(
            ws_connect(
                f"ws://{address.place}{address.prefix}/",  # TLS is there already
                sock=secured,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                compression=None,
                additional_headers=headers,
                user_agent_header=None,
                open_timeout=max(0.1, deadline - time.monotonic()),
                close_timeout=CLOSE_SECONDS,
                max_size=MAX_SERVER_FRAME_BYTES,
            )
        )
    except (ws.InvalidStatus, ClientError):
        plain.close()
        raise
    except _TIMEOUTS:
        plain.close()
        raise _unreachable(account, "it does not answer in time") from None
    except NOT_A_WEBSOCKET as error:
        plain.close()
        raise _unreachable(account, "what answers there is not a LaMa Fill server") from error


def _challenge(error: ws.InvalidStatus, account: Account) -> str:
    values = error.response.headers.get_all(user_proof.CHALLENGE)
    challenges = [found for found in map(user_proof.parse_challenge, values) if found]
    if len(challenges) != 1:
        raise _unreachable(account, "what answers there is not a shared LaMa Fill server")
    return challenges[0]


def _refusal(error: ws.InvalidStatus, account: Account) -> ClientError:
    status, place = error.response.status_code, str(account.address)
    if status == _UNAUTHORIZED:
        what = "token" if account.token else "certificate"
        return TokenRefusedError(
            f"{place} does not take the {what}{' of ' + account.user if account.user else ''}: ask your "
            "administrator for a new address, and run `lama-fill login` with it",
            server=place,
        )
    if status == _UNAVAILABLE:
        return SharedServerBusyError(
            f"{place} takes no more connections of yours now: close other programs that use it, or try later",
            server=place,
        )
    if status in (_BAD_REQUEST, _UPGRADE_REQUIRED):
        return _other_version(account)
    return _unreachable(account, f"it answers with status {status}: is the path behind the port right?")


def _other_version(account: Account) -> VersionError:
    return VersionError(
        f"{account.address} speaks another version of the protocol than this program: update the older of "
        "the two"
    )


def _unreachable(account: Account, reason: str) -> ServerUnreachableError:
    place = str(account.address)
    return ServerUnreachableError(
        f"{place} cannot be reached ({reason}): check the address and the network, or ask your administrator",
        server=place,
        detail=reason,
    )
