"""Whole fills as an artist has them: from the client's call to the new pixels, by a warm server."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np

from lama_cli.filling import fill_through_server
from lama_core.client.connection import Client, connect
from lama_core.fill import FillOptions, plan_fill
from tests.bench.models import install, photo
from tests.bench.report import Section
from tests.server.harness import ServerProcess

WIDTH, HEIGHT = 3000, 2000
SMALL = (1300, 800, 317, 227)
LARGE = (700, 600, 1481, 781)
SIX = tuple((x, y, 110, 100) for y in (300, 1500) for x in (300, 1450, 2600))
ROUNDS = 3

#: Name, holes as x, y, width, height; quality; seconds with big-lama's size, of which compact has a fifth.
CASES = (
    ("one hole of 317x227", (SMALL,), "fast", 1.0),
    ("one hole of 317x227", (SMALL,), "balanced", None),
    ("one hole of 1481x781", (LARGE,), "fast", 6.0),
    ("six holes far apart", SIX, "fast", 2.5),
    ("six holes far apart", SIX, "balanced", None),
)


def main() -> Section:
    """Time every case with both models."""
    section = Section(
        title="Whole fills",
        note=f"A {WIDTH}x{HEIGHT} picture, 8-bit RGB, warm server, median of {ROUNDS} after one more. In "
        "bf16 as with weights that allow it; these are random, and would be kept in fp32.",
    )
    image = photo(HEIGHT, WIDTH)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder / "data")
        with patch.dict("os.environ", LAMA_FILL_DATA_DIR=str(folder / "data")):
            for precision in ("fp32", "bf16"):
                _time_cases(section, folder / f"run-{precision}", precision, image)
    return section


def _time_cases(section: Section, folder: Path, precision: str, image: np.ndarray) -> None:
    """All cases with both models, by a server of its own."""
    server = ServerProcess(folder, "real", "--device", "cpu", "--precision", precision).ready()
    try:
        with connect(client="bench", start=False, folder=folder) as client:
            for model, share in (("random-big-lama", 1.0), ("random-compact", 0.2)):
                for what, holes, quality, target in CASES:
                    seconds = _seconds(client, image, holes, quality, model)
                    goal = None if target is None else target * share
                    section.figure(f"{model}, {precision}: {what}, {quality}", seconds, "s", target=goal)
    finally:
        server.clean_up()


def _seconds(
    client: Client,
    image: np.ndarray,
    holes: tuple[tuple[int, int, int, int], ...],
    quality: str,
    model: str,
) -> float:
    mask = np.zeros(image.shape[:2], np.uint8)
    for x, y, width, height in holes:
        mask[y : y + height, x : x + width] = 255
    options = FillOptions(quality=quality)
    times = []
    for _ in range(ROUNDS + 1):
        copy = image.copy()
        begin = time.perf_counter()
        fill_through_server(plan_fill(copy, mask, options), _silent, server=client, model=model)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def _silent(stage: str, fraction: float) -> None:
    pass
