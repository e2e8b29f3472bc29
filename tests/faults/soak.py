"""9. Hours of everything: what grows?"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import signal
import statistics
import time
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psutil

from lama_core.client.connection import ClientError, FillCancelledError, FillFailedError
from lama_core.client.protocol.messages import Fill
from tests.faults.row import Bench, Section
from tests.server.harness import ServerProcess, greeted, say

SECTION = Section(9, "Soak", picture="soak.svg")

WARM_UP = 0.25
"""The part of the time after which what the server keeps for later has been taken."""
CURVE = Path(__file__).resolve().parent.parent.parent / "docs" / "images" / SECTION.picture
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """The server process at one moment."""

    seconds: float
    memory: int
    descriptors: int
    threads: int
    fills: int


@SECTION.row(
    "memory of the server",
    "seconds of fills, cancels, clients that vanish, models that are unloaded, and killed workers",
    short=10,
    soak=7200,
    figure="MiB an hour",
    limit=1,
)
def _slope(bench: Bench, seconds: int) -> float:
    # Time enough for a model to be unloaded in a pause, and loaded again by the next fill.
    server = bench.start("real", "--unload-after", "3", "--log-level", "warning").ready()
    samples = list(_hours(server, seconds, bench.folder / "samples.csv"))
    steady = samples[int(len(samples) * WARM_UP) :]
    for name in ("descriptors", "threads"):
        values = [getattr(sample, name) for sample in steady]
        half = len(values) // 2
        assert statistics.median(values[half:]) <= max(values[:half]) + 1, (name, values)
    last = samples[-1]
    bench.record(
        f"{last.fills:,} fills; {last.memory / MIB:.0f} MiB, {last.descriptors} descriptors and "
        f"{last.threads} threads at the end"
    )
    if seconds < 1800:
        # Memory grows in steps of a page: a short time shows a leak only by how much there is.
        assert steady[-1].memory - steady[0].memory < 16 * MIB
        bench.record("too short for a slope")
        return 0.0
    draw(samples)
    return _slope_of(steady)


def _hours(server: ServerProcess, seconds: float, path: Path) -> list[Sample]:
    """Keep the server busy, and look at it every few seconds, each time in a quiet moment."""
    randoms = random.Random(9)
    begun = time.monotonic()
    process = psutil.Process(server.process.pid)
    samples: list[Sample] = []
    fills = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(field.name for field in fields(Sample))
        while (now := time.monotonic() - begun) < seconds:
            fills += _some_work(server, randoms)
            if randoms.random() < 0.1:
                time.sleep(4)  # the model is unloaded
            elif randoms.random() < 0.1:
                for worker in server.workers():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
            time.sleep(0.5)
            samples.append(
                Sample(now, process.memory_info().rss, process.num_fds(), process.num_threads(), fills)
            )
            table.writerow(astuple(samples[-1]))
            file.flush()
    return samples


def _some_work(server: ServerProcess, randoms: random.Random) -> int:
    """A few seconds of what clients do; returns how many fills succeeded."""
    done = 0
    with server.connect() as client:
        for _ in range(randoms.randint(1, 4)):
            fill = _picture(randoms)
            cancelled = randoms.random() < 0.2
            # Of a worker that was killed meanwhile, the client is told.
            with contextlib.suppress(FillCancelledError, FillFailedError):
                client.fill(fill, cancelled=lambda cancelled=cancelled: cancelled)
                done += 1
    with contextlib.suppress(ClientError), greeted(server) as websocket:
        say(websocket, _picture(randoms))  # and gone
    return done


def _picture(randoms: random.Random) -> Fill:
    side = randoms.choice((48, 64, 96, 160))
    hole = bytearray(side * side)
    for row in range(side // 3, side // 2):
        hole[row * side + side // 3 : row * side + side // 2] = b"\xff" * (side // 2 - side // 3)
    return Fill(
        width=side,
        height=side,
        format="rgb",
        depth="u8",
        pixels=randoms.randbytes(side * side * 3),
        hole=bytes(hole),
        job=1,
    )


def _slope_of(samples: list[Sample]) -> float:
    """MiB an hour, by least squares."""
    hours = [sample.seconds / 3600 for sample in samples]
    return statistics.linear_regression(hours, [sample.memory / MIB for sample in samples]).slope


def draw(samples: list[Sample]) -> None:
    """The curve, for the page."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "lama-fill"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 2.6), layout="constrained")
    axes.plot([s.seconds / 60 for s in samples], [s.memory / MIB for s in samples], linewidth=0.8)
    axes.set(xlabel="minutes", ylabel="MiB of the server", ylim=(0, None))
    figure.savefig(CURVE, metadata={"Date": None})
    pyplot.close(figure)
