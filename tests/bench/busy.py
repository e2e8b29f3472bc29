"""Fills beside one other busy program, against the same fills on a quiet machine."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from lama_core.client.options import FillOptions
from lama_core.client.protocol.messages import Fill
from lama_core.model.installed.registry import BUILT_IN
from lama_server.worker.__main__ import make_engine
from lama_server.worker.process import EngineSettings
from tests.bench.models import photo
from tests.bench.report import Section

ROUNDS = 5
_SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(10000))"


def main() -> Section:
    """Fill a hole in each quality, quiet, with the companion, and quiet again."""
    section = Section(
        title="Beside a busy program",
        note="A hole of 300x200 filled by `compact` in a worker of the server, with a program of one thread "
        f"that never rests, in a session of its own, and without: medians of {ROUNDS}. On two cores two "
        "threads that share all work perfectly take 1.33 to 1.5 times as long.",
    )
    engine = make_engine(EngineSettings(device="cpu", threads=0, precision="auto", memory=0))
    engine.load(BUILT_IN)
    for quality in ("fast", "balanced"):
        fill = hole_of_300x200(quality)

        def work(fill: Fill = fill) -> None:
            engine.fill(fill, lambda stage, fraction: None, lambda: False, lambda preview: None)

        work()
        before = _median(work)
        with _companion():
            busy = _median(work)
        quiet = min(before, _median(work))
        section.figure(f"{quality}, quiet", quiet, "s")
        section.figure(f"{quality}, beside a busy program: as a multiple", busy / quiet, "x", target=1.6)
    return section


def hole_of_300x200(quality: str) -> Fill:
    """A window of 512x416 of a photograph, and a hole in it."""
    hole = np.zeros((416, 512), np.uint8)
    hole[108:308, 106:406] = 255
    return Fill(
        job=1,
        width=512,
        height=416,
        format="rgb",
        depth="u8",
        pixels=photo(416, 512).tobytes(),
        hole=hole.tobytes(),
        model=BUILT_IN,
        options=FillOptions(quality=quality, context="whole"),
    )


@contextlib.contextmanager
def _companion() -> Iterator[None]:
    command = [sys.executable, "-c", _SPIN]
    with subprocess.Popen(command, start_new_session=True, preexec_fn=_like_us) as process:
        time.sleep(0.3)
        try:
            yield
        finally:
            process.kill()


def _like_us() -> None:
    """Linux schedules a session as one: it gets the rank of ours, whatever that is."""
    with contextlib.suppress(OSError):
        rank = Path(f"/proc/{os.getppid()}/autogroup").read_text().split()[-1]
        Path("/proc/self/autogroup").write_text(rank)


def _median(work: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)
