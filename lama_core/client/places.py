"""The folders and files of an installation, and the environment variables that move them.

The state folder is looked up in a way that gives the same answer inside and outside of a Flatpak or Snap,
whatever they do to the environment: the home folder is that of the user database, not $HOME, and the XDG
variables are not consulted, because a sandbox points them elsewhere. The other folders are the server's
alone, and are where each system has them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lama_core.client.errors import LamaFillError
from lama_core.client.files import make_own_folder

CONFIG_VARIABLE: Final = "LAMA_FILL_CONFIG"
RUNTIME_DIR_VARIABLE: Final = "LAMA_FILL_RUNTIME_DIR"
DATA_DIR_VARIABLE: Final = "LAMA_FILL_DATA_DIR"
CACHE_DIR_VARIABLE: Final = "LAMA_FILL_CACHE_DIR"
COMMAND_VARIABLE: Final = "LAMA_FILL_COMMAND"
SERVER_VARIABLE: Final = "LAMA_FILL_SERVER"

PLACES: Final[Mapping[str, str]] = {
    CONFIG_VARIABLE: "the configuration file, instead of the one in the user's configuration folder",
    RUNTIME_DIR_VARIABLE: "folder of the runtime file `server.json`, the server's lock and the logs, instead "
    "of the user's state folder; editors must see the same value",
    DATA_DIR_VARIABLE: "folder of the installed models, instead of `lama-fill` in the user's data folder",
    CACHE_DIR_VARIABLE: "folder of what loading a model leaves for the next time, instead of `lama-fill` in "
    "the user's cache folder; it may be deleted",
    COMMAND_VARIABLE: "command line of `lama-fill` with which editors start the server, instead of the "
    "installed one",
    SERVER_VARIABLE: "address of the shared server that editors and the command line use, instead of the one "
    "that `lama-fill login` has set; `local` is this machine's own",
}
"""Every variable that names a place, and what it is, as the documentation has it."""

_FOLDERS: Final = (RUNTIME_DIR_VARIABLE, DATA_DIR_VARIABLE, CACHE_DIR_VARIABLE)


class PlaceError(LamaFillError):
    """There is no folder for something, and none was named."""


def home_folder() -> Path:
    """The user's home folder by the user database, by the environment where there is none.

    Raises:
        PlaceError: neither knows one.
    """
    if sys.platform != "win32":
        import pwd  # not on Windows

        try:
            return Path(pwd.getpwuid(os.getuid()).pw_dir)
        except KeyError:
            pass  # a container's user need not be in it
    try:
        return Path.home()
    except RuntimeError:
        raise PlaceError(
            f"this user has no home folder: name one for each of {', '.join(_FOLDERS)} in the environment"
        ) from None


def absolute_variables() -> dict[str, str]:
    """The variables that name folders and files, where they are set, for a process with another folder."""
    chosen = {name: os.environ.get(name) for name in (CONFIG_VARIABLE, *_FOLDERS)}
    return {name: os.path.abspath(value) for name, value in chosen.items() if value}


def working_folder() -> Path:
    """Where processes of ours work: a folder with files of ours alone, made here if need be.

    Python looks for modules in the folder that it is started in, unless it is told not to, which Python 3.10
    cannot be.
    """
    try:
        folder = state_folder()
        make_own_folder(folder)
    except (OSError, PlaceError):
        return Path(os.path.abspath(os.sep))
    return folder


def state_folder() -> Path:
    """The folder that the server keeps `server.json` in. It need not exist."""
    chosen = os.environ.get(RUNTIME_DIR_VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else home_folder() / "AppData" / "Local") / "lama-fill"
    if sys.platform == "darwin":
        return home_folder() / "Library" / "Application Support" / "lama-fill"
    return home_folder() / ".local" / "state" / "lama-fill"


def data_folder() -> Path:
    """The folder that holds the installed models' folder. It need not exist."""
    return _folder(DATA_DIR_VARIABLE, "user_data_dir")


def cache_folder() -> Path:
    """The folder of what may be deleted at any time. It need not exist."""
    return _folder(CACHE_DIR_VARIABLE, "user_cache_dir")


def _folder(variable: str, kind: str) -> Path:
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen).absolute()
    import platformdirs  # the server's side alone has it, and it costs as much as the rest of a start

    try:
        folder = Path(getattr(platformdirs, kind)("lama-fill", appauthor=False))
    except RuntimeError:  # there is no home folder by the environment; older versions give "~/..." then
        folder = Path("~")
    if not folder.is_absolute():
        folder = home_folder() / (".cache" if kind == "user_cache_dir" else ".local/share") / "lama-fill"
    return folder
