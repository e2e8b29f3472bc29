"""More than one worker: on this machine, and in a Ray cluster that is this machine too.

What is measured is the server: workers that compute do so beside a run without any server, and the others
only sleep.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from PIL import Image

from lama_core.client.connection import Client
from lama_core.client.options import FillOptions
from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.messages import Fill, Hello, Result
from tests.bench.models import photo
from tests.bench.report import Section
from tests.bench.timing import interleaved
from tests.server.cluster.cluster import PROJECT, ThreeNodes
from tests.server.harness import ServerProcess, dial_async, wait_until

TWO_TARGET: Final = 1.8
OVERHEAD_TARGET: Final = 25.0
EFFICIENCY_TARGET: Final = 0.95
ROUNDS: Final = 3
FILLS: Final = 24
"""Of a hole, for each of a round's times."""
SIDE: Final = 1024
OVERHEAD_ROUNDS: Final = 25
SLEEP_SECONDS: Final = 0.2
CROWDS: Final = (8, 16, 32, 64)
CROWD_ROUNDS: Final = 20
"""Fills of each client in a crowd."""
PICTURES: Final = 40

_ALONE = """
import sys, time
from lama_core.client.protocol.codec import decode_client
from lama_core.client.protocol.limits import Limits
from lama_server.worker.__main__ import make_engine
from lama_server.worker.process import EngineSettings
engine = make_engine(EngineSettings(device="cpu", threads=1, precision="fp32", memory=0))
engine.load("compact")
fill = decode_client(sys.stdin.buffer.read(int(sys.argv[1])), Limits())
def work(count):
    for _ in range(count):
        engine.fill(fill, lambda stage, fraction: None, lambda: False, lambda preview: None)
work(2)
print("ready", flush=True)
for line in sys.stdin:
    work(int(line))
    print("done", flush=True)
"""


def main() -> Section:
    """Measure them all."""
    section = Section(
        title="Beyond one worker",
        note=f"Two workers: {FILLS} fills of a hole of 200x150 by `compact`, `fast`, one thread a worker, "
        f"from four clients, against the same on one worker; medians of {ROUNDS} rounds in turn. Ray's nodes "
        "are on this machine, so its cores do their work too.",
    )
    with tempfile.TemporaryDirectory() as name, _environment(PYTHONPATH=str(PROJECT)):
        folder = Path(name)
        _two_workers(section, folder)
        _slow_beside_fast(section, folder)
        _overhead(section, folder)
        _batch(section, folder)
        _crowds(section, folder)
    return section


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    yield
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _server(folder: Path, kind: str, *flags: str) -> Iterator[ServerProcess]:
    server = ServerProcess(Path(tempfile.mkdtemp(dir=folder)), kind, *flags)
    try:
        server.up()
        # Ray's processes take long to start on a machine that is busy.
        wait_until(lambda: server.health()["state"] == "ready", seconds=600, what="the worker's start")
        yield server
    finally:
        server.clean_up()


def _wait_for_workers(server: ServerProcess, count: int) -> None:
    def ready() -> int:
        with server.connect() as client:
            return sum(worker.state == "ready" for worker in client.status().workers)

    wait_until(lambda: ready() == count, seconds=600, what=f"{count} workers")


def _hole_fill(seed: int = 0) -> Fill:
    hole = np.zeros((416, 512), np.uint8)
    hole[130:280, 150:350] = 255
    return Fill(
        width=512,
        height=416,
        format="rgb",
        depth="u8",
        pixels=photo(416, 512).tobytes(),
        hole=hole.tobytes(),
        model="compact",
        options=FillOptions(quality="fast", context="whole", seed=seed),
    )


# Several devices.


