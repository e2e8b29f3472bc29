"""`python -m lama_server.worker`: started by the server, never by hand."""

from __future__ import annotations

import sys

from lama_server.worker.process import Engine, run_worker


def make_engine(device: str, threads: int) -> Engine:
    """The engine that fills."""
    # Importing torch takes seconds; by now the process ends with the server, whatever it is doing.
    from lama_server.worker.engine import FillEngine

    return FillEngine(device, threads)


if __name__ == "__main__":
    sys.exit(run_worker(make_engine))
