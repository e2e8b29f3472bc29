"""Many pictures: what is won by reading and writing some while others are filled."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from lama_cli.batch import Done, Task, run_batch
from lama_cli.filling import InProcessFiller
from lama_core.fill import FillOptions
from lama_core.model.installed import registry
from tests.bench.models import photo
from tests.bench.report import Section

PICTURES = 12
WIDTH, HEIGHT = 3000, 2000
ROUNDS = 2
LIMIT = 1 << 28


def main() -> Section:
    """Fill a folder, one after another and overlapped, in turn."""
    section = Section(
        title="Batch",
        note=f"{PICTURES} pictures of {WIDTH}x{HEIGHT}, PNG, a hole of 200x150 in each, `compact`.",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = _tasks(folder)
        filler = InProcessFiller(model="compact", weights=registry.find_model("compact").path, device="cpu")
        _run(tasks[:2], filler)  # loads the model
        alone, together = [], []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            for task in tasks:
                _run([task], filler)
            alone.append(time.perf_counter() - begin)
            together.append(_run(tasks, filler))
    overlapped = min(together)
    section.figure("one after another", 60 * PICTURES / min(alone), "pictures a minute")
    section.figure("overlapped", 60 * PICTURES / overlapped, "pictures a minute")
    section.figure("gain", min(alone) / overlapped, "x")
    return section


def _run(tasks: list[Task], filler: InProcessFiller) -> float:
    failed: list[Done] = []

    def tell(done: Done) -> None:
        if done.error is not None:
            failed.append(done)

    seconds = run_batch(tasks, [filler], FillOptions(), max_pixels=LIMIT, tell=tell)
    if failed:
        raise RuntimeError(str(failed[0].error))
    return seconds


def _tasks(folder: Path) -> list[Task]:
    """The same picture under several names; it would not be read faster for that."""
    image, mask = folder / "image.png", folder / "mask.png"
    Image.fromarray(photo(HEIGHT, WIDTH)).save(image, compress_level=1)
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[900:1050, 1400:1600] = 255
    Image.fromarray(hole).save(mask)
    return [Task(picture=image, mask=mask, output=folder / f"out{number}.png") for number in range(PICTURES)]