def _two_workers(section: Section, folder: Path) -> None:
    flags = ("--threads", "1", "--precision", "fp32", "--model", "compact")
    with (
        _server(folder, "real", "--device", "cpu", *flags) as one,
        _server(folder, "real", "--device", "cpu,cpu", *flags) as two,
        _alone() as first,
        _alone() as second,
    ):
        _wait_for_workers(one, 1)
        _wait_for_workers(two, 2)

        def both() -> None:
            _in_threads([lambda: first(FILLS // 2), lambda: second(FILLS // 2)])

        times = interleaved(
            {
                "one": lambda: _load(one, _hole_fill(), clients=4, each=FILLS // 4),
                "two": lambda: _load(two, _hole_fill(), clients=4, each=FILLS // 4),
                "alone": lambda: first(FILLS),
                "both": both,
            },
            rounds=ROUNDS,
        )
    section.figure("one worker of one thread", FILLS / times["one"], "fills a second")
    section.figure(
        "two workers against one", times["one"] / times["two"], "x", target=TWO_TARGET, at_least=True
    )
    section.figure("two processes against one, without a server", times["alone"] / times["both"], "x")
    sleeping = replace(_hole_fill(seed=round(1000 * SLEEP_SECONDS)), model="")
    with (
        _server(folder, "corner", "--device", "cpu") as one,
        _server(folder, "corner", "--device", "cpu,cpu") as two,
    ):
        _wait_for_workers(two, 2)
        times = interleaved(
            {
                "one": lambda: _load(one, sleeping, clients=4, each=FILLS // 4),
                "two": lambda: _load(two, sleeping, clients=4, each=FILLS // 4),
            },
            rounds=ROUNDS,
        )
    section.figure(
        "two workers that sleep 200 ms against one",
        times["one"] / times["two"],
        "x",
        target=TWO_TARGET,
        at_least=True,
    )


@contextlib.contextmanager
def _alone() -> Iterator[Callable[[int], None]]:
    """A process with the engine of a worker and nothing else; does so many fills."""
    frame = encode(replace(_hole_fill(), job=1))
    process = subprocess.Popen(
        [sys.executable, "-c", _ALONE, str(len(frame))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    source, sink = process.stdout, process.stdin
    sink.write(frame)
    sink.flush()
    assert source.readline() == b"ready\n"

    def work(count: int) -> None:
        sink.write(b"%d\n" % count)
        sink.flush()
        assert source.readline() == b"done\n"

    yield work
    sink.close()
    process.wait()


def _slow_beside_fast(section: Section, folder: Path) -> None:
    fill = replace(_hole_fill(seed=50), model="")
    with (
        _server(folder, "uneven", "--device", "cuda:0") as fast,
        _server(folder, "uneven", "--device", "cuda:0,cuda:1") as uneven,
    ):
        _wait_for_workers(uneven, 2)
        times = interleaved(
            {
                "fast": lambda: _load(fast, fill, clients=4, each=20),
                "uneven": lambda: _load(uneven, fill, clients=4, each=20),
            },
            rounds=ROUNDS,
        )
    section.figure(
        "a device with another of a tenth of its speed, against the device alone",
        times["fast"] / times["uneven"],
        "x",
        target=1.0,
        at_least=True,
    )


def _load(server: ServerProcess, fill: Fill, *, clients: int, each: int) -> float:
    """Seconds in which several clients get so many fills each."""
    made = [server.connect() for _ in range(clients)]

    def work(client: Client) -> None:
        for _ in range(each):
            client.fill(fill)

    begin = time.perf_counter()
    _in_threads([lambda client=client: work(client) for client in made])  # type: ignore[misc]
    seconds = time.perf_counter() - begin
    for client in made:
        client.close()
    return seconds


def _in_threads(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# Ray.


def _overhead(section: Section, folder: Path) -> None:
    pixels = np.tile(photo(SIDE, SIDE)[:, :, :1], (1, 1, 4)).tobytes()
    fill = Fill(
        width=SIDE, height=SIDE, format="rgba", depth="u8", pixels=pixels, hole=b"\xff" * (SIDE * SIDE)
    )
    with ThreeNodes(folder / "overhead", count=1) as cluster:
        ray = ("--engine", "ray", "--address", cluster.address, "--worker-cpus", "1")
        with (
            _server(folder, "corner") as local,
            _server(folder, "corner", *ray, "--min-workers", "1", "--max-workers", "1") as far,
            local.connect() as here,
            far.connect() as there,
        ):
            times = interleaved(
                {"local": lambda: here.fill(fill), "ray": lambda: there.fill(fill)},
                rounds=OVERHEAD_ROUNDS,
                warm=5,
            )
    section.figure(f"a {SIDE}x{SIDE} window, local engine", 1000 * times["local"], "ms")
    section.figure("Ray's engine adds", 1000 * (times["ray"] - times["local"]), "ms", target=OVERHEAD_TARGET)


def _batch(section: Section, folder: Path) -> None:
    pictures = folder / "pictures"
    pictures.mkdir()
    hole = np.zeros((600, 800), np.uint8)
    hole[200:350, 300:500] = 255
    Image.fromarray(hole).save(folder / "mask.png")
    for number in range(PICTURES):
        Image.fromarray(photo(600, 800)).save(pictures / f"{number}.png", compress_level=1)
    rates: dict[int, list[float]] = {1: [], 2: []}
    with ThreeNodes(folder / "batch", count=2) as cluster:
        for _ in range(2):
            for workers, seen in rates.items():
                output = tempfile.mkdtemp(dir=folder)
                command = [sys.executable, "-m", "lama_cli", "batch", str(pictures), "-o", output]
                command += ["--mask", str(folder / "mask.png"), "--quality", "fast", "--engine", "ray"]
                command += ["--address", cluster.address, "--workers", str(workers), "--worker-cpus", "1"]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found = re.search(r"([\d.]+) a minute", done.stdout)
                assert found is not None, done.stdout
                seen.append(float(found[1]))
    for workers, seen in rates.items():
        section.figure(
            f"batch of {PICTURES} pictures of 800x600, {workers} CPU workers", max(seen), "a minute"
        )
    section.figure("batch: two workers against one", max(rates[2]) / max(rates[1]), "x")


def _crowds(section: Section, folder: Path) -> None:
    """As many clients as workers, each with one fill at a time."""
    most = CROWDS[-1]
    with ThreeNodes(folder / "crowd", count=1, cpus=most) as cluster:
        count = ("--min-workers", str(most), "--max-workers", str(most))
        ray = ("--engine", "ray", "--address", cluster.address, "--worker-cpus", "1", *count)
        with _server(folder, "corner", *ray) as server:
            _wait_for_workers(server, most)
            one = asyncio.run(_crowd(server, 1))[0]
            section.figure("one worker that sleeps 200 ms", one, "fills a second")
            for clients in CROWDS:
                rate, used = asyncio.run(_crowd(server, clients))
                target = EFFICIENCY_TARGET if clients == most else None
                share = rate / (clients * one)
                section.figure(
                    f"{clients} of them, against {clients} times one", share, "", target=target, at_least=True
                )
            for name, seconds in used.items():
                section.figure(f"{most} of them: {name}", 1000 * seconds, "ms of a processor a fill")


async def _crowd(server: ServerProcess, clients: int) -> tuple[float, dict[str, float]]:
    """Fills a second that so many clients get; seconds of processor time that each took, by process."""
    fill = Fill(
        width=64,
        height=64,
        format="rgba",
        depth="u8",
        pixels=bytes(64 * 64 * 4),
        hole=b"\xff" * (64 * 64),
        options=FillOptions(seed=round(1000 * SLEEP_SECONDS)),
    )
    async with contextlib.AsyncExitStack() as stack:
        websockets = []
        for number in range(clients):
            websocket = await stack.enter_async_context(dial_async(server))
            await websocket.send(encode(Hello(client=f"client {number}")))
            await websocket.recv()
            websockets.append(websocket)

        async def work(websocket: object, begin: int, count: int) -> None:
            for job in range(begin, begin + count):
                await websocket.send(encode(replace(fill, job=job)))  # type: ignore[attr-defined]
                while not isinstance(
                    decode_server(await websocket.recv(decode=False)),  # type: ignore[attr-defined]
                    Result,
                ):
                    pass

        async def all_of_them(begin: int, count: int) -> float:
            started = time.perf_counter()
            await asyncio.gather(*(work(websocket, begin, count) for websocket in websockets))
            return time.perf_counter() - started

        await all_of_them(1, 2)
        before = _processor_seconds(server)
        seconds = await all_of_them(3, CROWD_ROUNDS)
        after = _processor_seconds(server)
    fills = clients * CROWD_ROUNDS
    return fills / seconds, {name: (after[name] - before[name]) / fills for name in after}


def _processor_seconds(server: ServerProcess) -> dict[str, float]:
    """What the server, the gateway, the workers, all else of Ray and this client have used.

    Ray's processes are descendants of this one, which has made the cluster.
    """
    used = dict.fromkeys(("the server", "its gateway", "workers", "Ray's own processes", "the clients"), 0.0)
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        try:
            line, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        if process == own:
            name = "the clients"
        elif process.pid == server.process.pid:
            name = "the server"
        elif "lama_server.cluster.gateway" in line:
            name = "its gateway"
        elif "FillActor" in line:
            name = "workers"
        else:
            name = "Ray's own processes"
        used[name] += times.user + times.system
    return used
