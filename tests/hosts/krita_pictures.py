"""`python -m tests.hosts.krita_pictures`: makes docs/images' pictures of the docker, with a real fill."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image

from examples.pictures import EXAMPLES
from installers import build_plugins
from tests.hosts.conftest import start_server, stop_server
from tests.hosts.krita import Krita, install_on_this_machine

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
SCRIPT = Path(__file__).with_name("in_krita_pictures.py")
THEMES = {"dark": "Krita dark", "light": "Krita bright"}


def main() -> None:
    install_on_this_machine()
    archive_folder = Path(tempfile.mkdtemp(prefix="lama-fill-pictures-"))
    archive = build_plugins.build(
        build_plugins.PLUGINS["krita"], archive_folder, build_plugins.fetch_wheels()
    )
    server = start_server(Path("/"), archive_folder / "server")
    try:
        for theme, name in THEMES.items():
            krita = Krita.make(Path("/"), archive_folder / theme, server.environment)
            krita.unpack(archive)
            with (krita.folder / ".config" / "kritarc").open("a") as file:
                file.write(f"[theme]\nTheme={name}\n")
            example = EXAMPLES["rocket"]
            Image.fromarray(example.photo()).save(krita.folder / "photo.png")
            (krita.folder / "hole.gray").write_bytes((example.hole() * 255).astype("uint8").tobytes())
            answers = krita.in_window(
                SCRIPT, ["show"], environment={"PROBE_PICTURES": str(krita.folder), "PROBE_THEME": theme}
            )
            print(theme, answers["show"])
            for kind in ("before", "after", "narrow"):
                picture = Image.open(krita.folder / f"{theme}-{kind}.png").convert("RGB")
                picture.save(IMAGES / f"krita-{theme}-{kind}.webp", quality=88, method=6)
    finally:
        stop_server(server)


if __name__ == "__main__":
    main()
