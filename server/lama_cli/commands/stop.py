"""`lama-fill stop`: end the server."""

from __future__ import annotations

import argparse

from lama_cli.stopping import stop_server


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "stop",
        help="end the server",
        description="End the server. What it works on is given up; its clients are told.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """End the server, and say how that went."""
    print(stop_server())
    return 0
