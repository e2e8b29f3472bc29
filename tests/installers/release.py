"""Building a release, for tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def build_release(project: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build what needs no zig; the kernels' wheels have tests of their own, tests/kernels/test_wheels.py."""
    script = str(project / "installers" / "release.py")
    command = [sys.executable, script, "--no-kernel-wheels", "--out", str(out)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1764000000"}  # a copy has no commit
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
