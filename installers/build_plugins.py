"""Build the archives of the plug-ins: `python installers/build_plugins.py --out dist`.

One archive for each editor, unpacked by the editor or by the artist into its plug-ins folder. It holds the
plug-in, its translations and everything it needs to talk to the server: its own copy of the torch-free parts
of lama_core, of websockets and of msgpack, all of it Python without a compiled file, because an editor's
Python is whatever the editor bundles.

The same commit gives the same bytes: names are sorted, every file is as old as the commit, modes are fixed,
and what is fetched is checked against the hashes below.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent

#: The texts of both plug-ins, one file for each language.
CATALOGUES = PROJECT / "installers/translations"

#: The parts of lama_core that run in an editor.
CORE = ("__init__.py", "client")

#: What is copied from a folder: sources and data, none of what a run leaves behind.
WANTED = frozenset({".py", ".desktop", ".action", ".html", ".svg", ".png", ".md"})


class BuildError(Exception):
    """The archive cannot be made; the message is one line that says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A package that goes into the archives. The tags are those of the wheel that has this hash."""

    name: str
    version: str
    sha256: str
    tags: tuple[str, ...]


#: The newest that run on Python 3.9. Of msgpack there is no pure wheel: its compiled file is left out.
WHEELS = (
    Wheel(
        name="websockets",
        version="15.0.1",
        sha256="f7a866fbc1e97b5c617ee4116daaa09b722101d4a3c170c787450ba409f9736f",
        tags=("--platform=any", "--implementation=py", "--abi=none"),
    ),
    Wheel(
        name="msgpack",
        version="1.1.2",
        sha256="94fd7dc7d8cb0a54432f296f2246bc39474e017204ca6f4ff345941d4ed285a7",
        tags=("--platform=manylinux2014_x86_64", "--implementation=cp", "--abi=cp39"),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Translations:
    """`CATALOGUES/<language>.po` becomes `<place>/<language>/LC_MESSAGES/<domain>.mo`."""

    place: str
    domain: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlugIn:
    """What an archive holds. `folders` maps folders, and single files, of the project to the archive's."""

    name: str
    folders: Mapping[str, str]
    private: str  # folder of the archive for lama_core, websockets and msgpack
    license: str  # where the project's licence goes
    executable: frozenset[str] = frozenset()
    translations: Translations | None = None
    # Folders that get an entry of their own in the archive, which nothing else needs.
    entries: tuple[str, ...] = ()


PLUGINS = {
    "gimp": PlugIn(
        name="gimp",
        folders={"plugin_gimp/lama-fill": "lama-fill"},
        private="lama-fill/private",
        license="lama-fill/LICENSE",
        # GIMP passes over a plug-in without a word when this bit is not set.
        executable=frozenset({"lama-fill/lama-fill.py"}),
        translations=Translations(place="lama-fill/locale", domain="lama-fill"),
    ),
    "gimp210": PlugIn(
        name="gimp210",
        folders={
            "plugin_gimp/gimp-2.10/lama_fill_210.py": "lama_fill_210/lama_fill_210.py",
            "plugin_gimp/gimp-2.10/run_relay.py": "lama_fill_210/private/run_relay.py",
        },
        private="lama_fill_210/private",
        license="lama_fill_210/LICENSE",
        executable=frozenset({"lama_fill_210/lama_fill_210.py"}),
        translations=Translations(place="lama_fill_210/locale", domain="lama-fill"),
    ),
    "krita": PlugIn(
        name="krita",
        folders={
            "plugin_krita/lama_fill_krita.desktop": "lama_fill_krita.desktop",
            "plugin_krita/lama_fill_krita": "lama_fill_krita",
            "plugin_krita/actions": "actions",
        },
        private="lama_fill_krita/private",
        license="lama_fill_krita/LICENSE",
        translations=Translations(place="lama_fill_krita/locale", domain="lama_fill"),
        # Krita's importer knows the plug-in's folder by this.
        entries=("lama_fill_krita/",),
    ),
}


def version() -> str:
    """The project's version, read without importing it."""
    text = (PROJECT / "server/lama_server/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise BuildError("server/lama_server/__init__.py does not say the version")
    return found.group(1)


def build(plugin: PlugIn, out: Path, wheels: Mapping[str, bytes]) -> Path:
    """Write one archive and return its path. `wheels`: by file name, what `fetch_wheels` returned."""
    files = dict(_files(plugin, wheels))
    missing = plugin.executable - files.keys()
    if missing:
        raise BuildError(f"there is no {', '.join(sorted(missing))} in the {plugin.name} plug-in")
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"lama-fill-{plugin.name}-{version()}.zip"
    date = time.gmtime(max(commit_seconds(), 315_532_800))[:6]  # a zip knows no year before 1980
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in plugin.entries:
            folder = zipfile.ZipInfo(name, date)
            folder.create_system = 3
            folder.external_attr = 0o040755 << 16 | 0x10
            archive.writestr(folder, b"")
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date)
            entry.create_system = 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name in plugin.executable else 0o100644) << 16
            archive.writestr(entry, files[name])
    return path


