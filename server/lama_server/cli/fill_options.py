"""The options that say how to fill: of `lama-fill fill` and of `lama-fill batch`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lama_core.fill import FillOptions

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")


def add_fill_options(parser: argparse.ArgumentParser) -> None:
    """Add them to a command."""
    parser.add_argument("--model", metavar="NAME", help="an installed model's name, or a file's path")
    parser.add_argument("--grow", metavar="N", type=int, help="pixels by which the hole is dilated first")
    parser.add_argument("--feather", metavar="N", type=int, help="pixels over which the fill is blended in")
    parser.add_argument(
        "--context",
        metavar="auto|whole|N",
        type=_context,
        default="auto",
        help="what the model sees: by the hole's size, all, or N pixels around the hole (default: auto)",
    )
    islands = parser.add_mutually_exclusive_group()
    islands.add_argument(
        "--join-islands",
        dest="join_islands",
        action="store_const",
        const=True,
        help="fill everything that the hole encloses (default: what is smaller than the hole)",
    )
    islands.add_argument(
        "--keep-islands",
        dest="join_islands",
        action="store_const",
        const=False,
        help="fill nothing that the hole encloses",
    )
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="other than auto: fill here, not by the server"
    )
    parser.add_argument("--no-server", action="store_true", help="load the model here, not in the server")


def fill_options(args: argparse.Namespace) -> FillOptions:
    """What was asked for.

    Raises:
        FillError: a value that it cannot have.
    """
    from lama_core.fill import FillOptions

    return FillOptions(
        grow=args.grow, feather=args.feather, context=args.context, join_islands=args.join_islands
    )


def _context(text: str) -> str | int:
    return int(text) if text.isdigit() else text
