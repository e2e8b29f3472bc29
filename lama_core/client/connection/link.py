"""How fast the way to a server is, and whether pixels are better encoded for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from lama_core.client.protocol import encodings
from lama_core.client.protocol.messages import ClientMessage, Encoding, Fill

_ENOUGH: Final = 1 << 18
"""Bytes that a message must have for its time to say how fast the way is, and not how long."""
_AGAIN: Final = 16
"""After that many fills it is tried again whether encoding pays: pictures and networks change."""


class Link:
    """Measures each fill that is sent over one connection.

    Encoding pays while the way carries fewer bytes a second than encoding saves in a second.
    """

    def __init__(self) -> None:
        self._saved_per_second = 0.0
        self._bytes_per_second = 0.0
        self._plain_fills = 0
        self._began = 0.0
        self._raw = 0
        self._sent = 0
        self._encoding: Encoding = ""

    def choose(self, offered: Sequence[str]) -> Encoding:
        """How the next fill is to travel.

        Args:
            offered: the server's encodings.
        """
        self._began = time.monotonic()
        if encodings.ALL not in offered:
            self._encoding = ""
        elif not self._saved_per_second or not self._bytes_per_second or self._plain_fills >= _AGAIN:
            self._encoding, self._plain_fills = encodings.ALL, 0
        elif self._bytes_per_second < self._saved_per_second:
            self._encoding = encodings.ALL
        else:
            self._encoding = encodings.MASK_ONLY if encodings.MASK_ONLY in offered else ""
            self._plain_fills += 1
        return self._encoding

    def encoded(self, message: ClientMessage, size: int) -> None:
        """Note that a message is encoded, and about to be sent in `size` bytes."""
        if not isinstance(message, Fill):
            return
        now = time.monotonic()
        self._raw = message.plane_bytes
        if message.encoding == encodings.ALL and self._raw >= _ENOUGH:
            self._saved_per_second = max(1.0, self._raw - size) / max(1e-6, now - self._began)
        self._sent, self._began = size, now

    def arrived(self) -> None:
        """Note that the server has the fill: it has said something about it."""
        if self._sent >= _ENOUGH:
            self._bytes_per_second = self._sent / max(1e-6, time.monotonic() - self._began)
