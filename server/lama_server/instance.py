"""The server's place in the user's runtime folder: who holds it, and the file by which clients find it."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from lama_core.client.connection.launch import LAUNCH_FILE
from lama_core.client.connection.runtime import SERVER_FILE, RuntimeFile, read_private, read_runtime_file
from lama_core.client.errors import LamaFillError
from lama_core.client.files import is_full, make_own_folder, write_atomically
from lama_server.lock import Lock

LOCK_NAME = "server.lock"
PORT_FILE = "port.json"
"""Keeps the port for the next server."""


class RuntimeFolderError(LamaFillError):
    """The runtime folder cannot be used; the message says why and what to do."""


class InstanceLock:
    """At most one process holds it. Only the holder writes or removes the runtime file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / SERVER_FILE
        self._lock = Lock(folder / LOCK_NAME)
        self._published: RuntimeFile | None = None

    def acquire(self) -> bool:
        """Hold the place from now on; False when another process holds it.

        Raises:
            RuntimeFolderError: when the folder cannot be made, is not this user's, or lets others write.
        """
        try:
            make_own_folder(self.folder)
            _check_private(self.folder)
            if not self._lock.acquire():
                return False
            self._remove_stale()
        except OSError as error:
            raise _unusable(
                self.folder, "used", error, "set LAMA_FILL_RUNTIME_DIR to a folder of your own"
            ) from error
        return True

    def _remove_stale(self) -> None:
        """Nobody must take a dead server's file for this one's while this one starts."""
        try:
            self._file.unlink(missing_ok=True)
        except OSError as error:
            self._lock.release()
            raise _unusable(self._file, "replaced", error, "remove what is there") from error

    def publish(self, file: RuntimeFile, command: Sequence[str]) -> None:
        """Say where this server is, and with which command a client can start the next one."""
        # The command first: who finds the server may rely on both.
        self._write(LAUNCH_FILE, {"command": list(command)})
        self._write(PORT_FILE, {"port": file.port})
        self._write(SERVER_FILE, asdict(file))
        self._published = file

    def last_port(self) -> int:
        """The port of the server before; 0 when there was none."""
        try:
            port = json.loads(read_private(self.folder / PORT_FILE) or b"{}")["port"]
        except (LamaFillError, ValueError, KeyError, TypeError):
            return 0
        return port if type(port) is int and 0 < port < 65536 else 0

    def _write(self, name: str, content: dict[str, object]) -> None:
        """Write a file whole or not at all, for this user's eyes only."""
        path = self.folder / name
        try:
            write_atomically(path, json.dumps(content).encode(), mode=0o600)
        except OSError as error:
            raise _unusable(path, "written", error, "remove what is there") from error

    def release(self) -> None:
        """Remove the runtime file if it is still the published one, and let go of the place."""
        if self._published is not None and find_server(self.folder) == self._published:
            with contextlib.suppress(OSError):
                self._file.unlink()
        self._published = None
        self._lock.release()


def find_server(folder: Path) -> RuntimeFile | None:
    """What the runtime file says; None when there is none, or nothing that can be a server's."""
    try:
        return read_runtime_file(folder)
    except LamaFillError:
        return None


def _unusable(path: Path, done: str, error: OSError, remedy: str) -> RuntimeFolderError:
    """What cannot be done with a path, why, and what the user can do about it."""
    remedy = "make room on that disk, then try again" if is_full(error) else remedy
    return RuntimeFolderError(f"{path}: cannot be {done} ({error.strerror or error}); {remedy}")


def _check_private(folder: Path) -> None:
    """Whoever may write in the folder may put a server of their own in our place."""
    if sys.platform == "win32":
        return  # the user's own folders are private there by inheritance
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise RuntimeFolderError(
            f"{folder}: belongs to another user; set LAMA_FILL_RUNTIME_DIR to a folder of your own"
        )
    if stat.S_IMODE(found.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise RuntimeFolderError(f"{folder}: others may write in it; run: chmod go-w '{folder}'")
