"""A Python 2.7, for what runs on that: the system's own, or that of Debian 11, unpacked into the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.hosts import chroot
from tests.hosts.chroot import ChrootUnavailable

PACKAGES = ("python2.7-minimal", "libpython2.7-minimal", "libpython2.7-stdlib")
SUITE = "bullseye"


@dataclass(frozen=True, kw_only=True, slots=True)
class Python27:
    """How to start it."""

    path: str
    environment: Mapping[str, str]


def find_python27() -> Python27:
    """One that runs.

    Raises:
        ChrootUnavailable: there is none, and none can be had; the message is one line that says why.
    """
    own = shutil.which("python2.7")
    for found in (Python27(path=own, environment={}) if own else None, _unpacked()):
        if found is not None and _runs(found):
            return found
    raise ChrootUnavailable("there is no Python 2.7 that runs here")


def _runs(found: Python27) -> bool:
    command = [found.path, "-c", "import json, subprocess, tempfile, zlib; print(7)"]
    environment = {**os.environ, **found.environment}
    asked = subprocess.run(command, env=environment, capture_output=True, check=False)
    return asked.stdout.strip() == b"7"


def _unpacked() -> Python27:
    """Debian's packages in a folder of the cache; nothing is installed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ChrootUnavailable("there is no Python 2.7 here, and no apt-get to fetch one")
    folder = chroot.cache_folder() / f"python2.7-{SUITE}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with chroot.locked(folder.with_suffix(".lock")):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            _fetch(part)
            part.rename(folder)
    return Python27(path=str(folder / "usr/bin/python2.7"), environment={"PYTHONHOME": str(folder / "usr")})


def _fetch(folder: Path) -> None:
    lists, debs = folder / "lists", folder / "debs"
    for made in (lists / "partial", debs):
        made.mkdir(parents=True)
    mirror = chroot.debian_mirror()
    if mirror is None:
        raise ChrootUnavailable("there is no Python 2.7 here, and no mirror of Debian is known")
    (folder / "sources.list").write_text(f"deb {mirror} {SUITE} main\n")
    options = [
        *("-o", f"Dir::Etc::sourcelist={folder}/sources.list", "-o", "Dir::Etc::sourceparts=/dev/null"),
        *("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={folder}/cache"),
        *("-o", "Acquire::Check-Valid-Until=false", "-o", "Acquire::Languages=none"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    (folder / "cache/archives/partial").mkdir(parents=True)
    chroot.step("apt-get", *options, "-q", "update")
    chroot.step("sh", "-c", 'cd "$0" && apt-get -q "$@"', str(debs), *options, "download", *PACKAGES)
    for package in debs.glob("*.deb"):
        chroot.step("dpkg-deb", "-x", str(package), str(folder))
    for used in (lists, debs, folder / "cache"):
        shutil.rmtree(used)
