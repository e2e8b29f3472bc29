"""What a batch has done, line by line in a file: a batch that was stopped goes on by it, however it ended.

Each line is a JSON map. The first one says with which options the batch fills, each other one how a picture
ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lama_core.client.errors import LamaFillError

_VERSION = 1


class ManifestError(LamaFillError):
    """The manifest is another batch's, or cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How a picture ended. `error` is empty where it was filled; `seconds` are those of its fill."""

    output: str
    picture: str
    error: str
    seconds: float
    worker: str
    tries: int


class Manifest:
    """An open manifest. Lines are only added, each at once; half a line at its end is of no account."""

    def __init__(self, path: Path, *, options: Mapping[str, Any]) -> None:
        """Read what there is, and open it for more.

        Args:
            path: the file; made where it is not there.
            options: how this batch fills, as JSON has it.

        Raises:
            ManifestError: what is there was filled in another way, is no manifest, or cannot be written.
        """
        self.path = path
        self._filled: set[str] = set()
        head = {"lama_fill_batch": _VERSION, "options": json.loads(json.dumps(options))}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
            whole = [line for line in lines if line.endswith(b"\n")]
            self._read(whole, head)
            # A line that a kill has cut is taken back, so that the next one is not added to it.
            self._file = path.open("ab")
            self._file.truncate(sum(map(len, whole)))
            if not whole:
                self._add(head)
        except OSError as error:
            raise ManifestError(
                f"{path} cannot be written ({error.strerror or error}): name another file with --manifest"
            ) from error

    def __contains__(self, output: object) -> bool:
        """Whether an output was written by this batch, as far as the manifest knows."""
        return str(output) in self._filled

    def add(self, entry: Entry) -> None:
        """Note how a picture ended."""
        self._add(asdict(entry))

    def close(self) -> None:
        """Have all of it on the disk."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _add(self, fields: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(fields, ensure_ascii=True).encode() + b"\n")
        self._file.flush()

    def _read(self, lines: list[bytes], head: Mapping[str, Any]) -> None:
        if not lines:
            return
        try:
            first, *others = (json.loads(line) for line in lines)
            if first.get("lama_fill_batch") != _VERSION:
                raise ValueError("not this version's")
            for fields in others:
                (self._filled.discard if fields["error"] else self._filled.add)(fields["output"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(
                f"{self.path} is no manifest of a batch: name another file with --manifest"
            ) from error
        if first != head:
            raise ManifestError(
                f"{self.path} is that of a batch with other options: give the same ones, or --overwrite, or "
                "another folder with -o"
            )
