"""Where a running server is found: `server.json` in the state folder."""

from __future__ import annotations

import json
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lama_core.client.connection.errors import NotTrustedError, ServerNotFoundError
from lama_core.client.places import RUNTIME_DIR_VARIABLE
from lama_core.client.protocol.auth import is_token

SERVER_FILE: Final = "server.json"
MAX_FILE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class RuntimeFile:
    """What `server.json` says. `started`: seconds since 1970."""

    port: int
    pid: int
    version: str
    token: str
    started: float

    def __repr__(self) -> str:
        return f"RuntimeFile(port={self.port}, pid={self.pid}, version={self.version!r})"


def read_private(path: Path) -> bytes | None:
    """The content of a small file that only this user can have written; None when there is no file.

    Raises `NotTrustedError` when it may be somebody else's: another owner, a link, not a plain file, or
    a file that others may write to.
    """
    # A link is not followed and a pipe not waited for.
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise NotTrustedError(
            f"{path} may not be read by this program: set {RUNTIME_DIR_VARIABLE} to a folder that both it "
            "and the server may use"
        ) from None
    except OSError as error:
        raise NotTrustedError(f"{path} cannot be read ({error.strerror}): remove it") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NotTrustedError(f"{path} is not a plain file: remove it")
        if sys.platform != "win32":
            if found.st_uid != os.getuid():
                raise NotTrustedError(f"{path} belongs to another user: remove it")
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise NotTrustedError(f"{path} can be written by other users: remove it")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)


def read_runtime_file(folder: Path) -> RuntimeFile:
    """What the server of this folder wrote.

    Raises `ServerNotFoundError` when there is no file or nothing that a server writes, and
    `NotTrustedError` when it may be somebody else's.
    """
    path = folder / SERVER_FILE
    content = read_private(path)
    if content is None:
        raise ServerNotFoundError("the LaMa Fill server is not running: start it with `lama-fill serve`")
    found = _parse(content)
    if found is None:
        raise ServerNotFoundError(f"{path} is not a server's: start one with `lama-fill serve`")
    return found


def _parse(content: bytes) -> RuntimeFile | None:
    if len(content) > MAX_FILE_BYTES:
        return None
    try:
        fields: Any = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    port, pid, version, token, started = map(fields.get, ("port", "pid", "version", "token", "started"))
    # type(), because a bool is an int.
    if type(port) is not int or not 0 < port < 65536 or type(pid) is not int or pid <= 0:
        return None
    if type(version) is not str or type(token) is not str or not is_token(token):
        return None
    if not isinstance(started, (int, float)):
        return None
    return RuntimeFile(port=port, pid=pid, version=version, token=token, started=float(started))
