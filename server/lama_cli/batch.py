"""Filling many pictures: one is read and one is written while another is filled."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from lama_cli.filling import FillReport
from lama_cli.pictures import Picture, check_output, read_mask, read_picture, write_picture
from lama_cli.pictures.transparency import transparent_hole
from lama_core.client.errors import LamaFillError
from lama_core.client.options import FillOptions
from lama_core.fill import FillPlan, plan_fill

if TYPE_CHECKING:
    from lama_cli.filler import Filler

#: Endings of what is taken for a picture; what is in the file decides how it is read.
SUFFIXES: Final = (".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".webp", ".tif", ".tiff")

#: A file beside a picture is its mask when it is called so after the picture's name: `_mask`, `-mask`, and
#: with a number behind them, as LaMa's own tools name them.
_MASK_OF: Final = re.compile(r"(?P<picture>.+)[_-]mask\d*", re.IGNORECASE)


class BatchError(LamaFillError):
    """There is nothing to do in these folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A picture to fill. Without a mask the hole is what is transparent in it."""

    picture: Path
    mask: Path | None
    output: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How it went: what the fill says of itself, or why there is none."""

    task: Task
    report: FillReport | None
    error: LamaFillError | None
    note: str = ""
    """One line about what of the file is not kept, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    task: Task
    picture: Picture
    plan: FillPlan


def find_tasks(folder: Path, *, masks: Path | None, output: Path, ending: str | None = None) -> list[Task]:
    """The pictures of a folder, by name, each with its mask.

    Args:
        folder: of the pictures; what is in folders inside it is not looked at.
        masks: a folder with a mask of the same name for each picture, whatever its ending; None: masks lie
            beside the pictures as NAME_mask.png, or a picture's transparent part is its hole.
        output: the folder for the filled ones.
        ending: the ending of their names, with its dot; None: as the picture's.

    Raises:
        BatchError: a folder is missing, there is no picture, or two would be written to the same place.
    """
    for place in (folder, masks):
        if place is not None and not place.is_dir():
            raise BatchError(f"{place} is not a folder: give the folder of the pictures, and of their masks")
    if output.exists() and output.samefile(folder):
        raise BatchError(f"{output} is the folder of the pictures themselves: choose another with -o")
    files = _pictures(folder)
    of_picture: dict[str, Path] = {}
    names = {path.stem for path in files}
    beside = []
    for path in files if masks is None else _pictures(masks):
        match = _MASK_OF.fullmatch(path.stem)
        if match is not None and match["picture"] in names:
            of_picture.setdefault(match["picture"], path)
            beside.append(path)
        elif masks is not None:
            of_picture[path.stem] = path
    tasks = [
        Task(
            picture=path,
            mask=of_picture.get(path.stem),
            output=output / (path.stem + (ending or path.suffix)),
        )
        for path in files
        if path not in beside
    ]
    if not tasks:
        raise BatchError(f"no pictures in {folder}: it needs PNG, JPEG, WebP or TIFF files")
    places: dict[Path, Path] = {}
    for task in tasks:
        other = places.setdefault(task.output, task.picture)
        if other != task.picture:
            raise BatchError(
                f"{other} and {task.picture} would both be written to {task.output}: rename one of them"
            )
    return tasks


def run_batch(
    tasks: Sequence[Task],
    fillers: Sequence[Filler],
    options: FillOptions,
    *,
    max_pixels: int,
    tell: Callable[[Done], None],
    transfer_of_files: bool = False,
) -> float:
    """Fill them all. What goes wrong with one of them is told and does not stop the others.

    At most two pictures for each filler wait to be filled, and as many to be written, so the memory that is
    taken does not grow with their number.

    Args:
        tasks: what to fill.
        fillers: one or more, each used by one thread at a time; of a server's several, one picture is sent
            while another is filled.
        options: how.
        max_pixels: larger pictures are refused.
        tell: called for each picture when it is written or has failed, in their order.
        transfer_of_files: take each picture's numbers as its file says, whatever the options.

    Returns:
        Seconds from the first picture's reading to the last one's end on the disk.
    """
    free: SimpleQueue[Filler] = SimpleQueue()
    for filler in fillers:
        free.put(filler)

    def load(task: Task) -> _Loaded:
        picture = read_picture(task.picture, max_pixels=max_pixels)
        if task.mask is None:
            hole = transparent_hole(picture, task.picture)
        else:
            hole = read_mask(task.mask, picture=picture, max_pixels=max_pixels)
        how = replace(options, transfer=picture.transfer) if transfer_of_files else options
        plan = plan_fill(picture.pixels, hole, how)
        task.output.parent.mkdir(parents=True, exist_ok=True)
        check_output(
            task.output,
            picture.pixels,
            changed=[window.written for window in plan.windows],
            extra_channels=picture.extra_channels,
        )
        return _Loaded(task=task, picture=picture, plan=plan)

    def filled(reading: Future[_Loaded]) -> tuple[_Loaded, FillReport]:
        loaded = reading.result()
        filler = free.get()
        try:
            return loaded, filler(loaded.plan, _silent)
        finally:
            free.put(filler)

    def written(filling: Future[tuple[_Loaded, FillReport]]) -> tuple[FillReport, str]:
        loaded, report = filling.result()
        loaded.task.output.parent.mkdir(parents=True, exist_ok=True)
        write_picture(loaded.picture, loaded.task.output)
        return report, loaded.picture.note

    begin = time.perf_counter()
    ahead = 2 * len(fillers)
    with (
        ThreadPoolExecutor(1, "read") as readers,
        ThreadPoolExecutor(len(fillers), "fill") as hands,
        ThreadPoolExecutor(1, "write") as writers,
    ):
        waiting: deque[tuple[Task, Future[tuple[FillReport, str]]]] = deque()
        try:
            for task in tasks:
                reading = readers.submit(load, task)
                waiting.append((task, writers.submit(written, hands.submit(filled, reading))))
                if len(waiting) > ahead:
                    tell(_outcome(*waiting.popleft()))
            while waiting:
                tell(_outcome(*waiting.popleft()))
        except BaseException:
            for pool in (readers, hands, writers):
                pool.shutdown(wait=False, cancel_futures=True)
            raise
    return time.perf_counter() - begin


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _outcome(task: Task, work: Future[tuple[FillReport, str]]) -> Done:
    """How it went; whatever went wrong is this picture's line, and the others go on."""
    error = work.exception()
    if error is None:
        report, note = work.result()
        return Done(task=task, report=report, error=None, note=note)
    if isinstance(error, LamaFillError):
        return Done(task=task, report=None, error=error)
    if isinstance(error, OSError):
        reason = f"{task.output} cannot be written ({error.strerror or error}): choose another folder with -o"
    elif isinstance(error, Exception):
        reason = f"{task.picture} could not be filled ({type(error).__name__}: {error}): please report it"
    else:
        raise error
    return Done(task=task, report=None, error=BatchError(reason))


def _silent(stage: str, fraction: float) -> None:
    pass
