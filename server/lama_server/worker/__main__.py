"""`python -m lama_server.worker`: started by the server, never by hand."""

from __future__ import annotations

import sys

from lama_server.threads import let_idle_threads_sleep
from lama_server.worker.process import Engine, EngineSettings, run_worker


def make_engine(settings: EngineSettings) -> Engine:
    """The engine that fills."""
    let_idle_threads_sleep()
    # Importing torch takes seconds; by now the process ends with the server, whatever it is doing.
    from lama_server.worker.engine import FillEngine

    return FillEngine(settings.device, settings.threads, precision=settings.precision, memory=settings.memory)


if __name__ == "__main__":
    sys.exit(run_worker(make_engine))
