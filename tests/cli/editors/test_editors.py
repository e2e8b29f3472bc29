"""Finding editors, and putting plug-ins into them."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from lama_cli import main
from lama_cli.editors import finding
from lama_cli.editors.finding import Editor, find_editors, flatpaks, roots_here, unstarted
from lama_cli.editors.installing import PlugInError, find_installed, install, remove
from lama_cli.editors.kritarc import switch

GIMP_FILES = {"lama-fill/lama-fill.py": 0o755, "lama-fill/private/lama_core/client/errors.py": 0o644}
GIMP_210_FILES = {
    "lama_fill_210/lama_fill_210.py": 0o755,
    "lama_fill_210/private/lama_core/client/errors.py": 0o644,
}
KRITA_FILES = {
    "lama_fill_krita.desktop": 0o644,
    "lama_fill_krita/__init__.py": 0o644,
    "actions/lama_fill_krita.action": 0o644,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(finding.shutil, "which", lambda name: None)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "Zoë Müller"
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "state"))
    return folder


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    folder = tmp_path / "archives"
    make_archives(folder, "1.2")
    return folder


def make_archives(folder: Path, version: str, more: str = "") -> None:
    folder.mkdir(exist_ok=True)
    for kind, files in (("gimp", GIMP_FILES), ("gimp210", GIMP_210_FILES), ("krita", KRITA_FILES)):
        with zipfile.ZipFile(folder / f"lama-fill-{kind}-{version}.zip", "w") as archive:
            archive.writestr(zipfile.ZipInfo("lama_fill_krita/" if kind == "krita" else "lama-fill/"), b"")
            for name, mode in files.items():
                entry = zipfile.ZipInfo(name)
                entry.external_attr = (0o100000 | mode) << 16
                archive.writestr(entry, f"{name} {version}")
            if more and kind == "gimp":
                archive.writestr(more, "more")


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_every_way_of_installing_on_linux(home: Path) -> None:
    for name in (
        ".config/GIMP/2.10",
        ".config/GIMP/3.0",
        ".config/GIMP/3.2",
        ".var/app/org.gimp.GIMP/config/GIMP/2.10",
        ".var/app/org.gimp.GIMP/config/GIMP/3.0",
        "snap/gimp/current/.config/GIMP/2.10",
        "snap/gimp/current/.config/GIMP/3.0",
        ".local/share/krita",
        ".var/app/org.kde.krita/data/krita",
        "snap/krita/current/.local/share/krita",
    ):
        (home / name).mkdir(parents=True)
    found = find_editors(roots_here({"HOME": str(home)}, "linux"))
    places = [
        (e.about, str(e.plugins.relative_to(home)), e.settings and str(e.settings.relative_to(home)))
        for e in found
    ]
    assert [e.about for e in found if e.kind == "gimp210"] == [
        "GIMP 2.10",
        "GIMP 2.10 (Flatpak)",
        "GIMP 2.10 (Snap)",
    ]
    assert places == [
        ("GIMP 2.10", ".config/GIMP/2.10/plug-ins", None),
        ("GIMP 3.0", ".config/GIMP/3.0/plug-ins", None),
        ("GIMP 3.2", ".config/GIMP/3.2/plug-ins", None),
        ("GIMP 2.10 (Flatpak)", ".var/app/org.gimp.GIMP/config/GIMP/2.10/plug-ins", None),
        ("GIMP 3.0 (Flatpak)", ".var/app/org.gimp.GIMP/config/GIMP/3.0/plug-ins", None),
        ("GIMP 2.10 (Snap)", "snap/gimp/current/.config/GIMP/2.10/plug-ins", None),
        ("GIMP 3.0 (Snap)", "snap/gimp/current/.config/GIMP/3.0/plug-ins", None),
        ("Krita", ".local/share/krita/pykrita", ".config/kritarc"),
        (
            "Krita (Flatpak)",
            ".var/app/org.kde.krita/data/krita/pykrita",
            ".var/app/org.kde.krita/config/kritarc",
        ),
        (
            "Krita (Snap)",
            "snap/krita/current/.local/share/krita/pykrita",
            "snap/krita/current/.config/kritarc",
        ),
    ]


def test_macos(home: Path) -> None:
    support = home / "Library" / "Application Support"
    (support / "GIMP" / "3.0").mkdir(parents=True)
    (support / "krita").mkdir()
    gimp, krita = find_editors(roots_here({"HOME": str(home)}, "darwin"))
    assert gimp.plugins == support / "GIMP" / "3.0" / "plug-ins"
    assert krita.plugins == support / "krita" / "pykrita"
    assert krita.settings == home / "Library" / "Preferences" / "kritarc"


def test_gimp_210_where_each_system_has_it(home: Path) -> None:
    for folder, environ, platform in (
        ("Library/Application Support", {"HOME": str(home)}, "darwin"),
        ("AppData/Roaming", {"USERPROFILE": str(home), "APPDATA": str(home / "AppData/Roaming")}, "win32"),
    ):
        profile = home / folder / "GIMP" / "2.10"
        profile.mkdir(parents=True)
        (gimp,) = find_editors(roots_here(environ, platform))
        assert (gimp.kind, gimp.about, gimp.plugins) == ("gimp210", "GIMP 2.10", profile / "plug-ins")


def test_each_gimp_gets_its_own_plug_in(home: Path, archives: Path) -> None:
    for series in ("2.10", "3.0"):
        (home / ".config/GIMP" / series).mkdir(parents=True)
    before = everything(home)
    assert main(["plugins", "install", str(archives)]) == 0
    old, new = (home / ".config/GIMP" / series / "plug-ins" for series in ("2.10", "3.0"))
    assert (old / "lama_fill_210/lama_fill_210.py").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in old.iterdir()] == ["lama_fill_210"]
    assert [path.name for path in new.iterdir()] == ["lama-fill"]
    assert main(["plugins", "remove"]) == 0
    assert everything(home) == before


def test_windows(home: Path) -> None:
    roaming, local = home / "AppData" / "Roaming", home / "AppData" / "Local"
    store = local / "Packages" / "49800Krita_x" / "LocalCache"
    for folder in (roaming / "GIMP" / "3.0", roaming / "krita", store / "Roaming" / "krita"):
        folder.mkdir(parents=True)
    environ = {"USERPROFILE": str(home), "APPDATA": str(roaming), "LOCALAPPDATA": str(local)}
    gimp, krita, from_store = find_editors(roots_here(environ, "win32"))
    assert gimp.plugins == roaming / "GIMP" / "3.0" / "plug-ins"
    assert (krita.plugins, krita.settings) == (roaming / "krita" / "pykrita", local / "kritarc")
    assert from_store.about == "Krita (Microsoft Store)"
    assert from_store.settings == store / "Local" / "kritarc"


def test_editors_that_were_never_started(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".local/share/flatpak/app/org.kde.krita").mkdir(parents=True)
    monkeypatch.setattr(finding.shutil, "which", lambda name: f"/usr/bin/{name}")
    roots = roots_here({"HOME": str(home)}, "linux")
    assert unstarted(roots) == ("GIMP", "Krita (Flatpak)")
    assert [e.about for e in find_editors(roots)] == ["Krita"], "it makes no profile of its own"
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    (home / ".var/app/org.kde.krita/data/krita").mkdir(parents=True)
    assert unstarted(roots) == ()
    (home / ".local/share/flatpak/app/org.gimp.GIMP").mkdir(parents=True)
    assert unstarted(roots) == (), "a Flatpak may have its profile there too"
    assert flatpaks(roots) == ("GIMP (Flatpak)", "Krita (Flatpak)")


def test_all_of_it_comes_and_goes(
    home: Path, archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    (home / ".config/GIMP/3.0/gimprc").write_text("mine")
    (home / ".local/share/krita/actions").mkdir(parents=True)
    (home / ".local/share/krita/actions/other.action").write_text("mine")
    (home / ".config/kritarc").write_text("[python]\nenable_other=true\n\n[theme]\nTheme=dark\n")
    before = everything(home)
    assert main(["plugins", "install", str(archives)]) == 0
    plugins = home / ".config/GIMP/3.0/plug-ins"
    assert (plugins / "lama-fill/lama-fill.py").stat().st_mode & 0o777 == 0o755
    assert (home / ".local/share/krita/pykrita/lama_fill_krita.desktop").is_file()
    assert (home / ".local/share/krita/actions/lama_fill_krita.action").is_file()
    assert (
        "[python]\nenable_lama_fill_krita=true\nenable_other=true\n" in (home / ".config/kritarc").read_text()
    )
    assert main(["plugins", "list"]) == 0
    command = json.loads((tmp_path / "state" / "launch.json").read_text())["command"]
    assert command == [sys.executable, "-m", "lama_cli"], "the plug-ins know which server to start"
    out = capsys.readouterr().out
    assert f"GIMP 3.0: plug-in 1.2, {plugins}" in out
    compiled = plugins / "lama-fill/private/lama_core/client/__pycache__/errors.cpython-313.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"")
    assert main(["plugins", "remove"]) == 0
    assert everything(home) == before
    assert not plugins.exists()
    assert main(["plugins", "remove"]) == 0
    assert "had none of ours" in capsys.readouterr().out


def test_an_upgrade_leaves_nothing_of_the_old_one(home: Path, tmp_path: Path) -> None:
    editor = Editor(kind="gimp", about="GIMP", plugins=home / "plug-ins")
    old, new = tmp_path / "old", tmp_path / "new"
    make_archives(old, "1", more="lama-fill/old/gone.py")
    make_archives(new, "2")
    install(editor, old / "lama-fill-gimp-1.zip", "1")
    (home / "plug-ins/lama-fill/mine.txt").write_text("mine")
    install(editor, new / "lama-fill-gimp-2.zip", "2")
    assert find_installed(editor).version == "2"
    assert not (home / "plug-ins/lama-fill/old").exists()
    assert remove(editor)
    assert everything(home) == {"plug-ins/lama-fill/mine.txt": b"mine"}


def test_an_upgrade_takes_out_kritas_plug_in_by_its_former_name(home: Path, archives: Path) -> None:
    editor = Editor(
        kind="krita", about="Krita", plugins=home / "pykrita", settings=home / ".config" / "kritarc"
    )
    former = ["pykrita/lama_fill.desktop", "pykrita/lama_fill/__init__.py", "actions/lama_fill.action"]
    for name in former:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("old")
    record = {"version": "0.1", "files": former}
    (home / "pykrita/lama_fill/installed.json").write_text(json.dumps(record))
    (home / ".config").mkdir(exist_ok=True)
    (home / ".config/kritarc").write_text("[python]\nenable_lama_fill=true\n")
    assert find_installed(editor).version == "0.1"
    install(editor, archives / "lama-fill-krita-1.2.zip", "1.2")
    assert find_installed(editor).version == "1.2"
    assert not (home / "pykrita/lama_fill").exists()
    assert not (home / "pykrita/lama_fill.desktop").exists()
    assert (home / ".config/kritarc").read_text() == "[python]\nenable_lama_fill_krita=true\n"
    assert remove(editor)
    assert not (home / ".config/kritarc").exists()


def test_one_that_was_put_there_by_hand(home: Path, archives: Path) -> None:
    editor = Editor(kind="gimp", about="GIMP", plugins=home / "plug-ins")
    assert find_installed(editor) is None
    with zipfile.ZipFile(archives / "lama-fill-gimp-1.2.zip") as archive:
        archive.extractall(editor.plugins)
    assert find_installed(editor).version == ""
    assert not remove(editor), "what we did not put there stays"
    install(editor, archives / "lama-fill-gimp-1.2.zip", "1.2")
    (editor.plugins / "lama-fill/private/lama_core/client/errors.py").unlink()
    assert not find_installed(editor).whole


def test_mistakes(home: Path, archives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    editor = Editor(kind="gimp", about="GIMP", plugins=home / "plug-ins")
    with pytest.raises(PlugInError, match="is not the plug-in for GIMP"):
        install(editor, archives / "lama-fill-krita-1.2.zip", "1")
    with pytest.raises(PlugInError, match="cannot be read"):
        install(editor, tmp_path, "1")
    make_archives(archives, "1.2", more="lama-fill/../../../evil.py")
    with pytest.raises(PlugInError, match="no file of the plug-in's archive"):
        install(editor, archives / "lama-fill-gimp-1.2.zip", "1")
    assert not home.exists()
    home.mkdir()
    (home / "plug-ins").write_text("a file")
    make_archives(archives, "1.2")
    with pytest.raises(PlugInError, match="close GIMP and try again"):
        install(editor, archives / "lama-fill-gimp-1.2.zip", "1")
    assert main(["plugins", "install", str(tmp_path / "none")]) == 2
    assert "has no lama-fill-gimp-*.zip" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "on", "off"),
    [
        (None, "[python]\nenable_lama_fill_krita=true\n", None),
        ("[a]\nb=1\n", "[a]\nb=1\n\n[python]\nenable_lama_fill_krita=true\n", "[a]\nb=1\n"),
        (
            "[python]\nenable_x=true\n",
            "[python]\nenable_lama_fill_krita=true\nenable_x=true\n",
            "[python]\nenable_x=true\n",
        ),
        ("[python]\nenable_lama_fill_krita=false\n", "[python]\nenable_lama_fill_krita=true\n", None),
        ("[A]\nname=Bücher \udcff\n", None, "[A]\nname=Bücher \udcff\n"),
    ],
)
def test_kritas_settings(tmp_path: Path, old: str | None, on: str | None, off: str | None) -> None:
    path = tmp_path / "settings" / "kritarc"

    def read() -> str | None:
        return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None

    if old is not None:
        path.parent.mkdir()
        path.write_bytes(old.encode("utf-8", "surrogateescape"))
    switch(path, on=True)
    assert on is None or read() == on
    assert "[python]\nenable_lama_fill_krita=true\n" in (read() or "")
    once = read()
    switch(path, on=True)
    assert read() == once
    switch(path, on=False)
    assert read() == off
