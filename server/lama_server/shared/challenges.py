"""Challenges that clients answer: each good once, for a minute, and none kept until it was answered."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

from lama_core.client.protocol import auth

CHALLENGE_SECONDS: Final = 60.0
_TIME, _RANDOM, _MAC = 12, 24, 32
"""Hexadecimal digits of a challenge's parts: milliseconds, a random number, and what proves both ours."""


class Challenges:
    """Makes and takes challenges. A restart voids all of them, so an old proof opens nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, never falling."""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._used = auth.Nonces()

    def new(self) -> str:
        """A challenge for one connection: 68 hexadecimal digits."""
        head = f"{int(self._clock() * 1000):0{_TIME}x}{secrets.token_hex(_RANDOM // 2)}"
        return head + self._mac(head)

    def is_fresh(self, challenge: str) -> bool:
        """Whether it is one of ours, and young enough."""
        head, mac = challenge[:-_MAC], challenge[-_MAC:]
        if not hmac.compare_digest(mac.encode(), self._mac(head).encode()):
            return False
        return self._clock() - int(head[:_TIME], 16) / 1000 <= CHALLENGE_SECONDS

    def use(self, challenge: str) -> bool:
        """Mark a fresh one as used; False when it was used before. Only a right proof gets here."""
        return self._used.use(challenge)

    def _mac(self, head: str) -> str:
        return hmac.new(self._key, head.encode(), "sha256").hexdigest()[:_MAC]
