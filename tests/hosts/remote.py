"""A program in the chroot that answers calls, one at a time: functions of a script by their names.

The script's `serve` reads calls from a pipe in its folder and leaves each answer in a file beside it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(kw_only=True)
class Remote:
    """Started at the first call, and again after it ended. `folder` is its own, outside of the chroot."""

    root: Path
    folder: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    before: Sequence[str] = ()
    """What to put before the command, outside of the chroot."""
    _process: subprocess.Popen[bytes] | None = None
    _requests: IO[str] | None = None

    @property
    def inside(self) -> str:
        """The folder as the program sees it."""
        return "/" + self.folder.relative_to(self.root).as_posix()

    def call(self, function: str, *, timeout: float = 250, **arguments: Any) -> Any:
        """Call a function; what it returns comes back.

        Raises:
            AssertionError: it raised, or the program ended or took too long; the message says what it wrote.
        """
        self._begin(function, arguments)
        return self._end(timeout)

    @contextmanager
    def calling(
        self, function: str, *, timeout: float = 250, **arguments: Any
    ) -> Iterator[Callable[[], Any]]:
        """As `call`, with time to do something meanwhile; what is given waits for the answer."""
        self._begin(function, arguments)
        answered = False

        def answer() -> Any:
            nonlocal answered
            answered = True
            return self._end(timeout)

        try:
            yield answer
        finally:
            if not answered:
                self.close()

    def close(self) -> None:
        """End the program and all that it started."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
        self._process = self._requests = None

    @property
    def output(self) -> str:
        """What it wrote since it was started."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def _begin(self, function: str, arguments: Mapping[str, Any]) -> None:
        (self.folder / "answer.json").unlink(missing_ok=True)
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        assert self._requests is not None
        self._requests.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
        self._requests.flush()

    def _start(self) -> None:
        pipe = self.folder / "requests"
        if not pipe.exists():
            os.mkfifo(pipe)
        with (self.folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [*self.before, "chroot", str(self.root), *self.command],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Both ways, so that opening waits for nobody.
        self._requests = os.fdopen(os.open(pipe, os.O_RDWR), "w", encoding="utf-8")

    def _end(self, timeout: float) -> Any:
        answer = self.folder / "answer.json"
        assert self._process is not None
        deadline = time.monotonic() + timeout
        while not answer.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                self.close()
                raise AssertionError(f"no answer:\n{self.output}")
            time.sleep(0.02)
        said = json.loads(answer.read_text())
        if "error" in said:
            raise AssertionError(f"{said['error']}\n{self.output}")
        return said["result"]
