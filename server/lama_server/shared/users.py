"""The users of a shared server: a file with the hashes of their tokens, and their limits."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lama_core.client.errors import LamaFillError
from lama_core.client.files import make_own_folder, write_atomically
from lama_core.client.protocol.user_proof import Verifier, is_user

USERS_FILE: Final = "users.json"
"""In the state folder of the server."""
MAX_USERS: Final = 10_000
_MAX_BYTES: Final = 16 << 20
_MAX_LIMIT: Final = 1 << 20
_KEYS: Final = ("running", "waiting", "memory_mib")


class UsersError(LamaFillError):
    """The file of the users cannot be used, or there is no such user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLimits:
    """What one user may ask for at once.

    Attributes:
        running: fills that are worked on at the same time; 0: as many as there are devices.
        waiting: fills that wait.
        memory_mib: of the pixels of those.
    """

    running: int = 0
    waiting: int = 32
    memory_mib: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user.

    Attributes:
        name: see `is_user`.
        verifier: of the token; None for one who has a client certificate alone.
        certificate: whether a client certificate of this name is as good as the token.
        created: seconds since 1970, of the token.
        limits: those that differ from the server's, by their name in `UserLimits`.
    """

    name: str
    verifier: Verifier | None
    certificate: bool = False
    created: float = 0.0
    limits: Mapping[str, int]

    def limits_of(self, common: UserLimits) -> UserLimits:
        """This user's limits, where the server's are `common`."""
        return replace(common, **self.limits)

    def admits_like(self, other: User | None) -> bool:
        """Whether what proved the other user proves this one."""
        return other is not None and (self.verifier, self.certificate) == (other.verifier, other.certificate)


def read_users(path: Path) -> dict[str, User]:
    """The users by their names; none where there is no file.

    Raises:
        UsersError: the file is not ours alone, or cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsersError(f"{path} cannot be read ({error.strerror or error}): mend or remove it") from error
    with open(descriptor, "rb") as file:
        _check_private(path, os.fstat(file.fileno()))
        content = file.read(_MAX_BYTES + 1)
    try:
        return {user.name: user for user in _parse(content)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsersError(f"{path} is not a file of users: put back a copy of it, or remove it") from error


def _check_private(path: Path, found: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    if found.st_uid != os.getuid():
        raise UsersError(f"{path} belongs to another user: run this as that one, or remove it")
    if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
        raise UsersError(f"{path} can be read by others: run chmod 600 {path}, and rotate all tokens")


def _parse(content: bytes) -> list[User]:
    users = json.loads(content.decode("utf-8"))["users"]
    if len(content) > _MAX_BYTES or len(users) > MAX_USERS:
        raise ValueError
    return [_user(name, fields) for name, fields in users.items()]


def _user(name: str, fields: Mapping[str, Any]) -> User:
    keys = [fields.get(key) for key in ("stored_key", "server_key")]
    limits = {key: fields["limits"][key] for key in _KEYS if key in fields.get("limits", {})}
    certificate, created = fields.get("certificate", False), float(fields.get("created", 0.0))
    if not is_user(name) or type(certificate) is not bool:
        raise ValueError
    if any(type(value) is not int or not 0 <= value <= _MAX_LIMIT for value in limits.values()):
        raise ValueError
    verifier = None
    if keys != [None, None]:
        if any(type(key) is not str or len(bytes.fromhex(key)) != 32 for key in keys):
            raise ValueError
        verifier = Verifier(*map(str, keys))
    return User(name=name, verifier=verifier, certificate=certificate, created=created, limits=limits)


def write_users(path: Path, users: Mapping[str, User]) -> None:
    """Replace the file, for this user's eyes only.

    Raises:
        UsersError: it cannot be written.
    """
    fields = {
        user.name: {
            **({} if user.verifier is None else _keys(user.verifier)),
            "certificate": user.certificate,
            "created": user.created,
            "limits": dict(user.limits),
        }
        for user in users.values()
    }
    content = json.dumps({"version": 1, "users": fields}, indent=1).encode()
    try:
        make_own_folder(path.parent)
        write_atomically(path, content, mode=0o600, fsync=True)
    except OSError as error:
        raise UsersError(
            f"{path} cannot be written ({error.strerror or error}): make room, or choose another "
            "LAMA_FILL_RUNTIME_DIR"
        ) from error


def _keys(verifier: Verifier) -> dict[str, str]:
    return {"stored_key": verifier.stored_key, "server_key": verifier.server_key}


class UserBook:
    """The users as a running server knows them: read again whenever the file has changed."""

    def __init__(self, path: Path, common: UserLimits) -> None:
        """Read the file.

        Args:
            path: of the file of users.
            common: limits of those who have none of their own.

        Raises:
            UsersError: it cannot be used.
        """
        self._path = path
        self._common = common
        self._seen = self._stamp()
        self._users = read_users(path)

    def __len__(self) -> int:
        return len(self._users)

    def find(self, name: str) -> User | None:
        """The user of that name."""
        return self._users.get(name)

    def limits(self, name: str) -> UserLimits:
        """What a user may ask for; the common limits for one who is gone."""
        user = self._users.get(name)
        return self._common if user is None else user.limits_of(self._common)

    def refresh(self) -> set[str] | None:
        """Read the file again where it has changed.

        Returns:
            The names whose old proof is good no longer: removed, or with another token; None when the file
            has not changed.

        Raises:
            UsersError: it cannot be used; the users stay as they were.
        """
        now = self._stamp()
        if now == self._seen:
            return None
        self._seen = now
        before, self._users = self._users, read_users(self._path)
        return {name for name, user in before.items() if not user.admits_like(self._users.get(name))}

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return found.st_mtime_ns, found.st_ino, found.st_size


def new_user(name: str, verifier: Verifier | None, *, certificate: bool, limits: Mapping[str, int]) -> User:
    """A user from now on."""
    return User(
        name=name, verifier=verifier, certificate=certificate, created=time.time(), limits=dict(limits)
    )
