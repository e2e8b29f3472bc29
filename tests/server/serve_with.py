"""`python serve_with.py KIND [FLAGS of lama-fill serve]`: a server whose workers are those of workers.py."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lama_core.client.places import state_folder
from lama_server import settings
from lama_server.service import run_service

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--started-by-client", action="store_true")
    settings.add_flags(parser)
    args = parser.parse_args()
    status = run_service(
        settings.load_settings(flags=settings.flags_given(args)),
        state_folder(),
        started_by_client=args.started_by_client,
        worker_command=[sys.executable, str(Path(__file__).with_name("workers.py")), args.kind],
    )
    sys.exit(status)
