from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lama_core.client import places
from lama_core.client.connection.errors import NotTrustedError, ServerNotFoundError
from lama_core.client.connection.runtime import read_runtime_file
from lama_core.client.places import state_folder

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="files have owners and modes elsewhere")

GOOD: dict[str, Any] = {
    "port": 50123,
    "pid": 42,
    "version": "1.0",
    "token": "t" * 43,
    "started": 1720000000.5,
}


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "server.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return path


def test_what_a_server_wrote_is_read(folder: Path) -> None:
    write(folder, json.dumps({**GOOD, "later": 1}))
    found = read_runtime_file(folder)
    assert (found.port, found.pid, found.version) == (50123, 42, "1.0")
    assert (found.token, found.started) == ("t" * 43, 1720000000.5)
    assert found.token not in repr(found)


def test_no_file_and_no_folder_are_no_server(folder: Path) -> None:
    for place in (folder, folder / "missing", folder / "file"):
        (folder / "file").touch()
        with pytest.raises(ServerNotFoundError, match="lama-fill serve"):
            read_runtime_file(place)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"\x00" * 100,
        b"{",
        json.dumps(GOOD)[:-1].encode(),
        b"null",
        b"[]",
        b"3",
        b"[" * 50_000,
        b"{}",
        b" " * 70_000 + json.dumps(GOOD).encode(),
    ],
)
def test_what_is_no_runtime_file_is_no_server(folder: Path, content: bytes) -> None:
    write(folder, content)
    with pytest.raises(ServerNotFoundError):
        read_runtime_file(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", "80"),
        ("port", True),
        ("port", 80.0),
        ("pid", 0),
        ("pid", -1),
        ("pid", None),
        ("version", 1),
        ("token", ""),
        ("token", "t" * 31),
        ("token", "t" * 42 + "é"),
        ("token", 12345678),
        ("started", "now"),
        ("started", None),
        ("started", [1]),
    ],
)
def test_wrong_fields_are_no_server(folder: Path, name: str, value: Any) -> None:
    write(folder, json.dumps({**GOOD, name: value}))
    with pytest.raises(ServerNotFoundError):
        read_runtime_file(folder)
    fields = dict(GOOD)
    del fields[name]
    write(folder, json.dumps(fields))
    with pytest.raises(ServerNotFoundError):
        read_runtime_file(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_content_is_a_server_or_none(folder: Path, content: bytes) -> None:
    write(folder, content)
    with pytest.raises(ServerNotFoundError):
        read_runtime_file(folder)


@posix_only
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_trusted(folder: Path, mode: int) -> None:
    write(folder, json.dumps(GOOD)).chmod(mode)
    with pytest.raises(NotTrustedError, match="other users"):
        read_runtime_file(folder)


@posix_only
def test_a_file_of_another_user_is_not_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, json.dumps(GOOD))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(NotTrustedError, match="another user"):
        read_runtime_file(folder)


@posix_only
def test_links_folders_and_pipes_are_not_trusted(folder: Path) -> None:
    path = folder / "server.json"
    (folder / "real.json").write_text(json.dumps(GOOD))
    path.symlink_to(folder / "real.json")
    with pytest.raises(NotTrustedError, match="remove it"):
        read_runtime_file(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(NotTrustedError, match="remove it"):
        read_runtime_file(folder)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(NotTrustedError, match="remove it"):
        read_runtime_file(folder)


def test_the_folder_can_be_chosen(folder: Path) -> None:
    assert state_folder() == folder


@posix_only
def test_the_sandbox_does_not_change_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(places.RUNTIME_DIR_VARIABLE)
    outside = state_folder()
    monkeypatch.setenv("HOME", "/home/me/snap/gimp/47")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/.var/app/org.gimp.GIMP/state")
    monkeypatch.setenv("XDG_DATA_HOME", "/home/me/.var/app/org.gimp.GIMP/data")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000/app")
    assert state_folder() == outside
    assert outside.parts[-1] == "lama-fill"


@posix_only
def test_a_user_without_an_entry_has_a_home_too(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def missing(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.delenv(places.RUNTIME_DIR_VARIABLE)
    monkeypatch.setattr(pwd, "getpwuid", missing)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", "/somewhere")
    assert state_folder() == Path("/somewhere/.local/state/lama-fill")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux", ".local/state/lama-fill"),
        ("freebsd14", ".local/state/lama-fill"),
        ("darwin", "Library/Application Support/lama-fill"),
    ],
)
def test_each_system_has_its_folder(monkeypatch: pytest.MonkeyPatch, platform: str, expected: str) -> None:
    monkeypatch.delenv(places.RUNTIME_DIR_VARIABLE)
    monkeypatch.setattr(sys, "platform", platform)
    assert state_folder() == places.home_folder() / expected


def test_windows_has_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(places.RUNTIME_DIR_VARIABLE)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/c/Users/me/AppData/Local")
    assert state_folder() == Path("/c/Users/me/AppData/Local/lama-fill")
    monkeypatch.delenv("LOCALAPPDATA")
    monkeypatch.setenv("HOME", "/c/Users/me")
    monkeypatch.setenv("USERPROFILE", "/c/Users/me")
    assert state_folder() == Path("/c/Users/me/AppData/Local/lama-fill")
