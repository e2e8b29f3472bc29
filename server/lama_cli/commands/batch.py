"""`lama-fill batch`: a folder of pictures and masks in, a folder of filled pictures out."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.commands.fill_options import add_fill_options, fill_options, takes_transfer_of_file
from lama_cli.manifest import Entry, Manifest
from lama_cli.saying import say
from lama_core.client.options import FillOptions
from lama_core.client.places import state_folder
from lama_core.client.text import one_line

if TYPE_CHECKING:
    from lama_cli.batch import Done, Task
    from lama_cli.still_camera import StillCamera

FAILED = 1
"""The exit status when some of the pictures could not be filled."""

ENDINGS = ("png", "jpg", "webp", "tif")

MANIFEST = ".lama-fill-batch.jsonl"
"""In the folder of the filled pictures."""

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
    parser.add_argument("folder", metavar="FOLDER", help="of the pictures; or an address, s3://BUCKET/FOLDER")
    masks = parser.add_mutually_exclusive_group()
    masks.add_argument("--masks", metavar="FOLDER", help="of their masks, white in the hole")
    masks.add_argument("--mask", metavar="FILE", help="one mask for all of them")
    parser.add_argument(
        "--source",
        metavar="FOLDER|FILE",
        help="masks of the pictures' names, white where their fills may be copied from, or one for all "
        "of them (default: from everywhere)",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
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
    parser.add_argument(
        "--frames",
        action="store_true",
        help="the pictures are the frames of one sequence, NAME_0001.png and so on: all are filled with the "
        "same seed, and grain that moves",
    )
    parser.add_argument(
        "--still-camera",
        action="store_true",
        help="frames of a camera that does not move, or shakes by a few pixels: their holes get the "
        "background from frames in which it is seen, and the model fills the rest",
    )
    _add_engine_options(parser)
    add_fill_options(parser)
    parser.set_defaults(run=run)


def _add_engine_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a cluster", "see docs/scaling.md")
    group.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what fills: this machine, or the nodes of a Ray cluster (default: local)",
    )
    group.add_argument(
        "--address",
        metavar="HOST:PORT",
        default="",
        help="the cluster's head (default: what RAY_ADDRESS says, else a cluster of this machine)",
    )
    group.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=0,
        help="in the cluster (default: as many as it has room for)",
    )
    group.add_argument(
        "--worker-cpus",
        metavar="N",
        type=int,
        default=4,
        help="CPUs that a worker takes where the cluster has no GPU (default: 4)",
    )
    group.add_argument(
        "--manifest",
        metavar="FILE",
        type=Path,
        help="where to note what was done (default, with a cluster or an address: in the output folder, "
        "or where the server has its files if that is elsewhere)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command. Returns the exit status."""
    from lama_cli.batch import BatchError, find_tasks
    from lama_cli.remote_files import is_remote, names_in, parse_place
    from lama_cli.sequence import as_sequence

    if args.engine == "ray":
        from lama_server.cluster.missing import check_ray

        check_ray()
    if args.workers < 0 or args.worker_cpus < 1:
        raise BatchError("--workers is 0 or more, and --worker-cpus 1 or more")
    if args.still_camera and args.engine == "ray":
        raise BatchError("--still-camera works on this machine alone: leave out --engine ray")
    options = fill_options(args)
    folder = parse_place(args.folder)
    masks = None if args.masks is None else parse_place(args.masks)
    output = _default_output(folder) if args.output is None else parse_place(args.output)
    ending = None if args.ending is None else f".{args.ending}"
    mask = None if args.mask is None else parse_place(args.mask)
    source = None if args.source is None else parse_place(args.source)
    found = find_tasks(folder, masks=masks, output=output, ending=ending, mask=mask, source=source)
    if args.frames or args.still_camera:
        found = replace(found, tasks=as_sequence(found.tasks))
    for line in found.left_out:
        say(line, error=True)
    # Elsewhere one question for each file would take longer than filling it.
    names = names_in(output) if is_remote(output) else None
    tasks = [
        task
        for task in found.tasks
        if args.overwrite or not (task.output.exists() if names is None else task.output.name in names)
    ]
    there = len(found.tasks) - len(tasks)
    place = _manifest_place(args, output)
    with contextlib.ExitStack() as stack:
        manifest = None
        if place is not None and tasks:
            if args.overwrite:
                place.unlink(missing_ok=True)
            manifest = stack.enter_context(
                contextlib.closing(Manifest(place, options=_manifest_options(args, options)))
            )
        background = _background(args, found.tasks, options) if args.still_camera and tasks else None
        done, seconds = _fill_all(args, tasks, options, manifest, background)

    filled = sum(one.error is None for one in done)
    said = [f"{output}: {filled} filled"]
    if there:
        said.append(f"{there} there already")
    if filled < len(done):
        said.append(f"{len(done) - filled} failed")
    if filled:
        said[0] += f" in {seconds:.1f} s ({60 * filled / seconds:.0f} a minute)"
    say(", ".join(said))
    if place is not None:
        _show_failures(done)
    return FAILED if filled < len(done) else 0


