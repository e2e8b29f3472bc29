"""The installer where package indexes cannot be reached: with a uv that refuses what it is told to refuse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.installers.new_user import PROJECT

_UV = """#!/bin/sh
echo "$*" >>"{log}"
case "$*" in
    venv*) for last; do :; done; mkdir -p "$last/bin" && ln -s "{python}" "$last/bin/python" ;;
    {refused}) echo "error: failed to fetch: connection refused" >&2; exit 1 ;;
esac
"""


def install_without(folder: Path, refused: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run install.sh. `refused`: a pattern of the shell; what uv is asked for and matches fails.

    Returns:
        How it ended, and the requests that uv got.
    """
    tools, log = folder / "tools", folder / "log"
    tools.mkdir()
    (tools / "uv").write_text(_UV.format(log=log, python=sys.executable, refused=refused))
    (tools / "uv").chmod(0o755)
    environment = {
        "HOME": str(folder),
        "PATH": os.pathsep.join([str(tools), "/usr/bin", "/bin"]),
        "LAMA_FILL_RUNTIME_DIR": str(folder / "state"),
    }
    script = str(PROJECT / "installers" / "install.sh")
    done = subprocess.run(
        ["/bin/sh", script, "--torch", "cpu", "--model", "none", "--no-autostart"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, log.read_text().splitlines()
