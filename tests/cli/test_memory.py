"""`--memory`: what the whole process takes beside reading and writing the file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvips

from lama_cli.commands.fill_options import MIN_FILL_BYTES, PROCESS_BYTES, add_fill_options, fill_options
from tests.client.test_tiles import hair

READ_AND_WRITE = """
import sys
from pathlib import Path
from lama_cli.pictures import read_mask, read_picture, write_picture
picture = read_picture(Path("a.tif"))
read_mask(Path("m.png"), picture=picture)
write_picture(picture, Path("b.tif"))
"""


def test_the_process_itself_is_counted() -> None:
    parser = argparse.ArgumentParser()
    add_fill_options(parser)
    assert fill_options(parser.parse_args([])).memory is None
    assert fill_options(parser.parse_args(["--memory", "2GB"])).memory == 2_000_000_000 - PROCESS_BYTES
    assert fill_options(parser.parse_args(["--memory", "1MB"])).memory == MIN_FILL_BYTES


def peak(folder: Path, *command: str) -> int:
    """The most memory that a process has, in bytes."""
    surroundings = {**os.environ, "LAMA_FILL_RUNTIME_DIR": str(folder / "state")}
    process = subprocess.Popen([sys.executable, "-P", *command], cwd=folder, env=surroundings)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    assert status == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not say what a child took")
def test_a_hair_across_a_scan_stays_within_the_memory(tmp_path: Path, weights: Path) -> None:
    """One window of all of it would take gigabytes."""
    side = 3000
    mask = hair(side)
    # Rows of noise, again and again.
    noise = np.random.default_rng(0).integers(0, 256, (100, side, 3), np.uint8)
    pixels = np.tile(noise, (side // 100, 1, 1))
    for name, values in (("a.tif", pixels), ("m.png", mask[:, :, None])):
        pyvips.Image.new_from_memory(values.tobytes(), side, side, values.shape[2], "uchar").write_to_file(
            str(tmp_path / name)
        )
    files = peak(tmp_path, "-c", READ_AND_WRITE)
    fill = ("-m", "lama_cli", "fill", "a.tif", "--mask", "m.png", "-o", "c.tif", "--no-server")
    whole = peak(tmp_path, *fill, "--memory", "1GB", "--model", str(weights))
    assert whole < files + 1_000_000_000
    filled = pyvips.Image.new_from_file(str(tmp_path / "c.tif")).numpy()
    assert (filled[mask > 0] != pixels[mask > 0]).any(axis=1).mean() > 0.95


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="this system does not say what a child took")
def test_one_thick_hole_stays_within_the_memory(tmp_path: Path, weights: Path) -> None:
    """One window of it would take a gigabyte."""
    side = 1100
    y, x = np.indices((side, side))
    mask = np.where(np.hypot(y - 550, x - 550) < 400, 255, 0).astype(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (100, side, 3), np.uint8)
    pixels = np.tile(noise, (side // 100, 1, 1))
    pixels[mask > 0] = 255
    for name, values in (("a.tif", pixels), ("m.png", mask[:, :, None])):
        pyvips.Image.new_from_memory(values.tobytes(), side, side, values.shape[2], "uchar").write_to_file(
            str(tmp_path / name)
        )
    files = peak(tmp_path, "-c", READ_AND_WRITE)
    fill = ("-m", "lama_cli", "fill", "a.tif", "--mask", "m.png", "-o", "c.tif", "--no-server")
    whole = peak(tmp_path, *fill, "--memory", "600MB", "--model", str(weights))
    assert whole < files + 600_000_000
    filled = pyvips.Image.new_from_file(str(tmp_path / "c.tif")).numpy()
    assert (filled[mask > 0] != pixels[mask > 0]).any(axis=1).mean() > 0.95
