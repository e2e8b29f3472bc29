"""Time limits that a pause of the whole process does not use up."""

from __future__ import annotations

import time
from collections.abc import Callable


class SuspendAwareTimer:
    """How long something has not happened, as far as this process was there to see it.

    A laptop that slept or a server that was stopped (SIGSTOP) for minutes must not take its clients for gone
    or its worker for stuck. So time counts only in the ticks in which `elapsed` is called, and a tick that
    took more than twice as long as it should counts as two.
    """

    def __init__(self, tick: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`tick`: seconds between two calls of `elapsed`."""
        self.tick = tick
        self._clock = clock
        self._spent = 0.0
        self._last = clock()

    def reset(self) -> None:
        """It has happened just now."""
        self._spent = 0.0
        self._last = self._clock()

    def elapsed(self) -> float:
        """Seconds since the last reset, pauses left out."""
        now = self._clock()
        self._spent += min(now - self._last, 2 * self.tick)
        self._last = now
        return self._spent
