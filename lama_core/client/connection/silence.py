"""How long a silent server is waited for."""

from __future__ import annotations

import time
from typing import Final

from lama_core.client.connection.channel import Connection
from lama_core.client.connection.errors import ConnectionLostError
from lama_core.client.protocol.limits import SILENT_HEARTBEATS

SLOWEST_LINK: Final = 64 * 1024
"""Bytes a second between machines at which nobody is taken for silent whose pixels are on their way."""


class SilenceLimit:
    """Takes a server for lost that has said nothing for too long."""

    def __init__(self, connection: Connection) -> None:
        """Begin to wait now."""
        self._base = SILENT_HEARTBEATS * connection.welcome.limits.heartbeat_seconds
        self._is_remote = connection.is_remote
        self._seconds = self._base
        self._since = time.monotonic()

    def allow(self, size: int) -> None:
        """`size`: bytes that are on their way to the server, and may come back from it."""
        self._seconds = self._base + (size / SLOWEST_LINK if self._is_remote else 0.0)

    def renew(self) -> None:
        """The server has said something."""
        self._since = time.monotonic()

    def check(self) -> None:
        """Raise `ConnectionLostError` once it is too long."""
        if time.monotonic() - self._since > self._seconds:
            raise ConnectionLostError(
                f"the LaMa Fill server has said nothing for {self._seconds:.0f} s: try again, and look at "
                "`lama-fill logs` if that does not help"
            )
