"""`python -m lama_server.worker`: started by the server, never by hand."""

from __future__ import annotations

import sys

from lama_server.worker.engine import FillEngine
from lama_server.worker.process import run_worker

if __name__ == "__main__":
    sys.exit(run_worker(FillEngine))
