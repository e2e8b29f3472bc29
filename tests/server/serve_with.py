"""`python serve_with.py KIND [FLAGS of lama-fill serve]`: a server whose workers are those of workers.py.

With `--engine ray` they are actors of a cluster, whose nodes have to find the tests' modules.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from lama_core.client.places import state_folder
from lama_server import settings
from lama_server.cluster.engine import GATEWAY_COMMAND, RayEngine
from lama_server.engine import EngineFactory
from lama_server.local_engine import LocalEngine
from lama_server.service import run_service

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    parser.add_argument("--started-by-client", action="store_true")
    settings.add_flags(parser)
    args = parser.parse_args()
    chosen = settings.load_settings(flags=settings.flags_given(args))
    local = [sys.executable, str(Path(__file__).with_name("workers.py")), args.kind]
    make_engine: EngineFactory = partial(LocalEngine, command=local)
    if chosen.engine == "ray":
        gateway = (*GATEWAY_COMMAND, "--factory", f"tests.server.workers:make_{args.kind}_engine")
        make_engine = partial(RayEngine, command=gateway, local_command=local, retry_seconds=1.0)
    status = run_service(
        chosen, state_folder(), started_by_client=args.started_by_client, make_engine=make_engine
    )
    sys.exit(status)
