"""One file for a bug report: what was found, the versions, the end of the log, and nobody's name."""

from __future__ import annotations

import contextlib
import getpass
import importlib.metadata
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from lama_cli.doctor.checks import Finding
from lama_core.client.places import PlaceError, home_folder, state_folder
from lama_server.instance import find_server
from lama_server.logs import LOG_NAME

_PACKAGES = (
    "lama-fill", "lama-fill-kernels", "torch", "numpy", "safetensors", "pyvips", "websockets", "msgpack",
    "platformdirs", "rich",
)  # fmt: skip
_LOG_BYTES = 20_000


def report(findings: Sequence[Finding]) -> str:
    """The text of the file."""
    lines = ["LaMa Fill: report of `lama-fill doctor`", ""]
    lines += [f"{'ok  ' if one.ok else 'FAIL'} {one.name}: {one.about}" for one in findings]
    lines += ["", "Packages"]
    lines += [f"  {name} {_version(name)}" for name in _PACKAGES]
    lines += ["", "Variables"]
    lines += [
        f"  {name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("LAMA_FILL_")
    ]
    lines += ["", "The end of the log", _end_of(state_folder() / LOG_NAME)]
    return anonymous("\n".join(lines)) + "\n"


def anonymous(text: str) -> str:
    """`text` without the home folder, the names of user and machine, and the server's token."""
    running = find_server(state_folder())
    if running is not None:
        text = text.replace(running.token, "TOKEN")
    # Anything else that looks like one, such as an earlier server's.
    text = re.sub(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])", "TOKEN", text)
    homes = set()
    for find in (home_folder, Path.home):
        with contextlib.suppress(PlaceError, RuntimeError):  # a container's user need not have one
            homes |= {str(find()), os.path.realpath(find())}
    for home in sorted(homes - {"/", "\\"}, key=len, reverse=True):
        for form in (home, home.replace("\\", "\\\\"), home.replace("\\", "/")):
            text = re.sub(re.escape(form) + r"(?![\w-])", "~", text, flags=re.IGNORECASE)
    for name, word in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        # A user called `torch` would make nonsense of the rest, one letter even more so.
        if len(name) > 1:
            text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", word, text, flags=re.IGNORECASE)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return ""


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "is missing"


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return "(there is none)"
