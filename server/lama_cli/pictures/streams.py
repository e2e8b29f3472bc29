"""Pictures from pipes and to pipes: standard input, standard output, and whatever else is no plain file."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from lama_cli.pictures.kinds import BEGINNING, find_loader
from lama_cli.pictures.picture import PictureError

#: What stands for standard input, and for standard output.
STREAM: Final = Path("-")
_STANDARD_OUTPUTS: Final = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})


class Inputs:
    """The files that a command reads: what comes from a pipe is put into a temporary file first.

    A picture is read more than once (its kind, its tags, its pixels), and a pipe can be read once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, str] = {}

    def plain(self, path: Path) -> Path:
        """A plain file with what is in `path`, which is `path` itself unless it is a pipe or "-".

        Raises:
            PictureError: nothing comes, it is no picture, or there is no room for it.
        """
        if path != STREAM and not _is_stream(path):
            return path
        name = "standard input" if path == STREAM else str(path)
        if name in self._names.values():
            raise PictureError(f"{name} can be read only once: give the picture or the mask as a file")
        copy = self._folder / f"input-{len(self._names)}"
        self._names[str(copy)] = name
        try:
            with _opened(path) as stream, copy.open("wb") as file:
                # Its beginning says whether it is a picture at all: some devices have no end.
                file.write(stream.read(BEGINNING))
                file.flush()
                find_loader(copy)
                shutil.copyfileobj(stream, file, 1 << 20)
        except OSError as error:
            raise PictureError(f"{name} cannot be read: {error.strerror or error}") from error
        except PictureError as error:
            raise PictureError(self.named(str(error))) from error
        return copy

    def named(self, text: str) -> str:
        """A message that calls the temporary files as the user calls what came through them."""
        for copy, name in self._names.items():
            text = text.replace(copy, name)
        return text


@contextlib.contextmanager
def open_inputs() -> Iterator[Inputs]:
    """Where pipes are put while a command runs.

    Raises:
        PictureError: with the names that the user gave.
    """
    # An editor that ends this process by force leaves the folder to the system's cleaning.
    with tempfile.TemporaryDirectory(prefix="lama-fill-", ignore_cleanup_errors=True) as folder:
        inputs = Inputs(Path(folder))
        try:
            yield inputs
        except PictureError as error:
            raise PictureError(inputs.named(str(error))) from error


def is_stream(path: Path) -> bool:
    """Whether a name stands for standard output or a pipe, to which is written as to no file."""
    return is_standard_output(path) or _is_stream(path)


def is_standard_output(path: Path) -> bool:
    """Whether a name stands for standard output."""
    return str(path) in _STANDARD_OUTPUTS


def write_to_stream(path: Path, data: bytes) -> bool:
    """Write to standard output or to a pipe. Returns False, without writing, where `path` is neither.

    Raises:
        BrokenPipeError: nobody reads it.
        PictureError: it takes no bytes.
    """
    if is_standard_output(path):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return True
    if not _is_stream(path):
        return False
    try:
        with path.open("wb") as stream:
            stream.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}") from error
    return True


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path != STREAM:
        with path.open("rb") as stream:
            yield stream
        return
    if sys.stdin is None or sys.stdin.isatty():
        raise PictureError("standard input is no picture but the keyboard: give a file, or a pipe to -")
    yield sys.stdin.buffer


def _is_stream(path: Path) -> bool:
    """Whether it is there and neither a plain file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
