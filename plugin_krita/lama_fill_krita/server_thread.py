"""A thread that talks to the server.

Every method returns at once, with a future that is finished on the main thread. The thread does one thing
after the other: a second fill waits for the first.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from lama_core.client import connection
from lama_core.client.connection.launch import split_command
from lama_core.client.protocol import messages
from lama_fill_krita.tasks import Future
from lama_fill_krita.version import VERSION

T = TypeVar("T")
Invoke = Callable[[Callable[[], None]], None]
OnProgress = Callable[[int, str, float, int], None]
OnPreview = Callable[[messages.Preview], None]


class _Cancellable(Future[T], Generic[T]):
    def __init__(self) -> None:
        super().__init__()
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


class ServerThread:
    """Finds, starts and asks the server."""

    def __init__(self, invoke: Invoke) -> None:
        """Start no thread yet.

        Args:
            invoke: calls a function on the main thread.
        """
        self._invoke = invoke
        self._tasks: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue()
        self._thread: threading.Thread | None = None
        # Asking for the status must not start a server, so there is a client for each.
        self._starting: connection.Client | None = None
        self._looking: connection.Client | None = None
        self._command = ""
        self._address = ""
        self._reached = ""  # the address that both clients were made with
        self._started_by = ""  # the command that `_starting` was made with

    def fill(
        self,
        requests: Sequence[messages.Fill],
        *,
        start: bool,
        on_progress: OnProgress,
        on_preview: OnPreview,
        finish: Callable[[int, messages.Result], T],
    ) -> Future[list[T]]:
        """Fill, several at a time.

        Args:
            requests: what to fill.
            start: whether to start the server when it does not run.
            on_progress: called on the main thread with the number of a request, the stage, the fraction and
                the position in the queue.
            on_preview: called on the main thread with a first look at a fill, if there is one.
            finish: called in the thread with the number of a request and its result: makes one of the
                future's values of it.
        """
        future: _Cancellable[list[T]] = _Cancellable()

        def report(number: int, stage: str, fraction: float, position: int) -> None:
            self._invoke(
                lambda: None if future.cancelled.is_set() else on_progress(number, stage, fraction, position)
            )

        def show(number: int, preview: messages.Preview) -> None:
            self._invoke(lambda: None if future.cancelled.is_set() else on_preview(preview))

        def work() -> list[T]:
            if future.cancelled.is_set():
                raise connection.FillCancelledError("the fill was cancelled")
            server = self._connect(
                start, progress=lambda stage: report(0, stage, 0.0, 0), cancelled=future.cancelled.is_set
            )
            results = server.fill_each(
                requests, on_progress=report, on_preview=show, cancelled=future.cancelled.is_set
            )
            return [finish(number, result) for number, result in enumerate(results)]

        return self._do(work, future)

    def status(self) -> Future[messages.ServerStatus]:
        """Ask how the server is; fails with `ServerNotFoundError` when it does not run."""
        return self._do(lambda: self._connect(False).status(), Future())

    def start(self) -> Future[messages.ServerStatus]:
        """Start the server unless it runs, and ask how it is."""
        return self._do(lambda: self._connect(True).status(), Future())

    def stop(self) -> Future[None]:
        """End the server."""
        return self._do(lambda: self._connect(False).shutdown(), Future())

    def use_command(self, command: str) -> None:
        """Start the server by this command line from now on; "": look for it."""
        self._command = command

    def use_server(self, address: str) -> None:
        """Use this shared server from now on; "": what is set, or this machine's own."""
        self._address = address

    def _forget(self) -> None:
        for client in (self._starting, self._looking):
            if client is not None:
                client.close()
        self._starting = self._looking = None

    def _connect(
        self,
        start: bool,
        progress: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> connection.Client:
        command, address = self._command, self._address
        if self._reached != address:
            self._forget()
            self._reached = address
        if self._starting is not None and self._started_by != command:
            self._starting.close()
            self._starting = None
        known = self._starting if start else self._looking
        if known is not None:
            known.reach(progress=progress, cancelled=cancelled)
            return known
        made = connection.connect(
            client="krita",
            client_version=VERSION,
            start=start,
            command=split_command(command) if start and command else (),
            progress=progress,
            cancelled=cancelled,
            account=connection.find_account(address),
        )
        if start:
            self._starting, self._started_by = made, command
        else:
            self._looking = made
        return made

    def _do(self, work: Callable[[], T], future: Future[T]) -> Future[T]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="lama-fill", daemon=True)
            self._thread.start()
        self._tasks.put((work, future))
        return future

    def _loop(self) -> None:
        while True:
            work, future = self._tasks.get()
            value: Any = None
            error: Exception | None = None
            try:
                value = work()
            except Exception as raised:  # noqa: BLE001 - the future raises it where it is waited for
                error = raised
            self._invoke(partial(future.finish, value, error))
            # Free the pixels now, not when the next task comes.
            del work, future, value, error
