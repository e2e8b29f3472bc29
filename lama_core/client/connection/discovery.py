"""From nothing to a connection: the runtime file, the attempt, the start, and trying again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lama_core.client.connection import launch, runtime
from lama_core.client.connection.channel import POLL_SECONDS, Connection, open_connection
from lama_core.client.connection.errors import (
    ClientError,
    ConnectionLostError,
    FillCancelledError,
    NotTrustedError,
    ServerNotFoundError,
    ServerSilentError,
    ServerStartError,
)
from lama_core.client.protocol.messages import Hello

StartProgress = Callable[[str], None]
"""Told "starting", again and again, while the server is being started."""

ATTEMPT_SECONDS: Final = 5.0
"""A server answers a connection within milliseconds, even while a model loads."""
RESTART_SECONDS: Final = 1.0
"""Time between two tries to start, for a server that is just ending."""


def connect_or_start(
    hello: Hello,
    *,
    folder: Path,
    start: bool,
    command: Sequence[str],
    seconds: float,
    progress: StartProgress,
    cancelled: Callable[[], bool],
) -> Connection:
    """A connection to the server of a folder, which is started when nothing that can be trusted answers."""
    deadline = time.monotonic() + seconds
    starter: launch.Starter | launch.ActivatedServer | None = None
    started = 0.0
    try:
        while True:
            try:
                return open_connection(runtime.read_runtime_file(folder), hello, seconds=ATTEMPT_SECONDS)
            except (ServerNotFoundError, NotTrustedError, ServerSilentError, ConnectionLostError) as error:
                problem: ClientError = error
            if not start:
                raise problem
            if cancelled():
                raise FillCancelledError("the start of the LaMa Fill server was not waited for")
            if starter is None:
                starter, started = launch.start(folder, command), time.monotonic()
            elif starter.status:
                words = starter.stderr_tail() or f"status {starter.status}"
                raise ServerStartError(f"the LaMa Fill server did not start ({words}): run `lama-fill serve`")
            elif starter.status == 0:
                # Another server holds the place: one that does not answer, or one that is just ending. At a
                # port of the operating system, silence is that of a server that is just starting.
                if isinstance(problem, ServerSilentError) and not isinstance(starter, launch.ActivatedServer):
                    raise problem
                if time.monotonic() - started > RESTART_SECONDS:
                    starter.close()
                    starter, started = launch.start(folder, command), time.monotonic()
            if time.monotonic() > deadline:
                if isinstance(problem, NotTrustedError):
                    raise problem
                raise ServerStartError(
                    f"the LaMa Fill server is not up after {seconds:g} s: run `lama-fill serve` to see why"
                )
            progress("starting")
            time.sleep(POLL_SECONDS)
    finally:
        if starter is not None:
            starter.close()
