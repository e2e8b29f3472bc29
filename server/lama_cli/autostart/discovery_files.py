"""What clients find in the state folder before a server ever ran: which to start, or which port starts it."""

from __future__ import annotations

import json
import random
import socket
import sys
from pathlib import Path

from lama_cli.autostart.base import AutostartError
from lama_core.client.connection.launch import ACTIVATION_FILE, LAUNCH_FILE
from lama_core.client.files import make_own_folder, write_atomically
from lama_core.client.protocol.auth import LOOPBACK

# Below what systems give to outgoing connections, where any program may be by the next login.
_PORTS = range(20_000, 30_000)


def write_door(folder: Path, port: int) -> None:
    """Say to which port to connect so that the system starts the server. Raises `AutostartError`."""
    _write(folder, ACTIVATION_FILE, {"port": port})


def remove_door(folder: Path) -> None:
    """No client needs to connect to that port any more."""
    (folder / ACTIVATION_FILE).unlink(missing_ok=True)


def record_command(folder: Path) -> None:
    """Have clients start this installation's server. Raises `AutostartError`."""
    _write(folder, LAUNCH_FILE, {"command": [sys.executable, "-m", "lama_cli"]})


def _write(folder: Path, name: str, content: dict[str, object]) -> None:
    path = folder / name
    try:
        make_own_folder(folder)
        write_atomically(path, json.dumps(content).encode(), mode=0o600)
    except OSError as error:
        raise AutostartError(f"{path} cannot be written ({error.strerror or error})") from error


def free_port() -> int:
    """A port that nobody has. Raises `AutostartError`."""
    for port in random.sample(_PORTS, 100):
        if is_free(port):
            return port
    raise AutostartError("no free port was found: set one with `port` in config.toml")


def is_free(port: int) -> bool:
    """Whether nobody has the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        try:
            attempt.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