def fetch_wheels() -> dict[str, bytes]:
    """The wheels of `WHEELS`, each checked against its hash by pip: name of the file -> its bytes."""
    fetched: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for wheel in WHEELS:
            wanted = Path(folder) / f"{wheel.name}.txt"
            wanted.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
            place = Path(folder) / wheel.name
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
            command += ["--only-binary=:all:", "--python-version=3.9", *wheel.tags]
            command += ["--dest", str(place), "--requirement", str(wanted)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
                raise BuildError(f"{wheel.name} {wheel.version} could not be fetched: {last}")
            for path in place.iterdir():
                fetched[path.name] = path.read_bytes()
    return fetched


def _files(plugin: PlugIn, wheels: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Name in the archive and content of every file, in no order."""
    for source, place in plugin.folders.items():
        if (PROJECT / source).is_dir():
            yield from _tree(PROJECT / source, place)
        else:
            yield place, (PROJECT / source).read_bytes()
    for part in CORE:
        path, place = PROJECT / "lama_core" / part, f"{plugin.private}/lama_core/{part}"
        if path.is_dir():
            yield from _tree(path, place)
        else:
            yield place, path.read_bytes()
    for content in wheels.values():
        yield from _unpacked(content, plugin.private)
    yield plugin.license, (PROJECT / "LICENSE").read_bytes()
    if plugin.translations is not None:
        yield from _translated(plugin.translations)


def _tree(folder: Path, place: str) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in WANTED and "__pycache__" not in path.parts:
            yield f"{place}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _unpacked(wheel: bytes, place: str) -> Iterator[tuple[str, bytes]]:
    """The Python files and the licence of a wheel."""
    with zipfile.ZipFile(BytesIO(wheel)) as archive:
        for name in archive.namelist():
            folder, _, last = name.rpartition("/")
            if name.endswith(".py"):
                yield f"{place}/{name}", archive.read(name)
            elif last in {"LICENSE", "COPYING"}:
                package = folder.partition("-")[0]
                yield f"{place}/{package}/{last}", archive.read(name)


def _translated(translations: Translations) -> Iterator[tuple[str, bytes]]:
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    for path in sorted(CATALOGUES.glob("*.po")):
        with path.open("rb") as file:
            catalog = read_po(file, abort_invalid=True)
        # A catalog that names no dates would get those of now.
        date = datetime.fromtimestamp(commit_seconds(), timezone.utc)
        catalog.creation_date = catalog.revision_date = date
        compiled = BytesIO()
        write_mo(compiled, catalog)
        yield f"{translations.place}/{path.stem}/LC_MESSAGES/{translations.domain}.mo", compiled.getvalue()


def commit_seconds() -> int:
    """When the commit was made, or $SOURCE_DATE_EPOCH; 0 outside a checkout."""
    chosen = os.environ.get("SOURCE_DATE_EPOCH")
    if chosen:
        return int(chosen)
    asked = subprocess.run(
        ["git", "-C", str(PROJECT), "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False
    )
    return int(asked.stdout) if asked.returncode == 0 and asked.stdout.strip() else 0


def dated_environment() -> dict[str, str]:
    """The environment in which a build backend dates all files by the commit."""
    return {**os.environ, "SOURCE_DATE_EPOCH": str(commit_seconds() or 315_532_800)}


def print_built(program: str, files: Callable[[], Iterable[Path]]) -> int:
    """Print each file as it is built; the exit status. What stands in the way is one line."""
    try:
        for path in files():
            print(path)
    except BuildError as reason:
        print(f"{program}: {reason}", file=sys.stderr)
        return 2
    return 0


def main() -> int:
    """Run the command. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Build the archives of the plug-ins.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder for the archives (dist)")
    parser.add_argument("--only", choices=PLUGINS, help="build this one alone")
    arguments = parser.parse_args()

    def archives() -> Iterator[Path]:
        wheels = fetch_wheels()
        for name in [arguments.only] if arguments.only else PLUGINS:
            yield build(PLUGINS[name], arguments.out, wheels)

    return print_built("build_plugins", archives)


if __name__ == "__main__":
    raise SystemExit(main())
