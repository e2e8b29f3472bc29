"""A disk of one's own, of 1 MiB, that is there for one process and its children."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest


def small_disk_command(disk: Path, *, options: str = "size=1m") -> list[str]:
    """What to put before a command so that an empty folder is a small disk for it; skips where it cannot."""
    mount = f'mount -t tmpfs -o {options} tmpfs "$1" && shift && exec "$@"'
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    command += ["sh", "-c", mount, "sh", str(disk)]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no disk can be mounted here: {tried.stderr.strip()}")
    return command
