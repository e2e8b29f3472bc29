"""Build the kernels' source archive and wheels: `python installers/build_kernels.py --out dist`.

One wheel for each system, all on any machine: zig, which `pip install -r requirements-release.txt` brings,
compiles C for every one of them. The same commit and the same zig give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import build_plugins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = build_plugins.PROJECT / "kernels"
#: What the source archive has, beside the files of the folder itself.
PARTS = ("lama_fill_kernels", "src")
COMPILED = (".so", ".dll", ".dylib", ".pyc", ".o")

#: The platform of a wheel, and what zig calls it: the systems that there is a torch for. Every torch needs a
#: newer glibc than this one, and none runs on musl.
PLATFORMS = {
    "manylinux_2_17_x86_64.manylinux2014_x86_64": "x86_64-linux-gnu.2.17",
    "manylinux_2_17_aarch64.manylinux2014_aarch64": "aarch64-linux-gnu.2.17",
    "macosx_11_0_x86_64": "x86_64-macos.11.0",
    "macosx_11_0_arm64": "aarch64-macos.11.0",
    "win_amd64": "x86_64-windows-gnu",
    "win_arm64": "aarch64-windows-gnu",
}


def sources(out: Path) -> Path:
    """The source archive, for pip to build where it is installed, in a folder that is there."""
    project = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    files = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in FOLDER.rglob("*")
        if path.is_file() and (path.parent == FOLDER or path.relative_to(FOLDER).parts[0] in PARTS)
    }
    files = {name: content for name, content in files.items() if Path(name).suffix not in COMPILED}
    files["LICENSE"] = (build_plugins.PROJECT / "LICENSE").read_bytes()
    archive = out / f"{stem}.tar.gz"
    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{stem}/{name}")
            entry.size, entry.mode = len(files[name]), 0o644
            entry.mtime = build_plugins.commit_seconds()
            tar.addfile(entry, BytesIO(files[name]))
    return archive


def wheels(archive: Path, out: Path, platforms: Iterable[str] = PLATFORMS) -> list[Path]:
    """Wheels of a source archive for `platforms`, in a folder that is there.

    Raises:
        build_plugins.BuildError: zig is missing, or could not compile them.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise build_plugins.BuildError(
            "there is no zig to compile the kernels' wheels: pip install -r requirements-release.txt"
        )
    return [_wheel(archive, out, platform) for platform in platforms]


def _wheel(archive: Path, out: Path, platform: str) -> Path:
    wanted = f"{platform}={PLATFORMS[platform]}"
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        code = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
        done = subprocess.run(
            [sys.executable, "-c", code, str(out.resolve())],
            cwd=Path(folder, archive.name.removesuffix(".tar.gz")),
            env={**build_plugins.dated_environment(), "LAMA_FILL_KERNELS_FOR": wanted},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        why = [line for line in done.stderr.splitlines() if "error" in line] or ["zig said nothing"]
        raise build_plugins.BuildError(f"the kernels' wheel for {platform} could not be built: {why[0]}")
    return out / done.stdout.splitlines()[-1]


def main() -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Build the kernels' source archive and wheels.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder for the files (dist)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    def files() -> Iterator[Path]:
        archive = sources(arguments.out)
        yield archive
        yield from wheels(archive, arguments.out)

    return build_plugins.print_built("build_kernels", files)


if __name__ == "__main__":
    raise SystemExit(main())
