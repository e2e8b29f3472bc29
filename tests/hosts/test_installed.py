"""As a new user: install from a clone, fill in GIMP and in Krita, upgrade, remove."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lama_server import __version__
from tests.hosts import gimp
from tests.hosts.gimp import Gimp
from tests.hosts.krita import Krita
from tests.installers.new_user import copy_of_the_project, lend_our_packages, pip_settings, torch_as_here
from tests.server.harness import wait_until


def has_ended(process: int) -> bool:
    """Whether it runs no more, be it that its parent has not asked yet how it ended."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


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
def clone(tmp_path: Path) -> Path:
    """A fresh clone, in a folder with a name that is not easy either."""
    return copy_of_the_project(tmp_path / "a clöne")


@pytest.fixture
def installer(home: Path, clone: Path) -> Callable[..., str]:
    script = clone / "installers" / "install.sh"
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


def lama_fill(home: Path, *arguments: str) -> str:
    """What the installed command says."""
    command = [str(home / ".local/bin/lama-fill"), *arguments]
    environment = {"HOME": str(home), "LAMA_FILL_RUNTIME_DIR": str(home / "state")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_a_new_user(system: Path, home: Path, clone: Path, installer: Callable[..., str]) -> None:
    before = {path for path in home.rglob("*") if path.is_file()}
    lend_our_packages(home)
    flags = ("--torch", torch_as_here(), "--model", "none")
    version = clone / "server/lama_server/__init__.py"
    current = version.read_text(encoding="utf-8")
    version.write_text(current.replace(__version__, "0.0.9"), encoding="utf-8")
    assert "FAIL" not in installer(*flags)
    old = json.loads(lama_fill(home, "status", "--json"))
    assert old["server_version"] == "0.0.9"

    inside = "/" + home.relative_to(system).as_posix()
    environment = {"LAMA_FILL_RUNTIME_DIR": f"{inside}/state", "LAMA_FILL_COMMAND": "/nonexistent/lama-fill"}
    editor = Gimp.with_profile(system, home, home / ".config/GIMP/3.0", environment)
    try:
        assert editor.call("one")["error"] == ""
        krita = Krita(root=system, folder=home, environment=environment)
        script = Path(__file__).with_name("in_krita_exact.py")
        assert krita.without_window(script, "groups")["said"] == ""

        version.write_text(current, encoding="utf-8")
        assert "it is upgraded" in installer(*flags)
        new = json.loads(lama_fill(home, "status", "--json"))
        assert (new["server_version"], new["pid"] != old["pid"]) == (__version__, True)
        assert f"GIMP 3.0: plug-in {__version__}, " in lama_fill(home, "plugins", "list")
        assert editor.call("one")["error"] == "", "the open editor finds the new server"
        assert krita.without_window(script, "groups")["said"] == ""
        assert json.loads(lama_fill(home, "status", "--json"))["done"] >= 2
    finally:
        editor.close()
    installer("uninstall")
    wait_until(lambda: has_ended(new["pid"]), what="the end of the server")
    assert not (home / "state").exists()
    left = {path for path in home.rglob("*") if path.is_file()} - before
    ours = [path for path in left if "lama" in str(path.relative_to(home)).lower()]
    assert ours == []
    assert "enable_lama_fill_krita=" not in (home / ".config/kritarc").read_text()
