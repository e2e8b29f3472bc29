"""What the server adds to a fill of a 1024x1024 window, and how soon after its start it accepts connections.

The engine of this bench returns at once, so all the time that is measured is the server's and the client's.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lama_core.client.connection import Client
from lama_core.client.protocol.codec import decode_client, decode_server, encode
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import Fill, Result
from tests.bench.report import Section
from tests.server.harness import ServerProcess

SIDE = 1024
HOLE = 256
ROUNDS = 15
COST_TARGET = 0.030
START_TARGET = 0.5


def main() -> Section:
    """Time the start and a fill."""
    section = Section(title="The server")
    with tempfile.TemporaryDirectory() as folder:
        start = min(_seconds_until_up(Path(folder) / f"start{n}") for n in range(5))
        section.figure("start to accepting connections", start * 1000, "ms", target=START_TARGET * 1000)
        server = ServerProcess(Path(folder) / "run", "corner", started_by_client=True).ready()
        try:
            with server.connect() as client:
                _costs(client, section)
        finally:
            server.clean_up()
    return section


def _seconds_until_up(folder: Path) -> float:
    server = ServerProcess(folder, "real", "--preload", "no", started_by_client=True)
    try:
        return server.seconds_until_up()
    finally:
        server.clean_up()


def _fill(side: int, pixels: bytes, hole: bytes) -> Fill:
    return Fill(width=side, height=side, format="rgba", depth="u8", pixels=pixels, hole=hole, job=1)


def _costs(client: Client, section: Section) -> None:
    pixels, hole = bytes(range(256)) * (SIDE * SIDE * 4 // 256), bytes([255]) * (SIDE * SIDE)

    def fill(side: int) -> Result:
        return client.fill(_fill(side, pixels[: side * side * 4], hole[: side * side]))

    whole = _median(lambda: fill(SIDE))
    section.figure("added to an 8x8 window", _median(lambda: fill(8)) * 1000, "ms")
    section.figure(f"added to a {SIDE}x{SIDE} window", whole * 1000, "ms", target=COST_TARGET * 1000)
    message = _fill(SIDE, pixels, hole)
    frame = encode(message)
    answer = Result(
        job=1,
        x=0,
        y=0,
        width=HOLE,
        height=HOLE,
        format="rgba",
        depth="u8",
        pixels=pixels[: HOLE * HOLE * 4],
        blend=hole[: HOLE * HOLE],
    )
    answer_frame = encode(answer)
    limits = Limits()
    copy = bytearray(len(pixels) + len(hole))
    shared = memoryview(copy)

    def into_shared_memory() -> None:
        shared[: len(pixels)] = pixels
        shared[len(pixels) :] = hole

    parts = {
        "client packs the window": _median(lambda: encode(message)),
        "server unpacks it": _median(lambda: decode_client(frame, limits)),
        "server puts it into shared memory": _median(into_shared_memory),
        "server packs the result": _median(lambda: encode(answer)),
        "client unpacks it": _median(lambda: decode_server(answer_frame)),
    }
    for what, seconds in parts.items():
        section.figure(f"of it: {what}", seconds * 1000, "ms")
    section.figure("of it: masking, sockets", (whole - sum(parts.values())) * 1000, "ms")


def _median(work: Callable[[], object]) -> float:
    """Seconds that `work` takes, the first times left out."""
    work()
    work()
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)
