"""The options that say how to fill: of `lama-fill fill` and of `lama-fill batch`.

They are those of `lama_core.client.options`, so what is allowed and what is the default is declared there.
"""

from __future__ import annotations

import argparse

from lama_cli.accounts import add_server_option
from lama_core.client.options import OPTIONS, FillOptions
from lama_server.sizes import parse_size

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")

PROCESS_BYTES = 400_000_000
"""What torch, its libraries and the model take beside any fill: measured 250 to 350 MB."""

MIN_FILL_BYTES = 100_000_000
"""What a fill may always take, or there would be none."""

_AUTO_TRANSFER = "auto"
"""By what the picture's file says, which is known when it is read."""


def add_fill_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a command."""
    parser.add_argument("--model", metavar="NAME", help="an installed model's name, or a file's path")
    for name in OPTIONS:
        if name == "join_islands":
            _add_islands(parser)
        elif name == "transfer":
            _add_transfer(parser)
        elif name == "memory":
            parser.add_argument(
                "--memory",
                metavar="SIZE",
                type=_size,
                help="memory that this process may take beside what the files take, such as 1GB; the server "
                "has its own setting (default: what is free)",
            )
        else:
            _add_option(parser, name)
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="other than auto: fill here, not by the server"
    )
    add_server_option(parser)
    parser.add_argument("--no-server", action="store_true", help="load the model here, not in the server")


def _add_option(parser: argparse.ArgumentParser, name: str) -> None:
    """Add an option as it is declared: a number, a word, both, or a switch that turns it off."""
    option, default = OPTIONS[name], getattr(FillOptions, name)
    if option.flag:
        parser.add_argument(
            f"--no-{name}", dest=name, action="store_false", help=f"do not {option.about} (default: do it)"
        )
        return
    said = f"{option.about} (default: {'automatic' if default is None else default})"
    if option.high is None:
        parser.add_argument(f"--{name}", choices=option.choices, default=default, help=said)
        return
    parser.add_argument(
        f"--{name}",
        metavar="|".join((*option.choices, "N")),
        type=_word_or_number if option.choices else int,
        default=default,
        help=said,
    )


def _add_islands(parser: argparse.ArgumentParser) -> None:
    islands = parser.add_mutually_exclusive_group()
    islands.add_argument(
        "--join-islands",
        dest="join_islands",
        action="store_const",
        const=True,
        help=f"{OPTIONS['join_islands'].about} (default: what is smaller than the hole)",
    )
    islands.add_argument(
        "--keep-islands",
        dest="join_islands",
        action="store_const",
        const=False,
        help="fill nothing that the hole encloses",
    )


def _add_transfer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--transfer",
        "--light",
        dest="transfer",
        choices=(_AUTO_TRANSFER, *OPTIONS["transfer"].choices),
        default=_AUTO_TRANSFER,
        help=f"{OPTIONS['transfer'].about}: auto takes a picture for linear whose ICC profile says so, and "
        "one of floats that has none (default: auto)",
    )


def fill_options(args: argparse.Namespace) -> FillOptions:
    """What was asked for; `transfer` is the default where the file is to say it.

    Raises:
        OptionError: a value that an option cannot have.
    """
    chosen = {name: getattr(args, name) for name in OPTIONS}
    if chosen["memory"] is not None:
        chosen["memory"] = max(chosen["memory"] - PROCESS_BYTES, MIN_FILL_BYTES)
    if takes_transfer_of_file(args):
        del chosen["transfer"]
    return FillOptions(**chosen)


def takes_transfer_of_file(args: argparse.Namespace) -> bool:
    """Whether each picture's own file says how its numbers stand for light."""
    return bool(args.transfer == _AUTO_TRANSFER)


def _size(text: str) -> int | None:
    try:
        return parse_size(text) or None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _word_or_number(text: str) -> str | int:
    return int(text) if text.isdigit() else text
