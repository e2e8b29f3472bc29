"""Zip archives that may be cut short, damaged, or made to harm."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import CheckpointError, DamagedFileError

# Any of these comes out of zipfile when the bytes are not as they should be; NotImplementedError and
# RuntimeError are how it says "encrypted" and "unknown compression".
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    KeyError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


class Archive:
    """A zip archive, of which members are read at need."""

    def __init__(self, path: Path, label: str) -> None:
        """Open the archive.

        Raises:
            DamagedFileError: it is cut short or damaged.
        """
        self.label = label
        with self._checked("its list of contents"):
            self._zip = zipfile.ZipFile(path)
            self._members = {info.filename: info for info in self._zip.infolist()}

    @property
    def names(self) -> list[str]:
        """All members, folders included, in the archive's order."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Bytes that a member says it has when unpacked."""
        return self._member(name).file_size

    @contextmanager
    def open(self, name: str, *, limit: int | None = None) -> Iterator[zipfile.ZipExtFile]:
        """A member's bytes; reading beyond `limit`, or what is damaged, raises `DamagedFileError`."""
        info = self._member(name)
        # Other methods are never used for weights, and some let a few bytes ask for gigabytes of memory.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedFileError(f"{self.label} is packed in a way that is not supported; unpack it first")
        if limit is not None and info.file_size > limit:
            raise DamagedFileError(
                f"{self.label} is damaged: {one_line(name)} says it has {info.file_size} bytes"
            )
        with self._checked(one_line(name)), self._zip.open(info) as stream:
            yield cast("zipfile.ZipExtFile", stream)

    def read(self, name: str, *, limit: int) -> bytes:
        """All bytes of a small member."""
        with self.open(name, limit=limit) as stream:
            return stream.read(limit + 1)

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise DamagedFileError(f"{self.label} is damaged: {one_line(name)} is missing")
        return self._members[name]

    @contextmanager
    def _checked(self, what: str) -> Iterator[None]:
        try:
            yield
        except _ZIP_ERRORS as error:
            raise DamagedFileError(
                f"{self.label} is cut short or damaged ({what} cannot be read): fetch it again"
            ) from error
        except OSError as error:
            raise CheckpointError(f"{self.label} cannot be read: {error.strerror or error}") from error
