"""Where each editor keeps the plug-ins of this user, in every way in which editors are installed.

GIMP makes a profile folder for each of its series (`2.10`, `3.0`, `3.2`) at its first start, with what the
user had in an older one. It does not if there is a folder already: so none is made for it here. An AppImage
has its profile where other GIMPs have it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lama_core.client.places import home_folder

Kind = Literal["gimp", "gimp210", "krita"]
"""Which plug-in an editor takes."""

EXTENSION = "org.gimp.GIMP.Plugin.LaMaFill"
"""GIMP's plug-in as an extension of its Flatpak, which Flatpak installs and removes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Editor:
    """One editor that can take the plug-in."""

    kind: Kind
    about: str
    """Which one, for people: `GIMP 3.0 (Flatpak)`."""
    plugins: Path
    """GIMP's `plug-ins`, Krita's `pykrita`. It need not exist."""
    settings: Path | None = None
    """Krita's `kritarc`. It need not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """The folders of the user that everything is looked for in."""

    home: Path
    config: Path
    """Linux: ~/.config. macOS: ~/Library/Application Support. Windows: %APPDATA%."""
    data: Path
    """Linux: ~/.local/share. macOS: ~/Library/Application Support. Windows: %APPDATA%."""
    krita_settings: Path
    """The folder of Krita's kritarc."""
    packages: Path | None = None
    """Windows: where store programs have their own %APPDATA%."""


def roots_here(environ: Mapping[str, str], platform: str = sys.platform) -> Roots:
    """The folders of this user."""
    home = Path(environ.get("HOME") or home_folder())
    if platform == "win32":
        home = Path(environ.get("USERPROFILE") or home_folder())
        roaming = Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
        local = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return Roots(
            home=home, config=roaming, data=roaming, krita_settings=local, packages=local / "Packages"
        )
    if platform == "darwin":
        support = home / "Library" / "Application Support"
        return Roots(home=home, config=support, data=support, krita_settings=home / "Library" / "Preferences")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return Roots(home=home, config=config, data=data, krita_settings=config)


def find_editors(roots: Roots) -> tuple[Editor, ...]:
    """All that have been started once, and a Krita that is on the PATH."""
    return (*_gimps(roots), *_kritas(roots))


def flatpaks(roots: Roots) -> tuple[str, ...]:
    """Editors that are installed as a Flatpak, for people to read."""
    return tuple(
        f"{name} (Flatpak)"
        for application, name in (("org.gimp.GIMP", "GIMP"), ("org.kde.krita", "Krita"))
        if _is_in_flatpak(roots, "app", application)
    )


def has_extension(roots: Roots) -> bool:
    """Whether GIMP's Flatpak has the plug-in as `EXTENSION`."""
    return _is_in_flatpak(roots, "runtime", EXTENSION)


def _is_in_flatpak(roots: Roots, kind: str, name: str) -> bool:
    """`kind`: "app", or "runtime", which extensions are too."""
    places = (Path("/var/lib/flatpak"), roots.home / ".local" / "share" / "flatpak")
    return any((place / kind / name).is_dir() for place in places)


def unstarted(roots: Roots) -> tuple[str, ...]:
    """Editors that are installed, and have no profile yet, for people to read."""
    found = find_editors(roots)
    has_gimp = any(editor.kind in ("gimp", "gimp210") for editor in found)
    waiting = []
    if shutil.which("gimp") and not has_gimp:
        waiting.append("GIMP")
    for name in flatpaks(roots):
        # GIMP's Flatpak has its profile among its own files or where other GIMPs have it, by its version.
        there = has_gimp if name.startswith("GIMP") else any(editor.about == name for editor in found)
        if not there:
            waiting.append(name)
    return tuple(waiting)


def _gimps(roots: Roots) -> Iterator[Editor]:
    for way, config in _ways(roots, "gimp", "org.gimp.GIMP", "config", ".config", roots.config):
        for profile in (config / "GIMP" / "2.10", *sorted((config / "GIMP").glob("3.*"))):
            if profile.is_dir():
                kind: Kind = "gimp210" if profile.name == "2.10" else "gimp"
                yield Editor(kind=kind, about=f"GIMP {profile.name}{way}", plugins=profile / "plug-ins")


def _kritas(roots: Roots) -> Iterator[Editor]:
    settings = {
        "": roots.krita_settings,
        " (Flatpak)": roots.home / ".var" / "app" / "org.kde.krita" / "config",
        " (Snap)": roots.home / "snap" / "krita" / "current" / ".config",
    }
    for way, data in _ways(roots, "krita", "org.kde.krita", "data", ".local/share", roots.data):
        folder = data / "krita"
        if folder.is_dir() or (not way and shutil.which("krita")):
            # A store program has its %LOCALAPPDATA% beside its %APPDATA%.
            place = settings.get(way, data.parent / "Local")
            yield Editor(
                kind="krita", about=f"Krita{way}", plugins=folder / "pykrita", settings=place / "kritarc"
            )


def _ways(
    roots: Roots, name: str, application: str, flatpak: str, snap: str, native: Path
) -> Iterator[tuple[str, Path]]:
    """The folder that stands for `native` in each way of installing a program."""
    yield "", native
    yield " (Flatpak)", roots.home / ".var" / "app" / application / flatpak
    yield " (Snap)", roots.home / "snap" / name / "current" / snap
    if roots.packages is not None:
        for package in sorted(roots.packages.glob("*")):
            if name in package.name.lower():
                yield " (Microsoft Store)", package / "LocalCache" / "Roaming"
