"""Long work on the main thread in small steps, so that Krita answers in between.

A coroutine here is a generator. It yields a number of seconds (0 will do) to let Krita have the thread, or a
`Future` to wait for what another thread does: the `yield` then has the future's value, or raises its error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar, Union

T = TypeVar("T")


class Future(Generic[T]):
    """What another thread will answer. All of it is used on the main thread only."""

    def __init__(self) -> None:
        self.is_done = False
        self.value: T | None = None
        self.error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] = []

    def finish(self, value: T | None = None, error: BaseException | None = None) -> None:
        """Set the value, or the error, and call the callbacks."""
        self.value, self.error, self.is_done = value, error, True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def then(self, callback: Callable[[], None]) -> None:
        """Call when it is done, at once if it is."""
        if self.is_done:
            callback()
        else:
            self._callbacks.append(callback)

    def cancel(self) -> None:
        """The result is not needed any more, so the work on it may stop."""


Coroutine = Generator[Union[float, Future[Any]], Any, T]
Later = Callable[[float, Callable[[], None]], None]


class Task(Generic[T]):
    """One coroutine on its way to its end."""

    def __init__(
        self,
        coroutine: Coroutine[T],
        later: Later,
        finished: Callable[[T | None, BaseException | None], None],
    ) -> None:
        """Begin with the next step of the main thread.

        Args:
            coroutine: what to run.
            later: calls a function after some seconds, in which Krita has the thread.
            finished: called once, with the coroutine's value or the exception that ended it, but not after
                `cancel`.
        """
        self._coroutine = coroutine
        self._later = later
        self._finished = finished
        self._awaited: Future[Any] | None = None
        self._is_over = False
        later(0, self._step)

    def cancel(self) -> None:
        """End it now: the coroutine's `finally` clauses run before this returns."""
        if self._is_over:
            return
        self._is_over = True
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.cancel()
        self._coroutine.close()

    def _step(self) -> None:
        if self._is_over:
            return
        awaited, self._awaited = self._awaited, None
        try:
            if awaited is not None and awaited.error is not None:
                yielded = self._coroutine.throw(awaited.error)
            else:
                yielded = self._coroutine.send(None if awaited is None else awaited.value)
        except StopIteration as end:
            self._end(end.value, None)
        except Exception as error:  # noqa: BLE001 - `finished` tells the artist, whatever it is
            self._end(None, error)
        else:
            if isinstance(yielded, Future):
                self._awaited = yielded
                yielded.then(lambda: self._later(0, self._step))
            else:
                self._later(yielded, self._step)

    def _end(self, value: T | None, error: BaseException | None) -> None:
        self._is_over = True
        self._finished(value, error)
