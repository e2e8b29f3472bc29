"""A control group of Linux whose processes together may have so much memory and no more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """Of either version of the kernel's interface."""

    folder: Path
    used: str
    most: str
    unlimited: str

    def add(self, pid: int) -> None:
        """Take a process in. Its children of later are in, too."""
        self.folder.joinpath("cgroup.procs").write_text(str(pid))

    def limit(self, room: int | None) -> None:
        """Let the processes have `room` bytes more than they have now; None: as much as there is."""
        most = self.unlimited
        if room is not None:
            most = str(int(self.folder.joinpath(self.used).read_text()) + room)
        self.folder.joinpath(self.most).write_text(most)


@contextmanager
def memory_group() -> Iterator[MemoryGroup]:
    """A new one; skips where none can be made. It is removed when its processes have ended."""
    name = f"lama-fill-{os.getpid()}"
    first = MemoryGroup(_ROOT / "memory" / name, "memory.usage_in_bytes", "memory.limit_in_bytes", "-1")
    second = MemoryGroup(_ROOT / name, "memory.current", "memory.max", "max")
    group = first if first.folder.parent.is_dir() else second
    try:
        group.folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error.strerror}")
    try:
        if not (group.folder / group.most).exists():
            pytest.skip("the control groups here do not limit memory")
        yield group
    finally:
        for _ in range(100):
            with suppress(OSError):
                group.folder.rmdir()
                break
            time.sleep(0.05)
