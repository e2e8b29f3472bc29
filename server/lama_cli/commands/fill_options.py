"""The options that say how to fill: of `lama-fill fill` and of `lama-fill batch`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lama_server.sizes import read_size

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
        "--quality",
        choices=("fast", "balanced", "best"),
        default="balanced",
        help="the better, the longer it takes (default: balanced)",
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, default=0, help="another number varies the fill (default: 0)"
    )
    parser.add_argument(
        "--light",
        choices=("auto", "perceptual", "linear"),
        default="auto",
        help="how the picture's numbers stand for light: auto takes a picture for linear whose ICC profile "
        "says so, and one of floats that has none (default: auto)",
    )
    parser.add_argument("--no-seam", action="store_true", help="leave offsets of colour at the hole's edge")
    parser.add_argument("--no-grain", action="store_true", help="add no grain, whatever the picture has")
    parser.add_argument(
        "--device", choices=DEVICES, default="auto", help="other than auto: fill here, not by the server"
    )
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        type=_size,
        help="memory that a fill may take here, such as 800MB or 2GB; the server has its own setting "
        "(default: what is free)",
    )
    parser.add_argument("--no-server", action="store_true", help="load the model here, not in the server")


def fill_options(args: argparse.Namespace) -> FillOptions:
    """What was asked for.

    Raises:
        FillError: a value that it cannot have.
    """
    from lama_core.fill import FillOptions

    return FillOptions(
        grow=args.grow,
        feather=args.feather,
        context=args.context,
        join_islands=args.join_islands,
        quality=args.quality,
        seed=args.seed,
        seam=not args.no_seam,
        grain=not args.no_grain,
        light="perceptual" if args.light == "auto" else args.light,
        memory=args.memory,
    )


def _size(text: str) -> int | None:
    try:
        return read_size(text) or None
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _context(text: str) -> str | int:
    return int(text) if text.isdigit() else text
