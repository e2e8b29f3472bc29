"""Long work on the main thread in small steps, so that Krita answers in between.

Work is a generator. It yields a number of seconds (0 will do) to let Krita have the thread, or a `Reply` to
wait for what another thread is doing: the `yield` then has the reply's value, or raises its error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Optional, Union


class Reply:
    """What another thread will answer. All of it is used on the main thread only."""

    def __init__(self) -> None:
        self.is_done = False
        self.value: Any = None
        self.error: Optional[BaseException] = None  # noqa: UP045 - Python 3.9
        self._then: list[Callable[[], None]] = []

    def finish(self, value: Any = None, error: BaseException | None = None) -> None:
        self.value, self.error, self.is_done = value, error, True
        then, self._then = self._then, []
        for call in then:
            call()

    def then(self, call: Callable[[], None]) -> None:
        """Call when it is done, at once if it is."""
        if self.is_done:
            call()
        else:
            self._then.append(call)

    def cancel(self) -> None:
        """Nobody waits any more. Whoever works on it may stop."""


Work = Generator[Union[float, Reply], Any, Any]
Later = Callable[[float, Callable[[], None]], None]


class Run:
    """One work on its way to its end.

    Args:
        work: the generator.
        later: calls something after so many seconds in which Krita has the thread.
        finished: called once, with the work's return value or the exception that ended it, but not after
            `cancel`.
    """

    def __init__(
        self,
        work: Work,
        later: Later,
        finished: Callable[[Any, BaseException | None], None],
    ) -> None:
        self._work = work
        self._later = later
        self._finished = finished
        self._waiting: Reply | None = None
        self._is_over = False
        later(0, self._step)

    def cancel(self) -> None:
        """End it now: the work's `finally` clauses run before this returns."""
        if self._is_over:
            return
        self._is_over = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        self._work.close()

    def _step(self) -> None:
        if self._is_over:
            return
        waiting, self._waiting = self._waiting, None
        try:
            if waiting is not None and waiting.error is not None:
                wanted = self._work.throw(waiting.error)
            else:
                wanted = self._work.send(None if waiting is None else waiting.value)
        except StopIteration as end:
            self._end(end.value, None)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody has to be told
            self._end(None, error)
        else:
            if isinstance(wanted, Reply):
                self._waiting = wanted
                wanted.then(lambda: self._later(0, self._step))
            else:
                self._later(wanted, self._step)

    def _end(self, value: Any, error: BaseException | None) -> None:
        self._is_over = True
        self._finished(value, error)
