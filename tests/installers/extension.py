"""Builds GIMP's extension without Flatpak: unpacks the manifest's sources, then runs its commands."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.hosts.gimp import unpack


def build_extension(manifest: Path, work: Path, destination: Path) -> None:
    """Run what the manifest says in `work`, an empty folder, with `destination` as what it installs to."""
    (module,) = json.loads(manifest.read_text(encoding="utf-8"))["modules"]
    assert module["buildsystem"] == "simple"
    for source in module["sources"]:
        path = manifest.parent / source["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == source["sha256"]
        if source["type"] == "archive":
            assert source["strip-components"] == 0
            unpack(path, work)
        else:
            shutil.copy(path, work)
    for command in module["build-commands"]:
        environment = {**os.environ, "FLATPAK_DEST": str(destination)}
        subprocess.run(["/bin/sh", "-c", command], cwd=work, env=environment, check=True)
