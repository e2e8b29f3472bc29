"""In the real GIMP: the plug-in where Flatpak puts an extension, behind a link."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.hosts import gimp
from tests.hosts.conftest import Server
from tests.hosts.gimp import Gimp
from tests.installers.extension import build_extension

INSTALLERS = Path(__file__).resolve().parents[2] / "installers"
sys.path.insert(0, str(INSTALLERS))
import flatpak_extension  # noqa: E402 - a script's neighbour, as the release's own script imports it


def test_the_extension_fills(
    system: Path, inside_folder: Path, archives: Mapping[str, Path], server: Server, tmp_path: Path
) -> None:
    manifest, _ = flatpak_extension.write(archives["gimp"].parent, archives["gimp"])
    folder = inside_folder / "flatpak"
    extensions, profile = folder / "extensions", folder / "profile"
    for made in (extensions / "plug-ins", profile):
        made.mkdir(parents=True)
    build_extension(manifest, tmp_path, extensions / "LaMaFill")
    # What Flatpak does with the folders that GIMP's extension point has merged.
    (extensions / "plug-ins" / "lama-fill").symlink_to("../LaMaFill/plug-ins/lama-fill")
    inside = "/" + extensions.relative_to(system).as_posix()
    gimp.write_settings(system, profile, f'(plug-in-path "${{gimp_plug_in_dir}}/plug-ins:{inside}/plug-ins")')
    editor = Gimp.with_profile(system, folder, profile, server.environment)
    try:
        assert editor.call("one")["error"] == ""
        assert editor.call("what_a_person_reads")["menu"] == "LaMa _Fill..."
    finally:
        editor.close()
