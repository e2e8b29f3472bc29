"""Filling many pictures: one is read and one is written while another is filled."""

from __future__ import annotations

import re
import tempfile
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from lama_cli.filling import FillReport
from lama_cli.pictures import (
    ENDINGS,
    Picture,
    check_mask_size,
    check_output,
    read_mask,
    read_picture,
    write_picture,
)
from lama_cli.pictures.transparency import transparent_hole
from lama_cli.remote_files import delivered, is_remote, local_copy
from lama_core.client.errors import LamaFillError
from lama_core.client.options import FillOptions
from lama_core.fill import FillPlan, plan_fill

if TYPE_CHECKING:
    from lama_cli.filler import Filler

#: Endings of what is taken for a picture; what is in the file decides how it is read.
SUFFIXES: Final = ENDINGS | {".avif"}

#: A file beside a picture is its mask when it is called so after the picture's name: `_mask`, `-mask`, and
#: with a number behind them, as LaMa's own tools name them.
_MASK_OF: Final = re.compile(r"(?P<picture>.+)[_-]mask\d*", re.IGNORECASE)

#: So may the mask of what may be copied be called, in a folder of such masks.
_SOURCE_OF: Final = re.compile(r"(?P<picture>.+)[_-](?:mask|source)\d*", re.IGNORECASE)


