"""One authenticated connection to a server, over websockets' blocking client."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Final

from websockets import exceptions as ws
from websockets.sync.client import ClientConnection
from websockets.sync.client import connect as ws_connect
from websockets.typing import Subprotocol

from lama_core.client.connection.errors import (
    BusyError,
    ClientError,
    ConnectionLostError,
    NotTrustedError,
    ServerNotFoundError,
    ServerSilentError,
    VersionError,
)
from lama_core.client.connection.link import Link
from lama_core.client.connection.runtime import RuntimeFile
from lama_core.client.protocol import auth
from lama_core.client.protocol.errors import ProtocolError
from lama_core.client.protocol.limits import MAX_SERVER_FRAME_BYTES
from lama_core.client.protocol.messages import (
    SUBPROTOCOL,
    ClientMessage,
    Error,
    Hello,
    ServerMessage,
    Welcome,
)
from lama_core.client.protocol.packing import fragments
from lama_core.client.protocol.session import ClientSession

POLL_SECONDS: Final = 0.05
"""How often a caller is asked whether it still wants what it waits for."""
CLOSE_SECONDS: Final = 2.0

NOT_A_WEBSOCKET: Final = (ws.WebSocketException, OSError, EOFError, ValueError, AssertionError)
"""What connecting raises where something else answers. websockets asserts that nothing is received before
the request is sent: one that speaks first, as SSH and FTP do, can be faster."""

_LOST: Final = "the connection to the LaMa Fill server was lost: try again"
_FOREIGN: Final = (
    "port {port} is held by something else than your LaMa Fill server: start it with `lama-fill serve`"
)


class Sending:
    """A message on its way, in a thread."""

    def __init__(self, send: Callable[[], None]) -> None:
        """Begin. `send`: sends all of it."""
        self._send = send
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="lama-fill send", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._send()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self._failure = error

    def has_ended(self, seconds: float = 0.0) -> bool:
        """Whether it was sent, or failed, within that time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def wait(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    def check(self) -> None:
        """Raise why it failed, if it did.

        Raises `ConnectionLostError`; `ProtocolError` when the server would refuse the message, which was
        then not sent.
        """
        if isinstance(self._failure, (ws.WebSocketException, OSError)):
            raise ConnectionLostError(_LOST) from self._failure
        if self._failure is not None:
            raise self._failure


class Connection:
    """A connection that both sides have proved themselves on and that `welcome` came over."""

    def __init__(self, stack: ExitStack, websocket: ClientConnection, *, fragment: int = 0) -> None:
        """Take an open websocket.

        Args:
            stack: closes it.
            websocket: on which nothing was said yet.
            fragment: bytes after which what is sent is cut, between machines; 0: never.
        """
        self._stack = stack
        self._websocket = websocket
        self._fragment = fragment
        self.session = ClientSession()
        self.link = Link()

    @property
    def welcome(self) -> Welcome:
        assert self.session.welcome is not None
        return self.session.welcome

    @property
    def is_remote(self) -> bool:
        """Whether the server is on another machine, as far as that is known."""
        return self._fragment > 0

    def send(self, message: ClientMessage, waiting: Callable[[], None]) -> None:
        """Send a message, calling `waiting` again and again meanwhile; what that raises ends the connection.

        Raises `ConnectionLostError`; `ProtocolError` when the server would refuse the message, which is
        then not sent.
        """
        # A server that does not read blocks this for ever, so it cannot be done in the thread that waits.
        sending = self.start_sending(message)
        try:
            while not sending.has_ended(POLL_SECONDS):
                waiting()
        except BaseException:
            self.drop()
            raise
        sending.check()

    def start_sending(self, message: ClientMessage) -> Sending:
        """Begin to send a message, in a thread of its own; one message at a time."""

        def send() -> None:
            # Here too, because encoding pixels for a slow way takes a while.
            frame = self.session.send(message)
            self.link.encoded(message, len(frame))
            cut = self._fragment and len(frame) > self._fragment
            self._websocket.send(fragments(frame, self._fragment) if cut else frame)

        return Sending(send)

    def receive(self, seconds: float) -> ServerMessage | None:
        """The next message, or None when none came in time.

        Raises `ConnectionLostError` for the end of the connection, also when it ends because the server
        broke the protocol.
        """
        try:
            frame = self._websocket.recv(timeout=seconds)
        except TimeoutError:
            return None
        except (ws.WebSocketException, OSError, EOFError) as error:
            raise ConnectionLostError(_LOST) from error
        try:
            if isinstance(frame, str):
                raise ProtocolError("bad_message", "a text frame")
            message = self.session.receive(frame)
        except ProtocolError as error:
            self.drop()
            raise ConnectionLostError(
                f"the LaMa Fill server broke the protocol ({error}): update it"
            ) from error
        if isinstance(message, Error) and message.job is None:
            self.drop()
            if message.code == "unsupported_version":
                raise VersionError(message.message)
            raise ConnectionLostError(
                f"the LaMa Fill server ended the connection ({message.message}): try again"
            )
        return message

    def is_alive(self) -> bool:
        """Whether the connection still stood a moment ago."""
        try:
            while self.receive(0) is not None:
                pass
        except ClientError:
            return False
        return True

    def close(self) -> None:
        """End the connection in order."""
        self._stack.close()

    def drop(self) -> None:
        """End the connection at once, whatever is on its way."""
        with suppress(OSError):  # it may be gone already
            self._websocket.socket.shutdown(socket.SHUT_RDWR)
        self._stack.close()


def open_connection(server: RuntimeFile, hello: Hello, *, seconds: float) -> Connection:
    """Connect to the server of a runtime file. Each side proves that it knows the token before more is said.

    Takes at most about `seconds`. Raises `ServerNotFoundError` when nothing listens there,
    `ServerSilentError`, `NotTrustedError`, `VersionError`, `BusyError` or `ConnectionLostError`.
    """
    deadline = time.monotonic() + seconds
    stack = ExitStack()
    websocket = open_websocket(server, stack, seconds)
    connection = Connection(stack, websocket)
    greet(connection, hello, deadline, lambda: _silent(server))
    return connection


def greet(connection: Connection, hello: Hello, deadline: float, silent: Callable[[], ClientError]) -> None:
    """Say hello, and wait for the welcome.

    Args:
        connection: on which nothing was said yet; dropped where this raises.
        hello: who this is.
        deadline: on the monotonic clock.
        silent: makes what is raised then.
    """

    def check() -> None:
        if time.monotonic() > deadline:
            raise silent()

    try:
        connection.send(hello, check)
        while connection.receive(POLL_SECONDS) is None:
            check()
    except BaseException:
        connection.drop()
        raise


def _silent(server: RuntimeFile) -> ServerSilentError:
    return ServerSilentError(
        f"the LaMa Fill server (process {server.pid}) does not answer: run `lama-fill stop` and try again"
    )


def open_websocket(
    server: RuntimeFile,
    stack: ExitStack,
    seconds: float,
    *,
    path: str = "/",
    subprotocol: str = SUBPROTOCOL,
) -> ClientConnection:
    """A websocket to the server, on which both sides have proved the token; `stack` closes it.

    Raises as `open_connection` does.
    """
    nonce = auth.new_nonce()
    foreign = _FOREIGN.format(port=server.port)
    try:
        # A socket of our own: websockets then uses no proxy of the environment and follows no redirect.
        plain = socket.create_connection((auth.LOOPBACK, server.port), timeout=seconds)
    except OSError:
        raise ServerNotFoundError(
            "the LaMa Fill server is not running: start it with `lama-fill serve`"
        ) from None
    plain.settimeout(None)
    try:
        websocket = stack.enter_context(
            ws_connect(
                f"ws://{auth.host(server.port)}{path}",
                sock=plain,
                subprotocols=[Subprotocol(subprotocol)],
                compression=None,
                additional_headers={auth.AUTHORIZATION: auth.authorization(server.token, nonce)},
                user_agent_header=None,
                open_timeout=seconds,
                close_timeout=CLOSE_SECONDS,
                max_size=MAX_SERVER_FRAME_BYTES,
            )
        )
    except ws.InvalidStatus as error:
        plain.close()
        if error.response.status_code == 503:
            raise BusyError("the LaMa Fill server has too many connections: try again later") from None
        raise NotTrustedError(foreign) from error
    except TimeoutError:
        plain.close()
        raise _silent(server) from None
    except ConnectionError:
        plain.close()
        raise ConnectionLostError(_LOST) from None
    except NOT_A_WEBSOCKET as error:
        plain.close()
        raise NotTrustedError(foreign) from error
    response = websocket.response
    proofs = response.headers.get_all(auth.SERVER_PROOF) if response is not None else []
    proved = len(proofs) == 1 and auth.is_server_proof(proofs[0], server.token, nonce)
    if not proved or websocket.subprotocol != subprotocol:
        plain.close()
        stack.close()
        raise NotTrustedError(foreign)
    return websocket
