"""As a new user: install from a clone, fill in GIMP and in Krita, upgrade, remove."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts import gimp
from tests.hosts.gimp import Gimp
from tests.hosts.krita import Krita
from tests.installers.new_user import copy_of_the_project, lend_our_packages, pip_settings, torch_as_here


@pytest.fixture
def home(system: Path, inside_folder: Path) -> Path:
    """The home of a user who has started both editors once."""
    folder = inside_folder / "Zoë's 家"
    Krita.make(system, folder, {})
    profile = folder / ".config/GIMP/3.0"
    profile.mkdir(parents=True)
    gimp.write_settings(system, profile)
    return folder


@pytest.fixture
def installer(home: Path, tmp_path: Path) -> Callable[..., str]:
    script = copy_of_the_project(tmp_path / "a clone") / "installers" / "install.sh"
    environment = pip_settings() | {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "LAMA_FILL_RUNTIME_DIR": str(home / "state"),
        "LAMA_FILL_THREADS": "1",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            ["sh", str(script), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def test_a_new_user(system: Path, home: Path, installer: Callable[..., str]) -> None:
    before = {path for path in home.rglob("*") if path.is_file()}
    lend_our_packages(home)
    flags = ("--torch", torch_as_here(), "--model", "none")
    assert "FAIL" not in installer(*flags)

    inside = "/" + home.relative_to(system).as_posix()
    environment = {"LAMA_FILL_RUNTIME_DIR": f"{inside}/state", "LAMA_FILL_COMMAND": "/nonexistent/lama-fill"}
    editor = Gimp.with_profile(system, home, home / ".config/GIMP/3.0", environment)
    try:
        assert editor.call("one")["error"] == ""
        krita = Krita(root=system, folder=home, environment=environment)
        script = Path(__file__).with_name("in_krita_exact.py")
        assert krita.without_window(script, "groups")["said"] == ""

        assert "it is upgraded" in installer(*flags)
        assert editor.call("one")["error"] == "", "the open editor finds the new server"
    finally:
        editor.close()
    installer("uninstall")
    left = {path for path in home.rglob("*") if path.is_file()} - before
    ours = [path for path in left if "lama" in str(path.relative_to(home)).lower()]
    assert ours == []
    assert "enable_lama_fill=" not in (home / ".config/kritarc").read_text()
