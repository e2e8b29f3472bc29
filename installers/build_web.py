"""Build the page that the server serves: `python -m installers.build_web`.

Checks web/src by TypeScript, bundles it by esbuild, and makes a file of each language's texts. What comes
out is committed, so that a clone without node has the page; the same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from babel.messages.pofile import read_po

from installers import build_plugins

PROJECT = build_plugins.PROJECT
WEB = PROJECT / "web"
BUNDLE = PROJECT / "server/lama_server/web/static"
"""Where the server has it."""
_MESSAGEPACK = "node_modules/@msgpack/msgpack/LICENSE"


def build(out: Path) -> list[Path]:
    """Write the page's files into a folder, which has nothing else afterwards; returns them.

    Raises:
        BuildError: there is no node, the packages cannot be fetched, or the sources are wrong.
    """
    install_packages()
    _run("node", "node_modules/typescript/bin/tsc", "--noEmit")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    _run("node", "build.mjs", str(out.resolve()))
    shutil.copy(WEB / _MESSAGEPACK, out / "msgpack.LICENSE")
    (out / "texts").mkdir()
    for path in sorted(build_plugins.CATALOGUES.glob("*.po")):
        texts = json.dumps(_texts(path), ensure_ascii=False, indent=0)
        (out / "texts" / f"{path.stem}.json").write_text(f"{texts}\n", encoding="utf-8")
    return sorted(path for path in out.rglob("*") if path.is_file())


def install_packages() -> None:
    """Have the packages of web/package-lock.json, exactly them.

    Raises:
        BuildError: they cannot be fetched.
    """
    lock = WEB / "package-lock.json"
    done = WEB / "node_modules" / ".package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        _run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
        done.touch()


def _texts(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        catalog = read_po(file, abort_invalid=True)
    return {str(message.id): str(message.string) for message in catalog if message.id}


def _run(*command: str) -> None:
    # The environment's own node goes first: its version is pinned.
    own = sysconfig.get_path("scripts")
    path = os.pathsep.join((own, os.environ.get("PATH", "")))
    program = shutil.which(command[0], path=path)
    if program is None:
        raise build_plugins.BuildError(f"there is no {command[0]}: install requirements-dev.txt")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=WEB,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise build_plugins.BuildError(f"{command[0]} {command[1]} failed: {'; '.join(said[:12])}")


def main() -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Build the page that the server serves.")
    parser.add_argument("--out", type=Path, default=BUNDLE, help="folder (default: where the server has it)")
    out: Path = parser.parse_args().out

    def files() -> Iterable[Path]:
        return build(out)

    return build_plugins.print_built("build_web", files)


if __name__ == "__main__":
    sys.exit(main())
