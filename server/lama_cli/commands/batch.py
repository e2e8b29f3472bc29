"""`lama-fill batch`: a folder of pictures and masks in, a folder of filled pictures out."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.commands.fill_options import add_fill_options, fill_options, takes_transfer_of_file
from lama_cli.saying import say
from lama_core.client.text import one_line

if TYPE_CHECKING:
    from lama_cli.batch import Done

FAILED = 1
"""The exit status when some of the pictures could not be filled."""

ENDINGS = ("png", "jpg", "webp", "tif")

CONNECTIONS = 2
"""To the server: it fills one picture while another is packed and sent."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "batch",
        help="fill the holes in many pictures",
        description="Fill the hole in each picture of a folder. Pictures are read and written while others "
        "are filled. What is there already is left out, so a batch that was stopped goes on.",
        epilog="A mask has the picture's name: in the folder of --masks, or beside the picture as "
        "NAME_mask.png. A picture without one is filled where it is transparent.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="of the pictures")
    parser.add_argument("--masks", metavar="FOLDER", type=Path, help="of their masks, white in the hole")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        help="where to write (default: FOLDER-filled beside it)",
    )
    parser.add_argument(
        "--ending", choices=ENDINGS, help="what kind of files to write (default: as each picture's)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="fill those again that are in the output folder already"
    )
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=int,
        help="refuse pictures of more pixels, which may be made to fill the memory (default: 400 million)",
    )
    add_fill_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command. Returns the exit status."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from lama_cli.batch import find_tasks, run_batch
    from lama_cli.filler import open_fillers
    from lama_cli.pictures import MAX_PIXELS

    options = fill_options(args)
    folder: Path = args.folder
    output: Path = args.output or folder.resolve().with_name(f"{folder.resolve().name}-filled")
    ending = None if args.ending is None else f".{args.ending}"
    found = find_tasks(folder, masks=args.masks, output=output, ending=ending)
    for line in found.left_out:
        say(line, error=True)
    tasks = [task for task in found.tasks if args.overwrite or not task.output.exists()]
    there = len(found.tasks) - len(tasks)
    done: list[Done] = []
    seconds = 0.0

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with bar, contextlib.ExitStack() as stack:
        shown = bar.add_task("starting", total=len(tasks))

        def tell(one: Done) -> None:
            done.append(one)
            bar.update(shown, advance=1, description=one_line(one.task.picture.name))
            for line in filter(None, (one.note, str(one.error or ""))):
                say(line, error=True)

        if tasks:
            fillers = stack.enter_context(
                open_fillers(args, progress=lambda stage, fraction: None, connections=CONNECTIONS)
            )
            seconds = run_batch(
                tasks,
                fillers,
                options,
                max_pixels=MAX_PIXELS if args.max_pixels is None else args.max_pixels,
                tell=tell,
                transfer_of_files=takes_transfer_of_file(args),
            )

    filled = sum(one.error is None for one in done)
    said = [f"{output}: {filled} filled"]
    if there:
        said.append(f"{there} there already")
    if filled < len(done):
        said.append(f"{len(done) - filled} failed")
    if filled:
        said[0] += f" in {seconds:.1f} s ({60 * filled / seconds:.0f} a minute)"
    say(", ".join(said))
    return FAILED if filled < len(done) else 0
