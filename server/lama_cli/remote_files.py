"""Folders that are not this machine's: URLs of whatever fsspec knows, such as s3://, gs:// and sftp://.

Such a path has pathlib's ways (universal-pathlib), but no library that decodes pictures opens it: a file is
copied here to be read, and what was made is copied there.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from lama_core.client.errors import LamaFillError
from lama_core.client.text import one_line

_HOW_TO_GET = (
    "addresses such as s3://BUCKET/FOLDER need a package that is not installed: pip install 'lama-fill[ray]'"
)


class RemoteFileError(LamaFillError):
    """A file or folder elsewhere cannot be used."""


def parse_place(text: str) -> Path:
    """A path, or the address of a file or folder elsewhere; `file://` is a path too.

    Raises:
        RemoteFileError: nothing is installed that knows such addresses.
    """
    if "://" not in text:
        return Path(text)
    if text.startswith("file://"):
        return Path(text.removeprefix("file://"))
    try:
        from upath import UPath
    except ImportError:
        raise RemoteFileError(_HOW_TO_GET) from None
    try:
        place = UPath(text)
        place.fs  # noqa: B018 - finds out what is missing
    except (ImportError, ValueError) as error:
        raise RemoteFileError(f"{text} cannot be used: {one_line(str(error), 300)}") from error
    return cast(Path, place)


def is_remote(path: Path) -> bool:
    """Whether only copies of the file are here."""
    return not isinstance(path, Path)


@contextlib.contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """The file itself, or a copy of its name that lasts as long as the block.

    Raises:
        RemoteFileError: it cannot be fetched.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lama-fill-") as folder:
        copy = Path(folder) / path.name
        with _named(f"{path} cannot be read"):
            file_system(path).get_file(cast(Any, path).path, str(copy))
        yield copy


@contextlib.contextmanager
def delivered(path: Path) -> Iterator[Path]:
    """Where to write: the path itself, or a place here whose file is copied there when the block ends well.

    There is never half of a file: object stores show one when all of it has come, and elsewhere it gets its
    name then.

    Raises:
        RemoteFileError: it cannot be sent.
    """
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="lama-fill-") as folder:
        copy = Path(folder) / path.name
        yield copy
        with _named(f"{path} cannot be written"):
            system, target = file_system(path), cast(Any, path).path
            if system.protocol in _WHOLE or set(system.protocol) & _WHOLE:
                system.put_file(str(copy), target)
                return
            part = f"{target}.part"
            system.put_file(str(copy), part)
            system.mv(part, target)


_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "az", "memory"}
"""Protocols whose files come into being as a whole."""


def names_in(folder: Path) -> set[str]:
    """The names of what is in a folder, asked for at once; of one that is not there none."""
    try:
        return {path.name for path in folder.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def file_system(path: Path) -> Any:
    """The fsspec file system of a path elsewhere."""
    return cast(Any, path).fs


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each file system has errors of its own
        raise RemoteFileError(f"{what} ({type(error).__name__}: {one_line(str(error), 200)})") from error
