"""What `lama-fill models download` shows, asks, and does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.download import Policy, Progress, Wanted, check_file, download
from lama_cli.known_models import KNOWN, KnownModel, find_known
from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.model.installed.registry import InstalledModel

POLICY = Policy()
_MB = 1e6


class AnswerError(LamaFillError):
    """Nobody is there to be asked."""


def print_known() -> None:
    """The models that can be downloaded by name."""
    for model in KNOWN:
        say(f"{model.name:<24} {model.size / _MB:.0f} MB, {model.about}")
    say()
    say("install one with: lama-fill models download NAME")


def offer(
    name: str, *, file: Path | None, folder: Path | None, replace: bool, agreed: bool
) -> InstalledModel | None:
    """Say what the model is, ask, fetch it, and install it; None when the answer was no.

    `file`: what was fetched in another way; it is checked and not asked about. `folder`: where to keep what
    is downloaded; None: nowhere. `agreed`: do not ask.
    """
    from lama_core.model.installed import importing, registry

    known = find_known(name)
    if not replace and any(model.name == name for model in registry.list_models()):
        raise registry.ModelNameError(f"a model {name} is installed already; --replace fetches it again")
    wanted = Wanted(name=known.file, size=known.size, sha256=known.sha256, mirrors=known.mirrors)
    show(name)
    if file is not None:
        check_file(file, wanted)
        return importing.import_model(file, name=name, origin=known.mirrors[0], replace=replace)
    if not agreed and not _ask("Download it?"):
        return None
    temporary = registry.models_folder().parent / "downloads"
    with _progress(known) as progress:
        # What is installed takes as much room again.
        path = download(wanted, folder or temporary, progress=progress, policy=POLICY, room_after=known.size)
    say("installing...")
    model = importing.import_model(path, name=name, origin=known.mirrors[0], replace=replace)
    if folder is None:
        path.unlink()
        if not any(temporary.iterdir()):
            temporary.rmdir()
    return model


def show(name: str) -> None:
    """Say what a model is, how large, from where, and under which licence."""
    known = find_known(name)
    say(f"{known.name}: {known.about}")
    say(f"  size     {known.size / _MB:.0f} MB")
    say(f"  origin   {known.origin}")
    say(f"  from     {known.mirrors[0]}")
    say(f"  SHA-256  {known.sha256}")
    say(f"  licence  {known.licence}")


def _ask(question: str) -> bool:
    if not sys.stdin.isatty():
        raise AnswerError("nobody is there to be asked: add --yes to download it")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


@contextmanager
def _progress(known: KnownModel) -> Iterator[Progress]:
    """A bar in a terminal, a line for each tenth elsewhere."""
    if not sys.stdout.isatty():
        yield _lines(known)
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns) as bar:
        task = bar.add_task(known.name, total=known.size)
        yield lambda done, size: bar.update(task, completed=done, total=size)


def _lines(known: KnownModel) -> Progress:
    said = -1

    def show(done: int, size: int) -> None:
        nonlocal said
        tenth = done * 10 // size
        if tenth != said:
            said = tenth
            say(f"{known.name}: {done / _MB:.0f} of {size / _MB:.0f} MB")

    return show
