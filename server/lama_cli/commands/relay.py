"""`lama-fill relay`: fills for a plug-in that can carry no client, through a pipe."""

from __future__ import annotations

import argparse
import sys

from lama_core.client.errors import LamaFillError


class NoPipeError(LamaFillError):
    """There is no plug-in at the other end."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "relay",
        help="fill for GIMP 2.10, through a pipe",
        description="Do one fill for the plug-in of GIMP 2.10, or for a program that speaks as it does: a "
        "frame that says what to fill comes in through standard input, progress and the fill go out through "
        "standard output. Closing standard input cancels.",
        epilog="docs/relay.md has the frames.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command. Returns the exit status."""
    from lama_cli.starting import own_command
    from lama_core.client.gimp.relay import relay_standard_streams

    if sys.stdin is None or sys.stdout is None or sys.stdin.isatty():
        raise NoPipeError("relay is what the plug-in of GIMP 2.10 runs: there is nothing to type here")
    return relay_standard_streams(command=own_command())
