"""Putting the plug-in's archive into an editor, and taking back exactly what was put there."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lama_cli.editors.finding import Editor
from lama_cli.editors.kritarc import switch
from lama_core.client.errors import LamaFillError
from lama_core.client.files import OWN_FILE, make_own_folder, write_atomically

RECORD = "installed.json"
"""In the plug-in's own folder: its version, and every file that was put there."""
_FOLDERS = {
    "gimp": ("lama-fill",),
    "gimp210": ("lama_fill_210",),
    "krita": ("lama_fill_krita", "lama_fill"),
}
"""The plug-in's folder, and what it was called before: an older one is taken out when a new one is put in."""
_ENTRIES = {
    "gimp": "lama-fill/lama-fill.py",
    "gimp210": "lama_fill_210/lama_fill_210.py",
    "krita": "lama_fill_krita/__init__.py",
}


class PlugInError(LamaFillError):
    """A plug-in cannot be put into an editor, or taken out; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A plug-in that is in an editor."""

    version: str
    """"" when it was put there by hand."""
    whole: bool
    """Whether all of its files are there."""


def find_installed(editor: Editor) -> Installed | None:
    """The plug-in in an editor; None when there is none."""
    _, version, files = _record(editor)
    if files:
        return Installed(version=version, whole=all((_base(editor) / name).is_file() for name in files))
    if (editor.plugins / _ENTRIES[editor.kind]).is_file():
        return Installed(version="", whole=True)
    return None


def install(editor: Editor, archive: Path, version: str) -> None:
    """Put the plug-in in, in place of what may be there of an older one, and have the editor load it.

    Raises:
        PlugInError: the archive is not the plug-in's, or the editor's folder cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            files = {
                _place(editor, entry.filename): (opened.read(entry), entry.external_attr >> 16 & 0o777)
                for entry in opened.infolist()
                if not entry.is_dir()
            }
    except (OSError, zipfile.BadZipFile) as error:
        raise PlugInError(f"{archive}: cannot be read as the plug-in's archive ({error})") from error
    if _place(editor, _ENTRIES[editor.kind]) not in files:
        raise PlugInError(f"{archive} is not the plug-in for {editor.about}")
    base = _base(editor)
    try:
        _take_out(editor)
        for name, (content, mode) in files.items():
            path = base / name
            make_own_folder(path.parent)
            write_atomically(path, content, mode=(mode or OWN_FILE) & 0o755)
        record = {"version": version, "files": sorted(str(name) for name in files)}
        write_atomically(
            editor.plugins / _FOLDERS[editor.kind][0] / RECORD,
            json.dumps(record, indent=1).encode(),
            mode=OWN_FILE,
        )
        if editor.settings is not None:
            switch(editor.settings, on=True)
    except OSError as error:
        raise PlugInError(
            f"{error.filename or base}: cannot be written ({error.strerror or error}); "
            f"close {editor.about} and try again"
        ) from error


def remove(editor: Editor) -> bool:
    """Take out what `install` put in; False when there was nothing. Raises PlugInError."""
    try:
        if not _take_out(editor):
            return False
        if editor.settings is not None:
            switch(editor.settings, on=False)
    except OSError as error:
        raise PlugInError(
            f"{error.filename or editor.plugins}: cannot be removed ({error.strerror or error}); "
            f"close {editor.about} and try again"
        ) from error
    return True


def _take_out(editor: Editor) -> bool:
    record, _, files = _record(editor)
    if not files:
        return False
    base = _base(editor)
    record.unlink()
    folders: set[Path] = {editor.plugins}
    for name in files:
        path = base / name
        path.unlink(missing_ok=True)
        # What Python left beside it when the editor ran it.
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()
        folders.update((path.parent / "__pycache__", *_inside(base, path.parent)))
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return True


def _inside(base: Path, folder: Path) -> list[Path]:
    """A folder and those that it is in, below `base`."""
    return [parent for parent in (folder, *folder.parents) if base in parent.parents]


def _base(editor: Editor) -> Path:
    """The folder that the record's names start from: Krita's actions are beside its plug-ins."""
    return editor.plugins.parent


def _place(editor: Editor, name: str) -> PurePosixPath:
    """Where a file of the archive goes, below the base. Raises PlugInError for one that would leave it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise PlugInError(f"{name!r} is no file of the plug-in's archive")
    beside = editor.kind == "krita" and path.parts[0] == "actions"
    return path if beside else PurePosixPath(editor.plugins.name) / path


def _record(editor: Editor) -> tuple[Path, str, list[PurePosixPath]]:
    """The record's path, version and files; no files when nothing was put there by us."""
    path = editor.plugins / RECORD
    for folder in _FOLDERS[editor.kind]:
        path = editor.plugins / folder / RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            names = [PurePosixPath(name) for name in record["files"]]
            version = str(record["version"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        return path, version, [name for name in names if not name.is_absolute() and ".." not in name.parts]
    return path, "", []
