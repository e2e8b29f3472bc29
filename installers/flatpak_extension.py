"""What Flatpak needs to make GIMP's plug-in an extension of its GIMP, and what software centres show of it.

The manifest builds without a network, from the plug-in's archive beside it: in the folder of a release,

    flatpak-builder --user --install build org.gimp.GIMP.Plugin.LaMaFill.json
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path

import build_plugins

NAME = "org.gimp.GIMP.Plugin.LaMaFill"
FOLDER = Path(__file__).resolve().parent / "flatpak"


def write(out: Path, archive: Path) -> tuple[Path, Path]:
    """Write manifest and AppStream metadata for the plug-in's archive, which is in the same folder."""
    metainfo = out / f"{NAME}.metainfo.xml"
    date = time.strftime("%Y-%m-%d", time.gmtime(build_plugins.commit_seconds()))
    text = (FOLDER / metainfo.name).read_text(encoding="utf-8")
    text = text.replace('"VERSION"', f'"{build_plugins.version()}"').replace('"DATE"', f'"{date}"')
    metainfo.write_text(text, encoding="utf-8")

    manifest = out / f"{NAME}.json"
    content = json.loads((FOLDER / manifest.name).read_text(encoding="utf-8"))
    (module,) = content["modules"]
    for source, path in zip(module["sources"], (archive, metainfo), strict=True):
        source["path"] = path.name
        source["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
    return manifest, metainfo
