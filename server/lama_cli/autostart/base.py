"""What every kind of autostart has in common, and the files that they write.

A file that does not say that it is ours is neither overwritten nor removed.
"""

from __future__ import annotations

import subprocess
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lama_core.client.errors import LamaFillError
from lama_core.client.files import OWN_FILE, make_own_folder, write_atomically
from lama_core.client.text import one_line

MARK = "Written by `lama-fill service install`; `lama-fill service uninstall` removes it."

STAY = ("--preload", "false", "--exit-after", "0")
"""Flags of a server that nothing starts at need: it stays, but holds no model until the first fill."""


class AutostartError(LamaFillError):
    """The operating system did not do as it was told; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How the server is started."""

    command: tuple[str, ...]
    """`... serve --started-by-client`."""
    environment: Mapping[str, str]
    """Variables that it has to have, beside those of the session."""

    def __post_init__(self) -> None:
        """Refuse what not every kind of autostart can write down.

        Raises:
            AutostartError: a control character, or a byte that is no text, in a word or a variable.
        """
        for word in (*self.command, *self.environment, *self.environment.values()):
            if any(unicodedata.category(character) in _UNWRITABLE for character in word):
                raise AutostartError(
                    f"{one_line(word)} has a control character in it, so the system cannot be told to start "
                    "the server: rename that folder, or move it to another one"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the autostart is."""

    installed: bool
    active: bool
    """Whether the system will start the server, or has."""
    about: str
    """In words, with the remedy if something is wrong."""


_UNWRITABLE = ("Cc", "Cs", "Zl", "Zp")
"""Categories of characters: control characters, bytes that are no UTF-8, and Unicode's own line ends."""

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command of the system and returns how it went."""


class Autostart(Protocol):
    """One operating system's way."""

    @property
    def kind(self) -> str:
        """Its name, for people."""

    def plan(self, launch: Launch) -> Mapping[Path, bytes]:
        """The files that `install` would write."""

    def install(self, launch: Launch) -> None:
        """Set it up, and in force now. Again is an upgrade. Raises `AutostartError`."""

    def uninstall(self) -> bool:
        """Take everything back; False when there was nothing. Raises `AutostartError`."""

    def state(self) -> State:
        """Whether it is set up and in force."""

    def start(self) -> None:
        """Put it in force until the session ends. Raises `AutostartError`."""

    def stop(self) -> None:
        """The opposite of `start`, the server included. Raises `AutostartError`."""


def run_command(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of the system; one that is not there has status 127."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def demand(run: Run, *command: str) -> None:
    """Run a command that has to succeed. Raises `AutostartError`."""
    done = run(command)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
        raise AutostartError(f"`{' '.join(command)}` failed: {lines[-1].strip()}")


def write_ours(files: Mapping[Path, bytes]) -> None:
    """Write all of the files, or none. Raises `AutostartError`, also when one is somebody else's."""
    for path in files:
        if path.exists() and not is_ours(path):
            raise AutostartError(f"{path} was not written by lama-fill: move it away, then try again")
    path = Path()
    try:
        for path, content in files.items():
            make_own_folder(path.parent)
            write_atomically(path, content, mode=OWN_FILE)
    except OSError as error:
        raise AutostartError(f"{path} cannot be written ({error.strerror or error})") from error


def remove_ours(paths: Sequence[Path]) -> bool:
    """Remove those that are there and ours; whether there were any. Raises `AutostartError`."""
    found = [path for path in paths if is_ours(path)]
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        raise AutostartError(f"{error.filename} cannot be removed ({error.strerror or error})") from error
    return bool(found)


def is_ours(path: Path) -> bool:
    """Whether a file is there and says that we wrote it."""
    try:
        return MARK.encode() in path.read_bytes().replace(b"\0", b"")  # UTF-16 of it, too
    except OSError:
        return False
