"""Fill a hole in a real photograph with the real command: what `make demo` runs.

The photograph is of a rocket between lightning towers (SpaceX, public domain, part of scikit-image's sample
data); the hole covers two of the towers.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
from pathlib import Path

from PIL import Image, ImageDraw
from skimage import data

TOWERS = (
    ((192, 118), (208, 118), (208, 220), (212, 380), (210, 427), (160, 427), (164, 380), (184, 220)),
    ((438, 118), (454, 118), (464, 220), (484, 370), (490, 427), (426, 427), (430, 370), (436, 220)),
)
"""Outlines of the two thin towers, (x, y) in pixels of the photograph."""

COMMAND = Path(sysconfig.get_path("scripts")) / "lama-fill"


def make_inputs(folder: Path) -> tuple[Path, Path]:
    """Write the photograph and the mask, white where it is to be filled; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    photograph = Image.fromarray(data.rocket())
    mask = Image.new("L", photograph.size)
    for tower in TOWERS:
        ImageDraw.Draw(mask).polygon(tower, fill=255)
    picture_path, mask_path = folder / "rocket.png", folder / "rocket-mask.png"
    photograph.save(picture_path)
    mask.save(mask_path)
    return picture_path, mask_path


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
