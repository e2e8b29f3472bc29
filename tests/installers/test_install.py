"""installers/install.sh, as a new user runs it: from a clone, into a home with a name that is not easy."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lama_server import __version__
from tests.installers.new_user import (
    PROJECT,
    copy_of_the_project,
    lend_our_packages,
    pip_settings,
    torch_as_here,
)
from tests.installers.no_index import install_without

SCRIPT = PROJECT / "installers" / "install.sh"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has install.ps1")

Installer = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a user with GIMP 3 and Krita."""
    folder = tmp_path / "Zoë's 家"
    (folder / ".config/GIMP/3.0").mkdir(parents=True)
    (folder / ".local/share/krita").mkdir(parents=True)
    (folder / ".config/kritarc").write_text("[theme]\nTheme=dark\n")
    return folder


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder of programs that come before the machine's own."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(home: Path, tools: Path) -> dict[str, str]:
    return pip_settings() | {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "LAMA_FILL_RUNTIME_DIR": str(home / ".local/state/lama-fill"),
        "PIP_NO_CACHE_DIR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def installer(environment: dict[str, str]) -> Installer:
    def run(
        *arguments: str, script: Path = SCRIPT, expected: int = 0, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", str(script), *arguments]
        own = environment | dict(more or {})
        done = subprocess.run(
            command, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert done.returncode == expected, done.stdout + done.stderr
        return done

    return run


def tool(tools: Path, name: str, code: str) -> None:
    (tools / name).write_text(f"#!/bin/sh\n{code}\n")
    (tools / name).chmod(0o755)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_dry_run_shows_all_and_does_nothing(installer: Installer, home: Path) -> None:
    before = everything(home)
    out = installer("--dry-run").stdout
    for part in (
        "-m venv",
        "pip install",
        "plugins install",
        "models download big-lama",
        "service install",
        "doctor",
    ):
        assert part in out
    assert out.endswith("Nothing was done: that was --dry-run.\n")
    assert everything(home) == before


@pytest.mark.parametrize(
    ("driver", "build"),
    [
        ("13.1", "cu130"),
        ("12.9", "cu128"),
        ("12.6", "cu126"),
        ("12.2", "cpu"),
        ("11.4", "cpu"),
        ("N/A", "cpu"),
    ],
)
def test_cuda_only_where_it_can_be_used(installer: Installer, tools: Path, driver: str, build: str) -> None:
    tool(tools, "nvidia-smi", f'echo "| Driver Version: 999.99    CUDA Version: {driver}     |"')
    out = installer("--dry-run").stdout
    assert f"torch: the build for {build}\n" in out
    assert f"--index-url https://download.pytorch.org/whl/{build} 'torch>=2.4'" in out


def test_no_cuda_without_a_driver_that_works(installer: Installer, tools: Path) -> None:
    tool(tools, "nvidia-smi", "echo 'NVIDIA-SMI has failed' >&2; exit 9")
    assert "torch: the build for cpu\n" in installer("--dry-run").stdout


def test_the_choice_of_torch_can_be_made(installer: Installer, tools: Path) -> None:
    assert "/whl/cu126 " in installer("--dry-run", "--torch", "cuda").stdout
    assert "/whl/xpu " in installer("--dry-run", "--torch", "xpu").stdout
    out = installer("--dry-run", "--torch", "torch==2.9.1").stdout
    assert "--index-url" not in out
    assert "torch==2.9.1\n" in out
    tool(tools, "nvidia-smi", 'echo "CUDA Version: 13.0"')
    assert "/whl/cpu " in installer("--dry-run", "--torch", "cpu").stdout


def test_macs(installer: Installer, tools: Path, home: Path) -> None:
    tool(tools, "uname", 'if [ "$1" = -m ]; then echo arm64; else echo Darwin; fi')
    out = installer("--dry-run").stdout
    assert f"LaMa Fill goes to {home}/Library/Application Support/lama-fill\n" in out
    assert "--index-url" not in out
    tool(tools, "uname", 'if [ "$1" = -m ]; then echo x86_64; else echo Darwin; fi')
    assert "Intel" in installer("--dry-run", expected=2).stderr


def test_uv_is_used_when_it_is_there(installer: Installer, tools: Path) -> None:
    tool(tools, "uv", "exit 9")
    out = installer("--dry-run").stdout
    assert "would run: uv venv --clear --seed" in out
    assert "uv pip install --quiet --python" in out
    assert " -m pip " not in out


def test_kernels_only_where_there_is_a_compiler(installer: Installer, tools: Path) -> None:
    for name in ("sh", "uname", "dirname", "nvidia-smi", "sed", "head", "ls", "find", "cat", "cksum", "env"):
        if shutil.which(name):
            (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").symlink_to(sys.executable)
    environment_path = {"PATH": str(tools)}
    assert "There is no C compiler" in installer("--dry-run", more=environment_path).stdout
    tool(tools, "cc", "exit 9")
    out = installer("--dry-run", more=environment_path).stdout
    assert "There is no C compiler" not in out
    assert "--force-reinstall --no-deps" in out


def test_mistakes(installer: Installer, tmp_path: Path) -> None:
    assert "what is --tourch?" in installer("--tourch", expected=2).stderr
    assert "needs a value" in installer("--torch", expected=2).stderr
    assert "uninstall" in installer("--help").stdout
    alone = tmp_path / "install.sh"
    shutil.copy(SCRIPT, alone)
    assert "unpack the whole release" in installer("--dry-run", script=alone, expected=2).stderr
    assert "is not installed" in installer("uninstall").stdout


def test_torch_comes_from_the_users_index_where_its_own_cannot_be_reached(tmp_path: Path) -> None:
    done, asked = install_without(tmp_path, "*index-url*")
    first, second = (line for line in asked if "torch>=2.4" in line)
    assert first.endswith("--index-url https://download.pytorch.org/whl/cpu torch>=2.4")
    assert second.endswith(" torch>=2.4")
    assert "--index-url" not in second
    assert "Not from https://download.pytorch.org/whl/cpu: trying the package index" in done.stdout
    assert "torch could not be installed" not in done.stderr


def test_without_any_torch_the_options_are_named(tmp_path: Path) -> None:
    done, _ = install_without(tmp_path, "*torch*")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert "torch could not be installed" in last
    assert "--torch 'torch>=2.4'" in last
    assert "PIP_INDEX_URL" in last


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck reads the script")
def test_shellcheck() -> None:
    subprocess.run(["shellcheck", str(SCRIPT)], check=True)


def test_the_two_installers_agree() -> None:
    ours, windows = SCRIPT.read_text(), SCRIPT.with_suffix(".ps1").read_text()
    assert set(re.findall(r"\bcu\d+", ours)) == set(re.findall(r"\bcu\d+", windows))
    assert re.findall(r"unset (.*)", ours)[0].split() == re.findall(r"'([A-Z_]+)'", windows)[:5]
    # Where a plug-in looks for the command: see lama_core.client.connection.launch.
    assert r"'Programs\lama-fill'" in windows
    for step in (
        "plugins', 'install",
        "plugins', 'remove",
        "service', 'install",
        "service', 'uninstall",
        "doctor",
    ):
        assert f"@('{step}'" in windows
        assert '"$command" ' + step.replace("', '", " ") in ours


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("lent", [True, pytest.param(False, marks=pytest.mark.soak)], ids=["lent", "fresh"])
def test_install_upgrade_uninstall(
    installer: Installer, environment: dict[str, str], home: Path, tmp_path: Path, *, lent: bool
) -> None:
    before = everything(home)
    project = copy_of_the_project(tmp_path / "clöne of it")
    # For another system: pip passes over it, and the kernels are compiled.
    (project / "installers/lama_fill_kernels-9.9-py3-none-win_arm64.whl").touch()
    pristine = everything(project)
    if lent:
        lend_our_packages(home)
    flags = ("--torch", torch_as_here(), "--model", "none")
    script = project / "installers" / "install.sh"
    out = installer(*flags, script=script).stdout
    assert "GIMP 3.0: plug-in" in out
    assert "Krita: plug-in" in out
    assert "FAIL" not in out
    assert "ok   fill         by compact" in out
    assert (home / ".config/GIMP/3.0/plug-ins/lama-fill/lama-fill.py").stat().st_mode & 0o111
    assert "enable_lama_fill_krita=true" in (home / ".config/kritarc").read_text()
    assert everything(project) == pristine, "nothing is left in the clone"

    command = [str(home / ".local/bin/lama-fill")]

    def ask(*arguments: str) -> str:
        done = subprocess.run(
            [*command, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert ask("--version") == f"lama-fill {__version__}\n"
    if shutil.which("cc"):
        assert "Compiling the kernels" in out
        assert "kernels for " in out, "the doctor sees them"
    old = json.loads(ask("status", "--json"))["pid"]

    version_file = project / "server/lama_server/__init__.py"
    version_file.write_text(version_file.read_text().replace(__version__, "99.0"))
    out = installer(*flags, script=script).stdout
    assert "it is upgraded" in out
    assert "Compiling the kernels" not in out, "the same ones are there"
    assert ask("--version") == "lama-fill 99.0\n"
    status = json.loads(ask("status", "--json"))
    assert (status["server_version"], status["pid"] != old) == ("99.0", True)
    assert "GIMP 3.0: plug-in 99.0" in ask("plugins", "list")

    models = home / ".local/share/lama-fill/models"
    models.mkdir()
    (models / "mine.safetensors").write_text("mine")
    installed = everything(home)
    shown = installer("uninstall", "--dry-run", "--remove-models", script=script).stdout
    assert "would run: rm -rf" in shown
    assert "/lama-fill/models" in shown
    assert everything(home) == installed
    assert f"Kept: the models in {models}" in installer("uninstall", script=script).stdout
    kept = {".local/share/lama-fill", ".local/share/lama-fill/models"}
    emptied = {".cache", ".local/bin", ".local/state", ".config/autostart"}
    assert everything(home) - before - emptied == kept | {".local/share/lama-fill/models/mine.safetensors"}
    assert (home / ".config/kritarc").read_text() == "[theme]\nTheme=dark\n"
