"""The files that a run goes on from.

A run's state is one file, `last.pt`, or, where files may not be large, numbered parts of one:
`last-00012000.1of3` and so on. Parts of different saves have different names, so a save that is interrupted
leaves the one before whole.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lama_core.client.errors import LamaFillError
from lama_core.client.files import write_atomically

WHOLE = "last.pt"
_PART = re.compile(r"last-(\d{8})\.(\d+)of(\d+)", re.ASCII)

State = Mapping[str, Any]


class StateError(LamaFillError):
    """A run's state cannot be written or read."""


def write_state(state: State, folder: Path, *, step: int, part_bytes: int | None = None) -> None:
    """Write a state, and then remove the one before.

    Args:
        state: dictionaries, lists, numbers, strings and tensors.
        folder: of the run; it exists.
        step: how many steps are done; it names the parts.
        part_bytes: no file is larger than this; None: one file.

    Raises:
        StateError: the folder cannot be written to.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    content = stream.getbuffer()
    old = _parts(folder)
    if part_bytes is None or len(content) <= part_bytes:
        names = [WHOLE]
        part_bytes = max(1, len(content))
    else:
        count = -(-len(content) // part_bytes)
        names = [f"last-{step:08}.{number}of{count}" for number in range(1, count + 1)]
    try:
        for number, name in enumerate(names):
            part = content[number * part_bytes : (number + 1) * part_bytes]
            write_atomically(folder / name, part, fsync=True)
        for path in {*old, folder / WHOLE} - {folder / name for name in names}:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(f"{folder} cannot be written to ({error.strerror or error})") from error


def find_state(folder: Path) -> tuple[Path, ...]:
    """The file or the parts of the newest whole state in a run's folder; nothing where there is none."""
    found: dict[tuple[str, ...], int] = {}
    sets: dict[str, list[Path]] = {}
    for path in _parts(folder):
        match = _PART.fullmatch(path.name)
        if match is not None:
            sets.setdefault(f"{match[1]} of {match[3]}", []).append(path)
    for name, paths in sets.items():
        if len(paths) == int(name.rpartition(" ")[2]):
            paths.sort(key=lambda path: int(path.name.rpartition(".")[2].partition("of")[0]))
            found[tuple(map(str, paths))] = max(path.stat().st_mtime_ns for path in paths)
    if (folder / WHOLE).is_file():
        found[(str(folder / WHOLE),)] = (folder / WHOLE).stat().st_mtime_ns
    if not found:
        return ()
    return tuple(Path(path) for path in max(found, key=lambda paths: found[paths]))


def read_state(paths: tuple[Path, ...]) -> dict[str, Any]:
    """Read a state from its file or its parts, onto the CPU.

    Raises:
        StateError: they are not a saved state.
    """
    try:
        content = b"".join(path.read_bytes() for path in paths)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError("not a dictionary")
    except Exception as error:  # a damaged file fails in torch in any way
        raise StateError(f"{paths[0]} is not a run that can be resumed: remove it to start anew") from error
    return state


def _parts(folder: Path) -> list[Path]:
    return [path for path in folder.glob("last-*") if _PART.fullmatch(path.name)]
