"""Starting the server from inside an editor: finding the command, and running it free of the editor.

What starts is `COMMAND serve --started-by-client`, in a session of its own, without a window, and
without what the editor put into its environment for itself: an editor's PYTHONHOME or LD_LIBRARY_PATH
breaks another Python.

Where the operating system holds a port for the server (`lama-fill service install`), a connection has it
start the server. That works from inside a sandbox too.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from lama_core.client import places
from lama_core.client.connection import runtime
from lama_core.client.connection.errors import SandboxError, ServerStartError
from lama_core.client.protocol.auth import LOOPBACK

LAUNCH_FILE: Final = "launch.json"
ACTIVATION_FILE: Final = "autostart.json"
"""Beside it: `{"port": N}`, where the operating system waits for a connection."""
ACTIVATION_SECONDS: Final = 5.0
SAFE_PATH: Final = {"PYTHONSAFEPATH": "1"}
"""Has Python (3.11 and later) leave the current folder out of its path, in a process and its children."""
SERVE: Final = ("serve", "--started-by-client")

_FOREIGN_PREFIXES: Final = (
    "PYTHON", "LD_", "DYLD_", "GI_", "GIO_", "GDK_", "GTK_", "GSETTINGS_", "GST_", "GIMP", "GEGL", "BABL",
    "KRITA", "QT_", "QML", "APPIMAGE", "APPDIR", "_MEIPASS", "_PYI", "VIRTUAL_ENV", "CONDA",
)  # fmt: skip
"""Beginnings of the names of variables that an editor sets for its own libraries and interpreter."""


def sandbox() -> str:
    """The name of the sandbox that this program may not start others from, "" outside of one."""
    if os.path.exists("/.flatpak-info"):
        return "Flatpak"
    if os.environ.get("SNAP") and os.environ.get("SNAP_NAME"):
        return "Snap"
    return ""


def split_command(line: str) -> list[str]:
    """The words of a command line that a person wrote; on Windows all of it is the program's path.

    Raises `ServerStartError`.
    """
    try:
        return shlex.split(line) if sys.platform != "win32" else [line]
    except ValueError as error:
        raise ServerStartError(
            f"the command of the LaMa Fill server cannot be read ({error}): {line}"
        ) from None


def find_command(folder: Path) -> list[str]:
    """The command line of `lama-fill`.

    By $LAMA_FILL_COMMAND; by `launch.json` in the state folder, which the server writes (`{"command":
    [...]}`); by PATH; by the places where installers put it. Raises `ServerStartError`.
    """
    chosen = os.environ.get(places.COMMAND_VARIABLE)
    if chosen:
        return split_command(chosen)
    recorded = _recorded_command(folder)
    if recorded:
        return recorded
    found = shutil.which("lama-fill")
    if found:
        return [found]
    for path in _usual_places():
        if os.access(path, os.X_OK):
            return [str(path)]
    raise ServerStartError(
        "`lama-fill` was not found: install LaMa Fill's server, or start it with `lama-fill serve`"
    )


def _recorded_command(folder: Path) -> list[str]:
    content = runtime.read_private(folder / LAUNCH_FILE)
    if content is None:
        return []
    try:
        fields: Any = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return []
    command = fields.get("command") if isinstance(fields, dict) else None
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        return []
    # It outlives an installation that was removed.
    return command if os.path.isabs(command[0]) and os.access(command[0], os.X_OK) else []


def _usual_places() -> list[Path]:
    try:
        home = places.home_folder()
    except places.PlaceError:
        return []
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return [
            local / "Programs" / "lama-fill" / "Scripts" / "lama-fill.exe",
            home / ".local" / "bin" / "lama-fill.exe",
        ]
    usual = [
        home / ".local" / "bin" / "lama-fill",
        home / ".local" / "share" / "lama-fill" / "venv" / "bin" / "lama-fill",
        Path("/usr/local/bin/lama-fill"),
        Path("/usr/bin/lama-fill"),
    ]
    if sys.platform == "darwin":
        usual += [
            home / "Library" / "Application Support" / "lama-fill" / "venv" / "bin" / "lama-fill",
            Path("/opt/homebrew/bin/lama-fill"),
        ]
    return usual


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without what an editor set for itself."""
    cleaned = {
        name: value for name, value in environment.items() if not name.upper().startswith(_FOREIGN_PREFIXES)
    }
    # An AppImage and the editors of Windows and macOS put folders with their own libraries on the PATH.
    own = [environment.get("APPDIR", "")]
    if sys.platform in ("win32", "darwin"):
        own.append(str(Path(sys.executable).parent.parent))
    own = [folder.rstrip(os.sep) + os.sep for folder in own if folder]
    entries = cleaned.get("PATH", "").split(os.pathsep)
    kept = [entry for entry in entries if not any((entry + os.sep).startswith(folder) for folder in own)]
    cleaned["PATH"] = os.pathsep.join(kept)
    return cleaned


class Starter:
    """A server that was started. It lives on when this process ends."""

    def __init__(self, command: Sequence[str]) -> None:
        """Raises `ServerStartError` when there is no such program."""
        # A file instead of a pipe: the server outlives whoever would read from one.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        try:
            process = subprocess.Popen(
                [*command, *SERVE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                # Else a file of the user's called random.py would be run in place of Python's own.
                env=clean_environment(os.environ) | places.absolute_variables() | SAFE_PATH,
                cwd=places.working_folder(),
                **_detached(),
            )
        except (OSError, ValueError) as error:
            self._errors.close()
            raise ServerStartError(
                f"{command[0]} could not be started ({error}): start the server with `lama-fill serve`"
            ) from None
        self._process = process
        # Takes its exit status when it ends, so that no zombie stays in an editor that runs for days.
        threading.Thread(target=process.wait, name="lama-fill server", daemon=True).start()

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs. 0 means that another server runs already."""
        return self._process.returncode

    def stderr_tail(self) -> str:
        """The last line of what it wrote to its standard error."""
        self._errors.seek(0)
        lines = self._errors.read(runtime.MAX_FILE_BYTES).decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """Forget about it; it goes on."""
        self._errors.close()


def _detached() -> dict[str, Any]:
    if sys.platform == "win32":
        flags = (
            subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        )
        return {"creationflags": flags}
    return {"start_new_session": True}


class ActivatedServer:
    """A server that the operating system was asked to start. A `Starter` that never says how it went.

    As that of one which found another server there: connect again, if nothing is there after a while.
    """

    status: int | None = 0

    def stderr_tail(self) -> str:
        return ""

    def close(self) -> None:
        pass


def trigger_activation(folder: Path) -> bool:
    """Have the operating system start the server; False when it does not wait for that.

    Nothing is said there: whoever has the port learns only that somebody would like to fill.
    """
    content = runtime.read_private(folder / ACTIVATION_FILE)
    try:
        port: Any = json.loads(content or b"{}").get("port")
        if type(port) is not int or not 0 < port < 65536:
            return False
        socket.create_connection((LOOPBACK, port), timeout=ACTIVATION_SECONDS).close()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
    return True


def start(folder: Path, command: Sequence[str] = ()) -> Starter | ActivatedServer:
    """Have a server started, by `command` where the operating system does not do it.

    Empty: by what `find_command` finds. Raises `ServerStartError`.
    """
    if trigger_activation(folder):
        return ActivatedServer()
    name = sandbox()
    if name:
        raise SandboxError(
            f"the LaMa Fill server is not running, and a {name} cannot start it: "
            "run `lama-fill service install` once in a terminal, which starts it with your session"
        )
    return Starter(command or find_command(folder))
