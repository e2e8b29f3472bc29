"""The `lama-fill` command: one module of `commands` for each sub-command.

Importing this package must stay cheap: `lama-fill serve` accepts connections within half a second of being
started, so a command imports torch and numpy inside its `run` function.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

from lama_cli.saying import MAX_SAID, say
from lama_core.client.errors import LamaFillError
from lama_core.client.places import absolute_variables
from lama_core.client.text import one_line
from lama_server import __version__
from lama_server.threads import prepare_threads

COMMANDS: tuple[str, ...] = (
    "fill",
    "batch",
    "web",
    "models",
    "eval",
    "train",
    "serve",
    "status",
    "stop",
    "logs",
    "login",
    "users",
    "service",
    "plugins",
    "relay",
    "doctor",
)

USAGE_ERROR = 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show what does not print by its escape."""

    def error(self, message: str) -> NoReturn:
        super().error(one_line(message, MAX_SAID))


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line, with the parsers of these sub-commands in it; all of them for its own help."""
    parser = _Parser(prog="lama-fill", description="Remove things from pictures.")
    parser.add_argument("--version", action="version", version=f"lama-fill {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in names:
        importlib.import_module(f"{__name__}.commands.{name}").add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns the exit status: 0 when done, 2 for anything that the user can mend, 130 when interrupted, 141
    when nobody reads the output any more.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        # A name need not be text: what was done is said all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    given = sys.argv[1:] if argv is None else argv
    # One that is named at once needs no other's parser: importing all takes longer than sending a fill.
    named = given[:1] if given and given[0] in COMMANDS else COMMANDS
    args = build_parser(named).parse_args(given)
    prepare_threads()
    # What is started from here works in another folder.
    os.environ.update(absolute_variables())
    try:
        status: int = args.run(args)
        if sys.stdout:  # there is none without a console on Windows
            sys.stdout.flush()
    except LamaFillError as error:
        say(str(error), error=True)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has seen enough (`| head`). What is left must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status
