"""`python -m lama_server.worker`: started by the server, never by hand."""

from __future__ import annotations

import gc
import sys

from lama_server.threads import prepare_threads
from lama_server.worker.process import Engine, EngineSettings, run_worker


def make_engine(settings: EngineSettings) -> Engine:
    """The engine that fills."""
    prepare_threads()
    # Importing torch takes a second, a seventh of it for looking again and again through objects of which
    # none goes. By now the process ends with the server, whatever it is doing.
    gc.disable()
    from lama_server.worker.engine import FillEngine

    gc.freeze()
    gc.enable()
    return FillEngine(settings.device, settings.threads, precision=settings.precision, memory=settings.memory)


if __name__ == "__main__":
    sys.exit(run_worker(make_engine))
