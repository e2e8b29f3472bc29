"""From the command to the file: with nothing running, by a warm server, and until the first look."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lama_core.client.connection import Client, connect
from lama_core.client.protocol.messages import Fill, Preview
from tests.bench.busy import hole_of_300x200
from tests.bench.models import photo
from tests.bench.report import Section

ROUNDS = 9
COLD_ROUNDS = 3


def main() -> Section:
    """Fill a hole by the command line and by a client, with a server of this bench's own."""
    section = Section(
        title="At once",
        note="A PNG of 800x600, a hole of 300x200, `compact`, by `lama-fill fill` until it has ended; the "
        f"least of {COLD_ROUNDS} with nothing running, medians of {ROUNDS} by a warm server. The preview is "
        "that of a window of 512x416: from the request until the client has it.",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = _command(folder)
        os.environ["LAMA_FILL_RUNTIME_DIR"] = str(folder / "run")
        cold = []
        for _ in range(COLD_ROUNDS):
            cold.append(_run(command)[0])
            _stop()
        section.figure("with nothing running", min(cold[1:]), "s", target=1.5)
        try:
            _run(command)
            beside = [wall - filling for wall, filling in (_run(command) for _ in range(ROUNDS))]
            section.figure("by a warm server, beside the fill", statistics.median(beside), "s", target=0.15)
            with connect(client="bench") as client:
                first, whole = _first_look(client)
            section.figure("a preview", first * 1000, "ms", target=100)
            section.figure("the result of the same fill", whole * 1000, "ms")
        finally:
            _stop()
    return section


def _command(folder: Path) -> list[str]:
    Image.fromarray(photo(600, 800)).save(folder / "a.png")
    hole = np.zeros((600, 800), np.uint8)
    hole[200:400, 250:550] = 255
    Image.fromarray(hole).save(folder / "m.png")
    paths = [str(folder / "a.png"), "--mask", str(folder / "m.png"), "-o", str(folder / "b.png")]
    return [sys.executable, "-P", "-m", "lama_cli", "fill", *paths, "--overwrite", "--json"]


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds until the command has ended, and of them what the fill took."""
    begun = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - begun, float(json.loads(done.stdout)["seconds"])


def _stop() -> None:
    subprocess.run([sys.executable, "-P", "-m", "lama_cli", "stop"], check=True, capture_output=True)


def _first_look(client: Client) -> tuple[float, float]:
    """Seconds until the preview and until the result, medians."""
    firsts, wholes = [], []
    for seed in range(ROUNDS + 1):
        fill: Fill = hole_of_300x200("balanced")
        seen: list[float] = []

        def look(preview: Preview, seen: list[float] = seen) -> None:
            seen.append(time.perf_counter())

        begun = time.perf_counter()
        client.fill(replace(fill, options=replace(fill.options, seed=seed)), on_preview=look)
        wholes.append(time.perf_counter() - begun)
        firsts.append(seen[0] - begun)
    return statistics.median(firsts[1:]), statistics.median(wholes[1:])
