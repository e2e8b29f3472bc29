"""A log handler for a terminal or pipe that may have stopped reading: it then loses lines, not the server."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time

_LINES = 1000
_FLUSH_SECONDS = 0.2


class ConsoleHandler(logging.Handler):
    """Writes to standard error from a thread of its own, and drops what that thread cannot keep up with."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.Queue[str] = queue.Queue(_LINES)
        threading.Thread(target=self._write, name="console", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            pass
        except Exception:  # noqa: BLE001 (whatever a message's arguments raise)
            self.handleError(record)

    def close(self) -> None:
        """Give the last lines a moment to be written."""
        until = time.monotonic() + _FLUSH_SECONDS
        while self._lines.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.005)
        super().close()

    def _write(self) -> None:
        while True:
            line = self._lines.get()
            try:
                if sys.stderr is not None:  # there is none without a console on Windows
                    print(line, file=sys.stderr, flush=True)
            except (OSError, ValueError):
                pass  # nobody is there to read it, and the log file has it too
            finally:
                self._lines.task_done()
