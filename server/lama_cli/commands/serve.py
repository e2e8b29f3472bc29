"""`lama-fill serve`: be the server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lama_server import settings

if TYPE_CHECKING:
    from lama_server.engine import EngineFactory


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "serve",
        help="run the server that the plug-ins talk to",
        description="Run the server that the plug-ins talk to. They start it themselves when they need it.",
    )
    parser.add_argument(
        "--started-by-client",
        action="store_true",
        help="nobody is watching: log to files only, and end after the time that exit_after sets",
    )
    settings.add_flags(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until told to end; say where the server is when there is one already."""
    chosen = settings.load_settings(flags=settings.flags_given(args))
    from lama_core.client.places import state_folder
    from lama_server.service import run_service

    make_engine: EngineFactory
    if chosen.engine == "ray":
        from lama_server.cluster.engine import RayEngine

        make_engine = RayEngine
    else:
        from lama_server.local_engine import LocalEngine

        make_engine = LocalEngine
    return run_service(
        chosen, state_folder(), started_by_client=args.started_by_client, make_engine=make_engine
    )
