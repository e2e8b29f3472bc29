"""Fill a hole in a real photograph with the real command: what `make demo` runs."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from pictures import EXAMPLES
from PIL import Image

COMMAND = Path(sysconfig.get_path("scripts")) / "lama-fill"


def make_inputs(folder: Path) -> tuple[Path, Path]:
    """Write the photograph and the mask, white where it is to be filled; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    example = EXAMPLES["rocket"]
    picture, mask = folder / "rocket.png", folder / "rocket-mask.png"
    Image.fromarray(example.photo()).save(picture)
    Image.fromarray(example.hole()).save(mask)
    return picture, mask


def _shown(path: Path) -> Path:
    """As one types it in this folder, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main() -> int:
    """Make the inputs, fill, and say where the result is."""
    parser = argparse.ArgumentParser(description="Fill a hole in a real photograph.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder (default: out/demo)")
    folder: Path = parser.parse_args().out
    picture, mask = make_inputs(folder)
    filled = folder / "rocket-filled.png"
    filled.unlink(missing_ok=True)

    done = subprocess.run(
        [COMMAND, "fill", picture, "--mask", mask, "-o", filled, "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.returncode
    facts = json.loads(done.stdout)
    print(f"the photograph: {picture.resolve()}")
    print(f"the hole:       {mask.resolve()}")
    print(f"the fill:       {filled.resolve()}")
    print(f"filled with the model {facts['model']} on {facts['device']} in {facts['seconds']:.2f} s")
    print(f"to paint your own: {_shown(COMMAND)} web")
    return 0


if __name__ == "__main__":
    sys.exit(main())
