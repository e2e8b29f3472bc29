"""Build a release: `python installers/release.py --out dist`.

The wheel, the source archive, the kernels' sources and their wheels for all systems, the plug-ins' archives,
what makes a Flatpak of GIMP's, the installers, a bill of materials and the checksums of all of them. The same
commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import build_kernels
import build_plugins
import flatpak_extension

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).resolve().parent.parent
INSTALLERS = ("install.sh", "install.ps1")
BILL = "lama-fill.cdx.json"
SUMS = "SHA256SUMS"


def build(out: Path, *, kernel_wheels: bool = True) -> list[Path]:
    """Everything, in an empty folder or a new one; returns the files by name.

    Without `kernel_wheels`, which need zig, those who install compile the kernels, where they can.
    """
    if out.exists() and any(out.iterdir()):
        raise build_plugins.BuildError(f"{out} is not empty: remove it, or choose another with --out")
    out.mkdir(parents=True, exist_ok=True)
    _python_packages(out)
    sources = build_kernels.sources(out)
    if kernel_wheels:
        build_kernels.wheels(sources, out)
    wheels = build_plugins.fetch_wheels()
    archives = {
        name: build_plugins.build(plugin, out, wheels) for name, plugin in build_plugins.PLUGINS.items()
    }
    flatpak_extension.write(out, archives["gimp"])
    for name in INSTALLERS:
        shutil.copy(PROJECT / "installers" / name, out / name)
    bill = json.dumps(bill_of_materials(out), indent=1, ensure_ascii=False)
    (out / BILL).write_text(f"{bill}\n", encoding="utf-8")
    files = sorted(out.iterdir())
    sums = "".join(f"{_sha256(path)}  {path.name}\n" for path in files)
    (out / SUMS).write_text(sums, encoding="utf-8")
    return [*files, out / SUMS]


def bill_of_materials(out: Path) -> dict[str, Any]:
    """What is in the release, as CycloneDX 1.5: our files, what the plug-ins carry, what is fetched."""
    version = build_plugins.version()
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    carried = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{wheel.name}@{wheel.version}",
            "name": wheel.name,
            "version": wheel.version,
            "purl": f"pkg:pypi/{wheel.name}@{wheel.version}",
            "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
            "scope": "required",
            "description": "carried by the plug-ins, without compiled files",
        }
        for wheel in build_plugins.WHEELS
    ]
    package = json.loads((PROJECT / "web" / "package.json").read_text(encoding="utf-8"))
    carried += [
        {
            "type": "library",
            "bom-ref": f"npm:{name}@{number}",
            "name": name,
            "version": number,
            "scope": "required",
            "description": "carried by the server's page, in its bundle",
        }
        for name, number in package["dependencies"].items()
    ]
    needed = [
        {
            "type": "library",
            "bom-ref": f"requirement:{requirement}",
            "name": requirement.partition(";")[0].partition("[")[0].partition(">")[0].strip(),
            "scope": "required",
            "description": f"fetched when the wheel is installed: {requirement}",
        }
        for requirement in project["dependencies"]
    ]
    weights = PROJECT / "lama_core" / "model" / "weights" / "compact.safetensors"
    model = {
        "type": "machine-learning-model",
        "bom-ref": "model:compact",
        "name": "compact",
        "hashes": [{"alg": "SHA-256", "content": _sha256(weights)}],
        "licenses": [{"license": {"id": project["license"]}}],
    }
    files = [
        {
            "type": "file",
            "bom-ref": f"file:{path.name}",
            "name": path.name,
            "hashes": [{"alg": "SHA-256", "content": _sha256(path)}],
        }
        for path in sorted(out.iterdir())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "lama-fill",
                "name": project["name"],
                "version": version,
                "description": project["description"],
                "licenses": [{"license": {"id": project["license"]}}],
            }
        },
        "components": [*files, model, *carried, *needed],
    }


def _python_packages(out: Path) -> None:
    """The wheel and the source archive."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-d", folder]
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=build_plugins.dated_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["hatchling said nothing"])[-1]
            raise build_plugins.BuildError(f"the wheel could not be built: {last}")
        for path in Path(folder).iterdir():
            shutil.copy(path, out / path.name)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Build a release.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="an empty folder (dist)")
    parser.add_argument(
        "--no-kernel-wheels", dest="kernel_wheels", action="store_false", help="leave out what needs zig"
    )
    arguments = parser.parse_args()
    return build_plugins.print_built(
        "release", lambda: build(arguments.out, kernel_wheels=arguments.kernel_wheels)
    )


if __name__ == "__main__":
    raise SystemExit(main())
