"""installers/release.py: what is published, and that it can be made again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from lama_server import __version__
from tests.installers.new_user import copy_of_the_project
from tests.installers.release import build_release

WHEEL = f"lama_fill-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, which nobody works in while it is built from."""
    return copy_of_the_project(tmp_path_factory.mktemp("sources") / "a clöne")


@pytest.fixture(scope="module")
def release(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "one"
    done = build_release(project, out)
    assert done.returncode == 0, done.stderr
    return out


def test_twice_the_same_bytes(project: Path, release: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(project, tmp_path / "elsewhere", copy_function=shutil.copy)
    assert build_release(elsewhere, tmp_path / "two").returncode == 0
    contents = [
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (release, tmp_path / "two")
    ]
    assert contents[0].keys() == contents[1].keys()
    assert [name for name, content in contents[0].items() if contents[1][name] != content] == []


def test_what_is_in_it(release: Path) -> None:
    assert sorted(path.name for path in release.iterdir()) == [
        "SHA256SUMS",
        "install.ps1",
        "install.sh",
        f"lama-fill-gimp-{__version__}.zip",
        f"lama-fill-gimp210-{__version__}.zip",
        f"lama-fill-krita-{__version__}.zip",
        "lama-fill.cdx.json",
        WHEEL,
        f"lama_fill-{__version__}.tar.gz",
        "lama_fill_kernels-0.1.0.tar.gz",
        "org.gimp.GIMP.Plugin.LaMaFill.json",
        "org.gimp.GIMP.Plugin.LaMaFill.metainfo.xml",
    ]
    for line in (release / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((release / name).read_bytes()).hexdigest() == digest
    with zipfile.ZipFile(release / WHEEL) as wheel:
        names = set(wheel.namelist())
    assert {"lama_core/model/weights/compact.safetensors", "lama_cli/commands/doctor.py"} <= names
    assert {name.split("/")[0] for name in names} == {
        "lama_core",
        "lama_cli",
        "lama_server",
        f"lama_fill-{__version__}.dist-info",
    }
    with tarfile.open(release / f"lama_fill-{__version__}.tar.gz") as sources:
        inside = {name.partition("/")[2] for name in sources.getnames()}
    assert {"pyproject.toml", "installers/install.sh", "plugin_gimp/lama-fill/lama-fill.py"} <= inside
    with tarfile.open(release / "lama_fill_kernels-0.1.0.tar.gz") as sources:
        inside = {name.partition("/")[2] for name in sources.getnames()}
    assert {"setup.py", "pyproject.toml", "LICENSE", "lama_fill_kernels/__init__.py"} <= inside
    assert any(name.startswith("src/") and name.endswith(".c") for name in inside)
    assert not [name for name in inside if "build/" in name or name.endswith((".so", ".pyc"))]


def test_the_bill_of_materials(release: Path) -> None:
    bill = json.loads((release / "lama-fill.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    parts = {part["bom-ref"]: part for part in bill["components"]}
    assert len(parts) == len(bill["components"])
    names = {part["name"] for part in bill["components"]}
    assert {"torch", "pyvips", "websockets", "msgpack", "@msgpack/msgpack", "compact", WHEEL} <= names
    digest = hashlib.sha256((release / WHEEL).read_bytes()).hexdigest()
    assert parts[f"file:{WHEEL}"]["hashes"] == [{"alg": "SHA-256", "content": digest}]


def test_a_folder_with_something_in_it(project: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = build_release(project, tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_wheel_alone_works(release: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    binaries = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    (site,) = (tmp_path / "venv").glob("[Ll]ib/**/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")  # what it needs, torch above all
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([binaries / "python", *install, str(release / WHEEL)], check=True)
    ask = [
        binaries / "python",
        "-c",
        "import lama_core, lama_server; print(lama_core.__file__, lama_server.__file__)",
    ]
    said = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said.count(str(site)) == 2, "not what it was lent"
    command = [binaries / "lama-fill", "models", "verify", "compact"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == "compact: whole and unchanged\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has install.ps1")
def test_the_installer_takes_what_is_beside_it(release: Path, tmp_path: Path) -> None:
    command = ["sh", str(release / "install.sh"), "--dry-run"]
    shown = subprocess.run(
        command, env={"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert f"Installing LaMa Fill from {release / WHEEL}\n" in shown
    assert f"lama-fill plugins install {release}\n" in shown
    assert "build_plugins" not in shown
    if shutil.which("cc"):
        assert f" --force-reinstall --no-deps {release}/lama_fill_kernels-0.1.0.tar.gz\n" in shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has install.ps1")
def test_the_installer_takes_wheels_of_the_kernels_where_they_fit(release: Path, tmp_path: Path) -> None:
    with_wheels = shutil.copytree(release, tmp_path / "a release")
    (with_wheels / "lama_fill_kernels-0.1.0-py3-none-win_amd64.whl").touch()
    environment = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    command = ["sh", str(with_wheels / "install.sh"), "--dry-run"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert f" --no-index --only-binary :all: --find-links '{with_wheels}' lama-fill-kernels\n" in shown
    assert "lama_fill_kernels-0.1.0.tar.gz" not in shown
