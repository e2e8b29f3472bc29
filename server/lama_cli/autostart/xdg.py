"""Desktops without systemd: an entry that the session starts at login."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lama_cli.autostart.base import (
    MARK,
    STAY,
    Launch,
    State,
    is_ours,
    remove_ours,
    write_ours,
)

_RESERVED = '"`$\\'


class XdgAutostart:
    """One desktop entry in ~/.config/autostart."""

    kind = "XDG autostart"

    def __init__(self, folder: Path, start: Callable[[], None], stop: Callable[[], None]) -> None:
        """`folder`: the user's autostart folder. `start`, `stop`: start and end the server by hand."""
        self._file = folder / "lama-fill.desktop"
        self._start, self._stop = start, stop

    def plan(self, launch: Launch) -> Mapping[Path, bytes]:
        """The desktop entry."""
        command = [*launch.command, *STAY]
        if launch.environment:
            command = ["env", *(f"{name}={value}" for name, value in launch.environment.items()), *command]
        lines = [
            f"# {MARK}",
            "[Desktop Entry]",
            "Type=Application",
            "Name=LaMa Fill",
            "Comment=The server that fills selections for GIMP and Krita",
            "Exec=" + " ".join(quoted(word) for word in command),
            "Terminal=false",
            "NoDisplay=true",
        ]
        return {self._file: "\n".join([*lines, ""]).encode()}

    def install(self, launch: Launch) -> None:
        write_ours(self.plan(launch))
        self.start()

    def uninstall(self) -> bool:
        if not is_ours(self._file):
            return False
        self._stop()
        return remove_ours([self._file])

    def state(self) -> State:
        installed = is_ours(self._file)
        about = (
            "starts the server with the desktop"
            if installed
            else "not set up; set it up with `lama-fill service install`"
        )
        return State(installed=installed, active=installed, about=about)

    def start(self) -> None:
        self._start()

    def stop(self) -> None:
        self._stop()


def quoted(word: str) -> str:
    """An argument as the Desktop Entry Specification has it read back: first as a string, then as Exec."""
    for character in _RESERVED[::-1]:
        word = word.replace(character, "\\" + character)
    return '"' + word.replace("\\", "\\\\").replace("%", "%%") + '"'
