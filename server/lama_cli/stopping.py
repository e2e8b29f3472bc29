"""Ending the server: by asking it, then by ending its process."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from pathlib import Path

GRACE_SECONDS = 6.0
"""A server that is alive ends within five seconds."""


class StuckError(LamaFillError):
    """The server cannot be ended."""


def stop_server() -> str:
    """Ask the server to end; if it does not answer, end its process. Returns what happened, in words.

    Raises:
        StuckError: it cannot be ended.
    """
    from lama_core.client.connection import ClientError, ServerNotFoundError, connect
    from lama_core.client.places import state_folder

    folder = state_folder()
    try:
        with connect(client="lama-fill stop", start=False) as server:
            server.shutdown(seconds=GRACE_SECONDS)
        if _is_gone(folder, GRACE_SECONDS):
            return "the server has ended"
    except ServerNotFoundError:
        if _is_gone(folder, 0.0):
            return "the server is not running"
    except ClientError:
        pass  # it is there and does not answer
    _end_process(folder)
    return "the server did not answer; its process was ended"


def _is_gone(folder: Path, seconds: float) -> bool:
    """Whether nobody holds the server's place, or will let go of it within that time."""
    from lama_server.instance import LOCK_NAME
    from lama_server.lock import Lock

    until = time.monotonic() + seconds
    while (folder / LOCK_NAME).exists():
        lock = Lock(folder / LOCK_NAME)
        if lock.acquire():
            lock.release()
            break
        if time.monotonic() >= until:
            return False
        time.sleep(0.05)
    return True


def _end_process(folder: Path) -> None:
    """End the process that holds the place: by request, then by force."""
    from lama_server.instance import find_server

    found = find_server(folder)
    if found is None:
        raise StuckError(f"a process holds {folder} and does not say which one it is: end it by hand")
    # The place is held, so this process number is not that of somebody else's later process.
    for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, number)
        if _is_gone(folder, GRACE_SECONDS):
            return
    raise StuckError(f"process {found.pid} does not end: restart the machine")