def _manifest_options(args: argparse.Namespace, options: FillOptions) -> dict[str, object]:
    told: dict[str, object] = {**asdict(options), "model": args.model or ""}
    # Left out where nobody asks for them: a manifest of before has none of these.
    added = {
        "frame": told.pop("frame"),
        "frames": args.frames,
        "still_camera": args.still_camera,
        "source": args.source,
    }
    return {**told, **{name: value for name, value in added.items() if value not in (None, False)}}


def _background(args: argparse.Namespace, tasks: Sequence[Task], options: FillOptions) -> StillCamera:
    """What the frames show behind their holes, read from all of them."""
    from lama_cli.batch import load_task
    from lama_cli.still_camera import StillCamera

    load = partial(
        load_task,
        options=options,
        max_pixels=_max_pixels(args),
        transfer_of_file=takes_transfer_of_file(args),
    )
    background = StillCamera(tasks, load)
    if background.note:
        say(background.note, error=True)
    return background


def _default_output(folder: Path) -> Path:
    from lama_cli.remote_files import is_remote

    whole = folder if is_remote(folder) else folder.resolve()
    return whole.with_name(f"{whole.name}-filled")


def _manifest_place(args: argparse.Namespace, output: Path) -> Path | None:
    """Where the manifest is; None for a batch without one."""
    from lama_cli.remote_files import is_remote

    if args.manifest is not None:
        return Path(args.manifest)
    if is_remote(output):
        name = hashlib.sha256(str(output).encode()).hexdigest()[:16]
        return state_folder() / "batches" / f"{name}.jsonl"
    return output / MANIFEST if args.engine == "ray" else None


def _fill_all(
    args: argparse.Namespace,
    tasks: Sequence[Task],
    options: FillOptions,
    manifest: Manifest | None,
    background: StillCamera | None,
) -> tuple[list[Done], float]:
    """Fill them with a bar that says how far it is. Returns how each went, and the seconds that all took."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    done: list[Done] = []
    if not tasks:
        return done, 0.0
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    with bar:
        shown = bar.add_task("starting", total=len(tasks), rate="")
        begun = time.monotonic()

        def tell(one: Done) -> None:
            done.append(one)
            rate = f"{60 * len(done) / max(1e-3, time.monotonic() - begun):.0f} a minute"
            bar.update(shown, advance=1, description=one_line(one.task.picture.name), rate=rate)
            if manifest is not None:
                manifest.add(_entry(one))
            for line in filter(None, (one.note, str(one.error or ""))):
                say(line, error=True)

        work = _fill_in_cluster if args.engine == "ray" else partial(_fill_here, background=background)
        return done, work(args, tasks, options, tell)


def _fill_here(
    args: argparse.Namespace,
    tasks: Sequence[Task],
    options: FillOptions,
    tell: Callable[[Done], None],
    *,
    background: StillCamera | None,
) -> float:
    from lama_cli.batch import run_batch
    from lama_cli.filler import open_fillers

    with open_fillers(args, progress=lambda stage, fraction: None, connections=CONNECTIONS) as fillers:
        return run_batch(
            tasks,
            fillers,
            options,
            max_pixels=_max_pixels(args),
            tell=tell,
            transfer_of_files=takes_transfer_of_file(args),
            prepare=background,
        )


def _fill_in_cluster(
    args: argparse.Namespace, tasks: Sequence[Task], options: FillOptions, tell: Callable[[Done], None]
) -> float:
    from lama_cli.batch import BatchError
    from lama_cli.batch_actor import FillSettings
    from lama_cli.ray_batch import Cluster, run_ray_batch
    from lama_core.model.installed import registry
    from lama_server.settings import load_settings

    name = args.model or registry.default_model()
    weights = registry.resolve(name)
    if weights.suffix != ".safetensors" or not weights.is_file():
        raise BatchError(f"{weights} cannot be sent to a cluster: lama-fill models import {weights}")
    return run_ray_batch(
        tasks,
        Cluster(address=args.address, workers=args.workers, cpus=args.worker_cpus),
        FillSettings(
            model=one_line(name),
            options=asdict(options),
            precision=load_settings().precision,
            max_pixels=_max_pixels(args),
            transfer_of_files=takes_transfer_of_file(args),
        ),
        weights=weights,
        device=args.device,
        tell=tell,
    )


def _max_pixels(args: argparse.Namespace) -> int:
    from lama_cli.pictures import MAX_PIXELS

    return MAX_PIXELS if args.max_pixels is None else int(args.max_pixels)


def _entry(done: Done) -> Entry:
    return Entry(
        output=str(done.task.output),
        picture=str(done.task.picture),
        error="" if done.error is None else one_line(str(done.error)),
        seconds=0.0 if done.report is None else round(done.report.seconds, 3),
        worker="" if done.report is None else done.report.device,
        tries=done.tries,
    )


def _show_failures(done: Sequence[Done]) -> None:
    """A table of what could not be filled, for who has not watched."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    failed = [one for one in done if one.error is not None]
    if not failed:
        return
    table = Table("picture", "tries", "why", title="not filled")
    for one in failed:
        table.add_row(Text(one_line(one.task.picture.name)), str(one.tries), Text(one_line(str(one.error))))
    Console(stderr=True).print(table)