class BatchError(LamaFillError):
    """There is nothing to do in these folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A picture to fill. Without a mask the hole is what is transparent in it."""

    picture: Path
    mask: Path | None
    output: Path
    source: Path | None = None
    """The mask of what may be copied into the hole; None: from everywhere."""
    frame: int | None = None
    """Its number in a sequence; None: the picture stands alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is to do in a folder, and a line about each file that is left out."""

    tasks: tuple[Task, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How it went: what the fill says of itself, or why there is none."""

    task: Task
    report: FillReport | None
    error: LamaFillError | None
    note: str = ""
    """One line about what of the file is not kept, or empty."""
    tries: int = 1
    """How many workers had it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A picture that is ready to be filled; without a plan it is filled already."""

    task: Task
    picture: Picture
    plan: FillPlan | None
    note: str


def find_tasks(
    folder: Path,
    *,
    masks: Path | None,
    output: Path,
    ending: str | None = None,
    mask: Path | None = None,
    source: Path | None = None,
) -> Found:
    """The pictures of a folder, by name, each with its mask.

    Args:
        folder: of the pictures; what is in folders inside it is not looked at.
        masks: a folder with a mask of the same name for each picture, whatever its ending; None: masks lie
            beside the pictures as NAME_mask.png, or a picture's transparent part is its hole.
        output: the folder for the filled ones.
        ending: the ending of their names, with its dot; None: as the picture's, and PNG's where that kind is
            only read.
        mask: a file that is the mask of every picture, in place of masks by name.
        source: a folder with masks of what may be copied, by the pictures' names, or a file that is that of
            every picture. A picture without one is filled from everywhere.

    Raises:
        BatchError: a folder or a mask is missing or cannot be read, there is no picture, or two would be
            written to the same place.
    """
    for place in (folder, masks):
        if place is not None and not place.is_dir():
            raise BatchError(f"{place} is not a folder: give the folder of the pictures, and of their masks")
    if output.exists() and _same(output, folder):
        raise BatchError(f"{output} is the folder of the pictures themselves: choose another with -o")
    if mask is not None and not mask.is_file():
        raise BatchError(f"{mask} is not a file: give the mask of all pictures")
    if source is not None and not (source.is_dir() or source.is_file()):
        raise BatchError(f"{source} is not there: give a mask of what may be copied, or a folder of such")
    files, others = _pictures(folder)
    for each in (mask, source):
        if each is not None and each.is_file():
            files = [path for path in files if not _same(path, each)]
    candidates = files
    if masks is not None:
        candidates, more = _pictures(masks)
        others += more
    left_out = [_not_read(path) for path in others]
    names = _Names(path.stem for path in files)
    masks_of, beside, unpaired = _paired(candidates, names, _MASK_OF, by_name=masks is not None)
    left_out += _left_out(masks_of, unpaired, folder, "the mask")
    sources_of: dict[str, list[Path]] = {}
    if source is not None and source.is_dir():
        if _same(source, folder):
            raise BatchError(
                f"{source} is the folder of the pictures themselves: put the masks of what may be copied "
                "into one of their own"
            )
        more, others = _pictures(source)
        left_out += [_not_read(path) for path in others]
        sources_of, _, unpaired = _paired(more, names, _SOURCE_OF, by_name=True)
        left_out += _left_out(sources_of, unpaired, folder, "the mask of what may be copied")
    tasks = [
        Task(
            picture=path,
            mask=mask or next(iter(masks_of.get(path.stem, ())), None),
            output=output / (path.stem + (ending or _own_ending(path))),
            source=source
            if source is not None and not source.is_dir()
            else next(iter(sources_of.get(path.stem, ())), None),
        )
        for path in files
        if path not in beside
    ]
    if not tasks:
        raise BatchError(f"no pictures in {folder}: it needs PNG, JPEG, WebP, AVIF or TIFF files")
    places: dict[Path, Path] = {}
    for task in tasks:
        other = places.setdefault(task.output, task.picture)
        if other != task.picture:
            raise BatchError(
                f"{other} and {task.picture} would both be written to {task.output}: rename one of them"
            )
    return Found(tasks=tuple(tasks), left_out=tuple(left_out))


def _paired(
    candidates: Sequence[Path], names: _Names, marked: re.Pattern[str], *, by_name: bool
) -> tuple[dict[str, list[Path]], set[Path], list[Path]]:
    """The masks of each picture, the best first; those that are called after a picture; those of no picture.

    Args:
        candidates: what may be masks.
        names: of the pictures.
        marked: how a mask is called after a picture.
        by_name: whether a mask may have just the picture's name.
    """
    masks_of: dict[str, list[Path]] = {}
    called: set[Path] = set()
    unpaired = []
    for path in candidates:
        match = marked.fullmatch(path.stem)
        of = None if match is None else names.find(match["picture"])
        if of is not None:
            called.add(path)
        elif by_name:
            of = names.find(path.stem)
            if of is None:
                unpaired.append(path)
        if of is not None:
            masks_of.setdefault(of, []).append(path)
    for name, several in masks_of.items():
        # The one of just the picture's name first.
        several.sort(key=lambda path: (path.stem != name, path in called, path.name))
    return masks_of, called, unpaired


def _left_out(
    masks_of: Mapping[str, Sequence[Path]], unpaired: Iterable[Path], folder: Path, what: str
) -> list[str]:
    """A line about each mask that is not used."""
    lines = [f"{path} is left out: there is no picture of its name in {folder}" for path in unpaired]
    return lines + [
        f"{path} is left out: {used} is {what} of that picture"
        for used, *others in masks_of.values()
        for path in others
    ]


def _not_read(path: Path) -> str:
    return f"{path} is left out: its ending is not that of a picture that is read"


class _Names:
    """Names of pictures, found again by how masks are called.

    Some systems change letters from one Unicode form to the other, or their case, when files are copied.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._exact = set(names)
        self._folded: dict[str, set[str]] = {}
        for name in self._exact:
            self._folded.setdefault(_folded(name), set()).add(name)

    def find(self, name: str) -> str | None:
        """The picture's name; None where there is none, or where several could be meant."""
        if name in self._exact:
            return name
        alike = self._folded.get(_folded(name), set())
        return next(iter(alike)) if len(alike) == 1 else None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _own_ending(path: Path) -> str:
    return path.suffix if path.suffix.lower() in ENDINGS else ".png"


def run_batch(
    tasks: Sequence[Task],
    fillers: Sequence[Filler],
    options: FillOptions,
    *,
    max_pixels: int,
    tell: Callable[[Done], None],
    transfer_of_files: bool = False,
    prepare: Callable[[Loaded], Loaded] | None = None,
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
        prepare: called with each picture when it is read, for what can be filled without a filler.

    Returns:
        Seconds from the first picture's reading to the last one's end on the disk.
    """
    free: SimpleQueue[Filler] = SimpleQueue()
    for filler in fillers:
        free.put(filler)

    def load(task: Task) -> Loaded:
        loaded = load_task(task, options, max_pixels=max_pixels, transfer_of_file=transfer_of_files)
        return loaded if prepare is None else prepare(loaded)

    def filled(reading: Future[Loaded]) -> tuple[Loaded, FillReport]:
        loaded = reading.result()
        if loaded.plan is None:
            return loaded, FillReport(model="", device="", seconds=0.0)
        filler = free.get()
        try:
            return loaded, filler(loaded.plan, _silent)
        finally:
            free.put(filler)

    new: dict[object, Path] = {}

    def written(filling: Future[tuple[Loaded, FillReport]]) -> tuple[FillReport, str]:
        loaded, report = filling.result()
        return report, write_filled(loaded, new)

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


def load_task(task: Task, options: FillOptions, *, max_pixels: int, transfer_of_file: bool) -> Loaded:
    """Read a picture and its masks, and see that what is made of it can be written.

    Args:
        task: what to fill.
        options: how.
        max_pixels: larger pictures are refused.
        transfer_of_file: take the picture's numbers as its file says, whatever the options.

    Raises:
        LamaFillError: it cannot be filled.
    """
    notes: list[str] = []
    _check_not_replaced(task)
    with local_copy(task.picture) as path:
        if task.mask is None:
            picture = read_picture(path, max_pixels=max_pixels)
            hole = transparent_hole(picture, task.picture)
        else:
            with local_copy(task.mask) as mask:
                check_mask_size(mask, path, max_pixels=max_pixels)
                picture = read_picture(path, max_pixels=max_pixels)
                hole = read_mask(mask, picture=picture, max_pixels=max_pixels, notes=notes)
        source = None
        if task.source is not None:
            with local_copy(task.source) as copied:
                check_mask_size(copied, path, max_pixels=max_pixels)
                source = read_mask(copied, picture=picture, max_pixels=max_pixels, notes=notes)
    how = options if task.frame is None else replace(options, frame=task.frame)
    if transfer_of_file:
        how = replace(how, transfer=picture.transfer)
    plan = plan_fill(picture.pixels, hole, how, source)
    task.output.parent.mkdir(parents=True, exist_ok=True)
    # Of one elsewhere it is seen here whether its kind of file can hold the picture.
    output = Path(tempfile.gettempdir()) / task.output.name if is_remote(task.output) else task.output
    check_output(
        output,
        picture.pixels,
        changed=[window.written for window in plan.windows],
        extra_channels=picture.extra_channels,
    )
    note = "; ".join(filter(None, (picture.note, *notes)))
    return Loaded(task=task, picture=picture, plan=plan, note=note)


def write_filled(loaded: Loaded, new: dict[object, Path]) -> str:
    """Write a picture that was filled in place.

    Args:
        loaded: the picture.
        new: the pictures of files that were written, by the files' identity; it gets one more.

    Returns:
        A line about what of the file is not kept, or nothing.

    Raises:
        LamaFillError: it cannot be written.
    """
    output = loaded.task.output
    output.parent.mkdir(parents=True, exist_ok=True)
    # Two names may be one file: some drives do not tell case, or Unicode's two forms of a letter, apart.
    other = new.get(_identity(output)) if new and output.exists() else None
    if other is not None:
        raise BatchError(
            f"{output} is the same file here as what was written for {other}: rename one of them"
        )
    with delivered(output) as path:
        lossy = write_picture(loaded.picture, path)
    new[_identity(output)] = loaded.task.picture
    return "; ".join(filter(None, (loaded.note, lossy)))


def _pictures(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a folder that are pictures by their ending, and the others; hidden ones are neither."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise BatchError(f"{folder} cannot be read: {error.strerror or error}") from error
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    return pictures, [path for path in files if path.suffix.lower() not in SUFFIXES]


def _identity(path: Path) -> object:
    if is_remote(path):
        return str(path)
    found = path.stat()
    return found.st_dev, found.st_ino


def _same(path: Path, other: Path) -> bool:
    """Whether two files that are there are one."""
    if is_remote(path) or is_remote(other):
        return str(path) == str(other)
    return path.samefile(other)


def _check_not_replaced(task: Task) -> None:
    """Raise BatchError where the output is a link to the picture itself or to one of its masks."""
    if not is_remote(task.output) and not task.output.exists():
        return
    for source in (task.picture, task.mask, task.source):
        if source is not None and _same(task.output, source):
            raise BatchError(f"{task.output} is {source} itself: choose another folder with -o")


def _outcome(task: Task, work: Future[tuple[FillReport, str]]) -> Done:
    """How it went; whatever went wrong is this picture's line, and the others go on."""
    error = work.exception()
    if error is None:
        report, note = work.result()
        return Done(task=task, report=report, error=None, note=note)
    return Done(task=task, report=None, error=reason_of(error, task))


def reason_of(error: BaseException, task: Task) -> LamaFillError:
    """What the user is told of a picture that could not be filled; what ends the program is raised again."""
    if isinstance(error, LamaFillError):
        return error
    if isinstance(error, OSError):
        reason = f"{task.output} cannot be written ({error.strerror or error}): choose another folder with -o"
    elif isinstance(error, Exception):
        reason = f"{task.picture} could not be filled ({type(error).__name__}: {error}): please report it"
    else:
        raise error
    return BatchError(reason)


def _silent(stage: str, fraction: float) -> None:
    pass
