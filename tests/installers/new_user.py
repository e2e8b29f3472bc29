"""What a new user has: a clone, a home, and a package registry that is this machine's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


def pip_settings() -> dict[str, str]:
    """The variables by which pip finds its registry, also from another home."""
    settings = {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "LANG"))
    }
    file = Path("~/.config/pip/pip.conf").expanduser()
    if file.is_file():
        settings.setdefault("PIP_CONFIG_FILE", str(file))
    return settings


def torch_as_here() -> str:
    """The requirement of the torch that there is: not of a build with CUDA, which a registry may prefer."""
    return f"torch=={version('torch').partition('+')[0]}"


def copy_of_the_project(folder: Path) -> Path:
    """What a fresh clone has, and what is about to be committed."""
    command = ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    return folder


def lend_our_packages(home: Path) -> None:
    """An environment that sees this one's packages, because torch is large."""
    place = home / ".local/share/lama-fill/venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
