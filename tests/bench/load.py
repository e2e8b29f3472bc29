"""From a worker's start to its being ready, and how the first fill compares with later ones."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.models import install
from tests.bench.report import Section

ROUNDS = 3

_CHILD = """
import sys, time
from lama_server.worker.__main__ import make_engine
from lama_server.worker.process import EngineSettings
engine = make_engine(EngineSettings(device="cpu", threads=0, precision="auto", memory=0))
engine.load(sys.argv[1])
print(time.time(), flush=True)  # ready
from lama_core.client.options import FillOptions
from lama_core.client.protocol.messages import Fill
side = 512
hole = bytearray(side * side)
for row in range(200, 300):
    hole[row * side + 200 : row * side + 300] = b"\\xff" * 100
pixels = bytes(range(256)) * (side * side * 3 // 256)
fill = Fill(job=1, width=side, height=side, format="rgb", depth="u8", pixels=pixels, hole=bytes(hole),
            model=sys.argv[1], options=FillOptions(quality="fast"))
for number in range(6):
    begin = time.perf_counter()
    engine.fill(fill, lambda stage, fraction: None, lambda: False, lambda preview: None)
    print(time.perf_counter() - begin, flush=True)
"""


def main() -> Section:
    """Load big-lama's size several times, from what the first load left in the cache."""
    section = Section(
        title="Loading",
        note="A worker with big-lama's size, its files in the system's cache: from the process's start, the "
        "interpreter and torch included, to ready; and fills of a 512x512 window after that.",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder / "data")
        environment = {
            **os.environ,
            "LAMA_FILL_DATA_DIR": str(folder / "data"),
            "LAMA_FILL_CACHE_DIR": str(folder / "cache"),
        }
        first = _run(environment)
        later = [_run(environment) for _ in range(ROUNDS)]
    ready = statistics.median(run[0] for run in later)
    fills = statistics.median(statistics.median(run[2:]) for run in later)
    first_fill = statistics.median(run[1] for run in later)
    section.figure("the first time ever, which folds the weights", first[0], "s")
    section.figure("ready", ready, "s", target=1.5)
    section.figure("a later fill", fills, "s")
    section.figure("the first fill, as a multiple of that", first_fill / fills, "x", target=1.3)
    return section


def _run(environment: dict[str, str]) -> list[float]:
    """Seconds until ready, then those of each fill."""
    begin = time.time()
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, "random-big-lama"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    ready, *fills = map(float, child.stdout.split())
    return [ready - begin, *fills]
