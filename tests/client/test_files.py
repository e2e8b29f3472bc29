from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lama_core.client.files import make_own_folder, write_atomically


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refuse(*_args: object, **_more: object) -> None:
    raise OSError(1, "Operation not permitted")


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new", fsync=True)
    assert path.read_bytes() == b"new"
    assert mode_of(path) == 0o640
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_new_file_has_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_atomically(tmp_path / "private", memoryview(b"x"), mode=0o600)
        write_atomically(tmp_path / "public", b"x")
    finally:
        os.umask(old)
    assert mode_of(tmp_path / "private") == 0o600
    assert mode_of(tmp_path / "public") == 0o666


def test_a_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_drive_without_modes_and_fsync_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(Path, "chmod", refuse)
    write_atomically(path, b"new", fsync=True)
    assert path.read_bytes() == b"new"


def test_a_write_that_fails_leaves_what_was_there_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="not permitted"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "a.bin", b"x")


def test_a_folder_of_our_own_is_nobody_elses(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    old = os.umask(0)
    try:
        make_own_folder(shared / "a" / "b" / "c")
        make_own_folder(shared / "a")
    finally:
        os.umask(old)
    assert [mode_of(shared / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode_of(shared) == 0o755
    (shared / "file").touch()
    with pytest.raises(OSError, match="exists"):
        make_own_folder(shared / "file")
