"""The server, spoken to in a thread of its own.

Every method returns at once; answers arrive on the main thread, by the function `post` that brings a call
there. One thread does one thing after the other: a second fill waits for the first.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from lama_core.client import connection
from lama_core.client.connection.launch import split_command
from lama_core.client.protocol import messages
from lama_fill_krita.tasks import Reply
from lama_fill_krita.version import VERSION

Post = Callable[[Callable[[], None]], None]
OnProgress = Callable[[str, float, int], None]


class _Cancellable(Reply):
    def __init__(self) -> None:
        super().__init__()
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


class Link:
    """The way to the server."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._tasks: queue.Queue = queue.Queue()
        self._thread: threading.Thread | None = None
        # Looking at a server must not start it, so there is a client for each.
        self._starting: connection.Client | None = None
        self._looking: connection.Client | None = None
        self._command = ""
        self._started_by = ""  # the command that `_starting` was made with

    def fill(
        self,
        request: messages.Fill,
        *,
        start: bool,
        on_progress: OnProgress,
        finish: Callable[[messages.Result], Any],
    ) -> Reply:
        """Fill. `finish` makes of the result, in the thread, what the reply's value will be."""
        reply = _Cancellable()

        def told(stage: str, fraction: float, position: int) -> None:
            self._post(lambda: None if reply.cancelled.is_set() else on_progress(stage, fraction, position))

        def work() -> Any:
            if reply.cancelled.is_set():
                raise connection.FillCancelledError("the fill was cancelled")
            server = self._connect(
                start, progress=lambda stage: told(stage, 0.0, 0), cancelled=reply.cancelled.is_set
            )
            return finish(server.fill(request, on_progress=told, cancelled=reply.cancelled.is_set))

        return self._do(work, reply)

    def status(self) -> Reply:
        """The server's `ServerStatus`; fails with `ServerNotFoundError` when it does not run."""
        return self._do(lambda: self._connect(False).status(), Reply())

    def start(self) -> Reply:
        """Start the server unless it runs; its `ServerStatus`."""
        return self._do(lambda: self._connect(True).status(), Reply())

    def stop(self) -> Reply:
        """End the server."""
        return self._do(lambda: self._connect(False).shutdown(), Reply())

    def use_command(self, command: str) -> None:
        """Start the server by this from now on; "": look for it."""
        self._command = command

    def _connect(
        self,
        start: bool,
        progress: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> connection.Client:
        command = self._command
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
        )
        if start:
            self._starting, self._started_by = made, command
        else:
            self._looking = made
        return made

    def _do(self, work: Callable[[], Any], reply: Reply) -> Reply:
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="lama-fill", daemon=True)
            self._thread.start()
        self._tasks.put((work, reply))
        return reply

    def _loop(self) -> None:
        while True:
            work, reply = self._tasks.get()
            value, error = None, None
            try:
                value = work()
            except Exception as raised:  # noqa: BLE001 - it is raised again where it is waited for
                error = raised
            self._post(_finished(reply, value, error))
            # Pixels are not kept until the next task comes.
            del work, reply, value, error


def _finished(reply: Reply, value: Any, error: BaseException | None) -> Callable[[], None]:
    return lambda: reply.finish(value, error)
