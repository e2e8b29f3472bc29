"""The place of the one server: its lock, its runtime file, and what others may have left or put there."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lama_core.client.connection.launch import find_command
from lama_core.client.connection.runtime import RuntimeFile, read_runtime_file
from lama_core.client.files import write_atomically
from lama_core.client.places import COMMAND_VARIABLE
from lama_core.client.protocol.auth import new_token
from lama_server import instance
from lama_server.instance import InstanceLock, RuntimeFolderError, find_server
from lama_server.lock import Lock

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="files of POSIX")

HOLD = """
import sys
from pathlib import Path
from lama_server.lock import Lock
lock = Lock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


def _file(port: int = 4711) -> RuntimeFile:
    return RuntimeFile(port=port, pid=os.getpid(), version="1", token=new_token(), started=12.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "some" / "where"


def test_publish_and_withdraw(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A command that the environment names would come before the one that is written down.
    monkeypatch.delenv(COMMAND_VARIABLE, raising=False)
    place = InstanceLock(folder)
    assert place.acquire()
    assert find_server(folder) is None
    file = _file()
    place.publish(file, [sys.executable, "-m", "lama_cli"])
    path = folder / "server.json"
    assert read_runtime_file(folder) == file
    assert list(json.loads(path.read_text())) == ["port", "pid", "version", "token", "started"]
    assert find_command(folder) == [sys.executable, "-m", "lama_cli"]
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    place.release()
    place.release()
    assert sorted(entry.name for entry in folder.iterdir()) == ["launch.json", "port.json"]


def test_only_one_holds_the_place(folder: Path) -> None:
    first, second = InstanceLock(folder), InstanceLock(folder)
    assert first.acquire()
    first.publish(_file(), ["x"])
    assert not second.acquire()
    second.release()
    assert find_server(folder) is not None
    first.release()
    assert second.acquire()
    second.release()


def test_lock_goes_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    lock = Lock(path)
    assert not lock.acquire()
    holder.kill()
    holder.communicate()
    assert path.exists(), "stale"
    assert lock.acquire()
    lock.release()


@posix_only
def test_lock_on_a_file_that_was_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the opening and the locking of the file its holder may remove it and another take its place."""
    path = tmp_path / "lock"
    other = Lock(path)
    opened: list[int] = []
    really_open = os.open

    def open_and_be_late(name: object, *args: int) -> int:
        descriptor = really_open(name, *args)  # type: ignore[arg-type]
        if not opened:
            opened.append(descriptor)
            path.unlink()
            assert other.acquire()
        return descriptor

    monkeypatch.setattr(os, "open", open_and_be_late)
    assert not Lock(path).acquire()
    assert path.exists()
    other.release()


@pytest.mark.parametrize(
    "left",
    [
        b"",
        b"{",
        b'{"port": 1}',
        b"[" * 100_000,
        b"\xff\x00 foreign",
        json.dumps({"port": 1, "pid": os.getpid(), "version": "0", "token": "t" * 43, "started": 1}).encode(),
    ],
    ids=["empty", "truncated", "incomplete", "nested", "binary", "stale with the number of a living process"],
)
def test_what_was_left_in_the_file_does_not_matter(folder: Path, left: bytes) -> None:
    folder.mkdir(parents=True, mode=0o700)
    (folder / "server.json").write_bytes(left)
    (folder / "server.json.new").write_bytes(b"half a fi")
    place = InstanceLock(folder)
    assert place.acquire()
    assert not (folder / "server.json").exists(), "nobody must take a dead server's file for this one's"
    file = _file()
    place.publish(file, ["x"])
    assert find_server(folder) == file
    place.release()


@posix_only
def test_link_in_place_of_the_file_is_replaced_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in ("server.json", "server.json.new", "launch.json.new"):
        (folder / name).symlink_to(victim)
    place = InstanceLock(folder)
    assert place.acquire()
    place.publish(_file(), ["x"])
    assert victim.read_text() == "precious"
    assert not (folder / "server.json").is_symlink()
    place.release()
    assert victim.exists()


def test_folder_in_place_of_the_file(folder: Path) -> None:
    (folder / "server.json" / "x").mkdir(parents=True)
    folder.chmod(0o700)
    with pytest.raises(RuntimeFolderError, match="remove what is there"):
        InstanceLock(folder).acquire()
    (folder / "server.json" / "x").rmdir()
    (folder / "server.json").rmdir()
    place = InstanceLock(folder)
    assert place.acquire(), "the failure let go of the lock"
    place.release()


@posix_only
def test_link_in_place_of_the_lock_is_not_followed(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    (folder / "server.lock").symlink_to(tmp_path / "made")
    with pytest.raises(RuntimeFolderError, match=r"server|links"):
        InstanceLock(folder).acquire()
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("failing", ["server.json", "launch.json"])
def test_full_disk_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    place = InstanceLock(folder)
    assert place.acquire()

    def full(path: Path, data: bytes, **more: object) -> None:
        if path.name == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomically(path, data, **more)

    monkeypatch.setattr(instance, "write_atomically", full)
    with pytest.raises(RuntimeFolderError, match=r"No space left.*make room on that disk") as said:
        place.publish(_file(), ["x"])
    assert "remove" not in str(said.value)
    place.release()
    assert not list(folder.glob("*.tmp"))


def test_file_that_somebody_else_wrote_meanwhile_is_left(folder: Path) -> None:
    place = InstanceLock(folder)
    assert place.acquire()
    place.publish(_file(1), ["x"])
    (folder / "server.json").write_text("foreign")
    place.release()
    assert (folder / "server.json").read_text() == "foreign"


def test_file_that_is_gone_already(folder: Path) -> None:
    place = InstanceLock(folder)
    assert place.acquire()
    place.publish(_file(), ["x"])
    (folder / "server.json").unlink()
    place.release()
    assert InstanceLock(folder).acquire()


@posix_only
def test_folder_that_others_may_write_in(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    with pytest.raises(RuntimeFolderError, match="others may write in it; run: chmod go-w"):
        InstanceLock(folder).acquire()


@posix_only
@pytest.mark.skipif(os.name == "posix" and os.getuid() != 0, reason="only root can give a folder away")
def test_folder_of_another_user(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    os.chown(folder, 12345, 12345)
    with pytest.raises(RuntimeFolderError, match="belongs to another user"):
        InstanceLock(folder).acquire()


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeFolderError, match="set LAMA_FILL_RUNTIME_DIR"):
        InstanceLock(tmp_path / "file").acquire()
