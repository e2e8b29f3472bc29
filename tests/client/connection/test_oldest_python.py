"""The client in the oldest Python that editors bring, with nothing beside it but pure Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "LAMA_FILL_PYTHON39"
REQUIREMENTS = ("websockets==15.0.1", "msgpack==1.1.2")
PARTS = ("__init__.py", "client")
SOURCE = Path(__file__).parents[3] / "lama_core"

PROGRAM = """
import sys
from lama_core.client.connection import connect
from lama_core.client.protocol.messages import Fill
import msgpack, websockets.version

assert sys.version_info[:2] == (3, 9), sys.version
assert msgpack.Packer.__module__ == "msgpack.fallback", msgpack.Packer.__module__
assert websockets.version.version == "15.0.1"
with connect(client="oldest", start=False) as server:
    stages = []
    fill = Fill(
        width=1000, height=1000, format="rgba", depth="u8",
        pixels=bytes(4000000), hole=b"\\xff" * 1000000,
    )
    result = server.fill(fill, on_progress=lambda stage, fraction, position: stages.append(stage))
    assert result.pixels == b"\\x07" * 4000000
    assert result.blend == b"\\xff" * 1000000
    assert stages == ["queued", "queued", "filling"]
    assert server.status().state == "ready"
loaded = [name for name in sys.modules if name.split(".")[0] in ("numpy", "torch", "lama_server")]
assert not loaded, loaded
"""


def find_python() -> str | None:
    usual = sorted(Path("~/.pyenv/versions").expanduser().glob("3.9.*/bin/python"))
    for candidate in (os.environ.get(VARIABLE), shutil.which("python3.9"), *usual):
        if candidate is None:
            continue
        # A shim of a version manager may be there without the version.
        asked = subprocess.run([candidate, "--version"], check=False, capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.startswith("Python 3.9."):
            return str(candidate)
    return None


@pytest.fixture(scope="session")
def oldest_python(request: pytest.FixtureRequest) -> Path:
    """A Python 3.9 with the libraries of the plug-ins, without their compiled parts."""
    base = find_python()
    if base is None:
        pytest.skip(f"no Python 3.9 was found; {VARIABLE} can name one")
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("python39-" + "-".join(REQUIREMENTS).replace("==", "-"))
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([base, "-m", "venv", "--clear", folder], check=True, capture_output=True)
        install = [python, "-m", "pip", "install", "--disable-pip-version-check", *REQUIREMENTS]
        done = subprocess.run(install, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"the plug-ins' libraries cannot be installed: {done.stderr.strip()[-200:]}")
        for compiled in folder.rglob("site-packages/*/*.so"):
            compiled.unlink()
        (folder / "complete").touch()
    return python


def test_the_client_needs_no_more_than_the_plug_ins_bring(
    server: Any, oldest_python: Path, tmp_path: Path
) -> None:
    package = tmp_path / "plug-in" / "lama_core"
    package.mkdir(parents=True)
    for part in PARTS:
        copy = shutil.copytree if (SOURCE / part).is_dir() else shutil.copy
        copy(SOURCE / part, package / part)
    done = subprocess.run(
        [oldest_python, "-W", "error", "-c", PROGRAM],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
