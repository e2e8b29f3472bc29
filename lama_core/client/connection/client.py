"""The client that a plug-in uses: `connect`, then `fill` as often as it likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

from lama_core.client import places
from lama_core.client.connection.accounts import Account
from lama_core.client.connection.channel import POLL_SECONDS, Connection
from lama_core.client.connection.discovery import StartProgress, connect_or_start
from lama_core.client.connection.errors import (
    ConnectionLostError,
    ServerSilentError,
    ShutdownRefusedError,
)
from lama_core.client.connection.flight import EachProgress, Flight, OnEachPreview
from lama_core.client.connection.shared import open_shared_connection
from lama_core.client.connection.silence import SilenceLimit
from lama_core.client.protocol.messages import (
    Fill,
    Hello,
    Preview,
    Result,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
)

FillProgress = Callable[[str, float, int], None]
"""Told the stage ("queued", "loading", "filling", ...), the fraction 0..1, and how many jobs come first."""
OnPreview = Callable[[Preview], None]
"""Told of a first look at the fill."""


def connect(
    *,
    client: str,
    client_version: str = "",
    start: bool = True,
    command: Sequence[str] = (),
    folder: Path | None = None,
    start_seconds: float = 60.0,
    progress: StartProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    account: Account | None = None,
) -> Client:
    """Find the server, start it if it does not run, and connect.

    `client` and `client_version`: who asks, for the server's log. `start`: whether to start it.
    `command`: the command line of `lama-fill`, when it is not to be looked for. `folder`: where the
    server's runtime file is; by default where `places.state_folder` says. `start_seconds`: how long it
    may take to come up. `progress` and `cancelled`: see `StartProgress`; both are called
    some times a second while waiting. `account`: of a shared server, which is used instead; see
    `find_account`. It is never started from here.

    Raises `ClientError`s: see `lama_core.client.connection.errors`.
    """
    found = Client(
        hello=Hello(client=client, client_version=client_version),
        start=start,
        command=tuple(command),
        folder=folder or places.state_folder(),
        start_seconds=start_seconds,
        account=account,
    )
    found.reach(progress=progress, cancelled=cancelled)
    return found


class Client:
    """A server to talk to, from one thread at a time. Made by `connect`.

    The connection is made again, and the server started again, when it was lost since the last call.
    Nothing is tried twice once it was sent: a fill that loses its server raises `ConnectionLostError`,
    and calling `fill` again is the retry.
    """

    def __init__(
        self,
        *,
        hello: Hello,
        start: bool,
        command: Sequence[str],
        folder: Path,
        start_seconds: float,
        account: Account | None = None,
    ) -> None:
        self._hello = hello
        self._start = start
        self._command = command
        self._folder = folder
        self._start_seconds = start_seconds
        self._account = account
        self._connection: Connection | None = None
        self._welcome: Welcome | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection. The server goes on."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def welcome(self) -> Welcome:
        """What the server said of itself when it was last connected to: versions, limits, devices, models."""
        assert self._welcome is not None, "connect() comes first"
        return self._welcome

    def reach(
        self, *, progress: StartProgress | None = None, cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Connect if there is no living connection. Parameters and errors as of `connect`."""
        if self._connection is not None and self._connection.is_alive():
            return
        self.close()
        if self._account is not None:
            self._connection = open_shared_connection(self._account, self._hello)
        else:
            self._connection = connect_or_start(
                self._hello,
                folder=self._folder,
                start=self._start,
                command=self._command,
                seconds=self._start_seconds,
                progress=progress or (lambda stage: None),
                cancelled=cancelled or (lambda: False),
            )
        self._welcome = self._connection.welcome

    def fill(
        self,
        fill: Fill,
        *,
        on_progress: FillProgress | None = None,
        on_preview: OnPreview | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Result:
        """Fill a hole, and wait for it.

        Args:
            fill: what to fill, and how. Its `job` does not matter, because the connection numbers its fills
                itself, nor its `preview`, which is asked for where `on_preview` takes it.
            on_progress: called in this thread for everything that the server says about the job.
            on_preview: asks for a preview, and is called with it in this thread; not at all by a server that
                has none, because it is of an earlier version or the result is soon there.
            cancelled: called at least ten times a second. Once it returns true the job is stopped and
                `FillCancelledError` raised. Whatever one of the two raises stops the job too.

        Returns:
            The rectangle of new pixels, in the fill's format and depth.

        Raises:
            FillFailedError: the server cannot do it, or would not take it; with the protocol's error code.
            ConnectionLostError: the server went away, or said nothing for too long.
            ClientError: what `connect` raises, when the connection had to be made again.
        """
        (result,) = self.fill_each(
            [fill],
            on_progress=None if on_progress is None else lambda number, *told: on_progress(*told),
            on_preview=None if on_preview is None else lambda number, preview: on_preview(preview),
            cancelled=cancelled,
        )
        return result

    def fill_each(
        self,
        fills: Iterable[Fill],
        *,
        on_progress: EachProgress | None = None,
        on_preview: OnEachPreview | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Result]:
        """Fill several holes, each of them sent while the server still works on those before it.

        So the time on the way is hidden behind the work, and a server with several devices uses them all.

        Args:
            fills: what to fill, and how; drawn one by one, each when it is about to be sent.
            on_progress: as of `fill`, with the number of a fill in front, from 0. It is told of the fill
                whose result is the next one, and of no other.
            on_preview: as of `fill`, with the number of a fill in front.
            cancelled: as of `fill`. It ends all of them.

        Yields:
            The results, in the order of the fills.

        Raises:
            FillFailedError, ConnectionLostError, ClientError: as of `fill`. The fills that have no result yet
                are stopped, as they are when the caller takes no more results.
        """
        cancelled = cancelled or (lambda: False)
        self.reach(
            progress=None if on_progress is None else lambda stage: on_progress(0, stage, 0.0, 0),
            cancelled=cancelled,
        )
        connection = self._connection
        assert connection is not None
        flight = Flight(
            connection, fills, on_progress=on_progress, on_preview=on_preview, cancelled=cancelled
        )
        try:
            yield from flight.results()
        except BaseException:
            if flight.is_unfinished:
                # The end of its connection is what stops a job for certain.
                connection.drop()
                self._connection = None
            raise

    def status(self) -> ServerStatus:
        """How the server is. Raises as `connect` does."""
        self.reach()
        assert self._connection is not None
        connection = self._connection
        silence = SilenceLimit(connection)
        try:
            connection.send(StatusRequest(), silence.check)
            while True:
                message = connection.receive(POLL_SECONDS)
                if isinstance(message, ServerStatus):
                    return message
                silence.check()
        except BaseException:
            connection.drop()
            self._connection = None
            raise

    def shutdown(self, *, seconds: float = 10.0) -> None:
        """End the server and wait until it has let go of the connection.

        Raises `ServerSilentError` when it does not within `seconds`; `ShutdownRefusedError` for a shared one.
        """
        if self._account is not None:
            raise ShutdownRefusedError(
                f"{self._account.address} is shared with others: only its administrator can end it",
                server=str(self._account.address),
            )
        self.reach()
        connection, self._connection = self._connection, None
        assert connection is not None
        deadline = time.monotonic() + seconds
        try:
            connection.send(Shutdown(), lambda: None)
            while time.monotonic() < deadline:
                connection.receive(POLL_SECONDS)
        except ConnectionLostError:
            return
        finally:
            connection.drop()
        raise ServerSilentError(f"the LaMa Fill server did not end within {seconds:g} s: end its process")
