"""`lama-fill fill`: a picture and a mask in, a filled picture out."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.commands.fill_options import add_fill_options, fill_options, takes_transfer_of_file
from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_cli.connecting import EarlyConnection
    from lama_cli.filling import Progress


class FillCommandError(LamaFillError):
    """The command line asks for something that cannot be done."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "fill",
        help="fill the hole in a picture",
        description="Fill the hole in a picture. PNG, JPEG, WebP and TIFF; 8 and 16 bit and float.",
        epilog="The result has the picture's profile, EXIF and resolution. PNG, WebP and TIFF "
        "keep every pixel outside of the fill as it is; a JPEG is compressed again as it was.",
    )
    parser.add_argument("picture", metavar="PICTURE", type=Path, help="a file, or - for standard input")
    parser.add_argument(
        "--mask",
        metavar="MASK",
        type=Path,
        help="a picture of the same size, white where the hole is; - is standard input "
        "(default: what is transparent in PICTURE)",
    )
    parser.add_argument(
        "--source",
        metavar="MASK",
        type=Path,
        help="a picture of the same size, white where the fill may be copied from (default: from everywhere)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        type=Path,
        help="where to write; its ending says which kind of file; - is standard output "
        "(default: PICTURE-filled beside it)",
    )
    add_fill_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="let OUT replace PICTURE or MASK")
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=int,
        help="refuse pictures of more pixels, which may be made to fill the memory (default: 400 million)",
    )
    parser.add_argument("--json", action="store_true", help="print what was done for a program to read")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command. Returns the exit status."""
    from lama_cli.connecting import early_connection

    if not os.path.lexists(args.picture) and str(args.picture) != "-":
        return _fill(args, None)  # which says so, and nothing is started for it
    with early_connection(args) as early:
        return _fill(args, early)


def _fill(args: argparse.Namespace, early: EarlyConnection | None) -> int:
    from lama_cli.filler import open_fillers
    from lama_cli.pictures import (
        MAX_PIXELS,
        check_mask_size,
        check_output,
        ending_of,
        is_standard_output,
        open_inputs,
        read_mask,
        read_picture,
        write_picture,
    )
    from lama_cli.pictures.transparency import transparent_hole
    from lama_core.fill import plan_fill

    begin = time.perf_counter()
    options = fill_options(args)
    max_pixels = MAX_PIXELS if args.max_pixels is None else args.max_pixels
    output, ending = _output(args)
    with open_inputs() as inputs:
        source = inputs.plain(args.picture)
        notes: list[str] = []
        if args.mask is None:
            picture = read_picture(source, max_pixels=max_pixels)
            hole = transparent_hole(picture, source)
        else:
            mask = inputs.plain(args.mask)
            check_mask_size(mask, source, max_pixels=max_pixels)
            picture = read_picture(source, max_pixels=max_pixels)
            hole = read_mask(mask, picture=picture, max_pixels=max_pixels, notes=notes)
        if takes_transfer_of_file(args):
            options = replace(options, transfer=picture.transfer)
        copied = None
        if args.source is not None:
            mask = inputs.plain(args.source)
            check_mask_size(mask, source, max_pixels=max_pixels)
            copied = read_mask(mask, picture=picture, max_pixels=max_pixels, notes=notes)
        plan = plan_fill(picture.pixels, hole, options, copied)
        ending = ending or ending_of(source)
        check_output(
            output,
            picture.pixels,
            changed=[window.written for window in plan.windows],
            extra_channels=picture.extra_channels,
            ending=ending,
        )
        # Before anything is replaced: what the file loses may be wanted.
        for note in (picture.note, *notes):
            if note:
                say(inputs.named(note), error=True)

    with _progress_bar() as progress, open_fillers(args, progress=progress, early=early) as fillers:
        report = fillers[0](plan, progress)
    lossy = write_picture(picture, output, ending=ending)
    if lossy:
        say(lossy, error=True)

    # The picture alone goes there.
    to_pipe = is_standard_output(output)
    bounds = plan.windows[0].hole
    for window in plan.windows[1:]:
        bounds = bounds.union(window.hole)
    height, width = picture.pixels.shape[:2]
    if args.json:
        facts = {
            "output": str(output),
            "width": width,
            "height": height,
            "model": report.model,
            "device": report.device,
            "seconds": round(report.seconds, 3),
            "total_seconds": round(time.perf_counter() - begin, 3),
            "hole": {"x": bounds.x, "y": bounds.y, "width": bounds.width, "height": bounds.height},
            "windows": [
                {
                    "x": window.rect.x,
                    "y": window.rect.y,
                    "width": window.rect.width,
                    "height": window.rect.height,
                    "grow": window.grow,
                    "feather": window.feather,
                }
                for window in plan.windows
            ],
        }
        print(json.dumps(facts), file=sys.stderr if to_pipe else sys.stdout)
    else:
        say(
            f"{output}: {width} x {height}, filled in {report.seconds:.2f} s "
            f"with {report.model} on {report.device}",
            error=to_pipe,
        )
    return 0


def _output(args: argparse.Namespace) -> tuple[Path, str]:
    """Where to write, and the ending for what kind; empty: by what is in the picture's file."""
    from lama_cli.pictures import ENDINGS, STREAM, ending_of, is_standard_output, is_stream

    picture: Path = args.picture
    output: Path | None = args.output
    if output is None:
        if picture == STREAM or is_stream(picture):
            raise FillCommandError(
                f"{picture} has no folder to write to: say with -o where, or -o - for a pipe"
            )
        ending = picture.suffix if picture.suffix.lower() in ENDINGS else ending_of(picture)
        output = picture.with_name(f"{picture.stem}-filled{ending}")
        if output.exists() and not args.overwrite:
            raise FillCommandError(f"{output} is there already: choose another with -o, or add --overwrite")
        return output, ending
    if is_standard_output(output) and sys.stdout.isatty():
        raise FillCommandError("a picture cannot be shown in a terminal: send it on with | or >")
    if not args.overwrite and output.exists() and not is_stream(output):
        for name, source in (("the picture itself", picture), ("the mask", args.mask)):
            if source not in (None, STREAM) and source.exists() and output.samefile(source):
                raise FillCommandError(f"{output} is {name}: choose another with -o, or add --overwrite")
    return output, ""


@contextlib.contextmanager
def _progress_bar() -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description:>10}", markup=False), BarColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing", total=1.0)

        def told(stage: str, fraction: float) -> None:
            # At once: the network may keep the thread that draws from running for a while.
            bar.update(task, description=stage, completed=fraction, refresh=True)

        yield told
