"""3. Load: many clients at once, clients that vanish or do not read, and more than there is room for."""

from __future__ import annotations

import asyncio
import hashlib
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import AsyncExitStack

import numpy as np
import psutil

from lama_core.client.options import FillOptions
from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Cancelled,
    Error,
    Fill,
    Hello,
    Progress,
    Result,
)
from tests.faults.row import Bench, Section
from tests.server.harness import (
    ServerProcess,
    dial_async,
    fill_with,
    greeted,
    hear,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
    wait_until,
)
from tests.server.workers import INVERT

SECTION = Section(3, "Load")
MIB = 1 << 20
CLIENTS = 100
ARRIVING = 10
"""Clients that greet the server at the same time."""


class Crowd:
    """Clients that send fills of pictures of their own, and know whose pixels they get back.

    Attributes:
        swapped: fills whose result was not theirs.
        answered: fills of each client that have ended with a result.
        lead: by how many results one client was ever ahead of another that still waited.
    """

    def __init__(self, clients: int, fills: int, milliseconds: int = 0) -> None:
        """`milliseconds`: that each fill takes."""
        self.swapped = 0
        self.answered = Counter(dict.fromkeys(range(clients), 0))
        self.lead = 0
        self._fills = fills
        self._milliseconds = milliseconds

    def play(self, server: ServerProcess) -> None:
        async def all_of_them() -> None:
            ready = asyncio.Barrier(len(self.answered))
            # A server that is busy with other things ends a greeting that takes too long.
            arriving = asyncio.Semaphore(ARRIVING)
            await asyncio.gather(*(self._client(server, number, arriving, ready) for number in self.answered))

        asyncio.run(all_of_them())

    async def _client(
        self, server: ServerProcess, number: int, arriving: asyncio.Semaphore, ready: asyncio.Barrier
    ) -> None:
        randoms = random.Random(number)
        sent: dict[int, tuple[int, int, bytes]] = {}
        async with AsyncExitStack() as stack:
            async with arriving:
                websocket = await stack.enter_async_context(dial_async(server))
                await websocket.send(encode(Hello(client=f"client {number}")))
                await websocket.recv()
            await ready.wait()
            for job in range(1, self._fills + 1):
                width, height = randoms.randint(1, 120), randoms.randint(1, 120)
                pixels = randoms.randbytes(width * height * 4)
                sent[job] = (width, height, hashlib.sha256(pixels.translate(INVERT)).digest())
                hole = bytes([number % 255 + 1]) * (width * height)
                fill = Fill(
                    job=job,
                    width=width,
                    height=height,
                    format="rgba",
                    depth="u8",
                    pixels=pixels,
                    hole=hole,
                    options=FillOptions(seed=self._milliseconds),
                )
                await websocket.send(encode(fill))
            while sent:
                message = decode_server(await websocket.recv(decode=False))
                if isinstance(message, Result):
                    width, height, digest = sent.pop(message.job)
                    mine = (message.width, message.height) == (width, height)
                    mine = mine and hashlib.sha256(message.pixels).digest() == digest
                    mine = mine and set(message.blend) == {number % 255 + 1}
                    self.swapped += not mine
                    self._count(number)
                else:
                    assert isinstance(message, (Accepted, Progress)), message

    def _count(self, number: int) -> None:
        self.answered[number] += 1
        waiting = [count for count in self.answered.values() if count < self._fills]
        if waiting:
            self.lead = max(self.lead, self.answered[number] - min(waiting))


def _crowd(bench: Bench, count: int, milliseconds: int = 0) -> Crowd:
    """Play a crowd. Its first fill begins when all of them wait: else who comes first is ahead."""
    server = bench.start("scripted", "--queue", "10000", "--log-level", "warning").ready()
    crowd = Crowd(CLIENTS, count // CLIENTS, milliseconds)
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=600_000))

        def begin() -> None:
            wait_until(lambda: server.metric("lama_fill_queued") == count, seconds=120)
            say(websocket, Cancel(job=1))

        beginning = threading.Thread(target=begin)
        beginning.start()
        crowd.play(server)
        beginning.join()
    next_fill_succeeds(server)
    return crowd


@SECTION.row(
    "100 clients at once",
    "fills of pictures of their own: each gets the result of its own pixels",
    short=200,
    soak=2000,
    figure="lost or swapped",
)
def _swapped(bench: Bench, count: int) -> float:
    crowd = _crowd(bench, count)
    return crowd.swapped + count - sum(crowd.answered.values())


@SECTION.row(
    "fairness between 100 clients",
    "fills that all wait: how many results one client is ahead of another",
    short=300,
    soak=2000,
    figure="results ahead",
    limit=2,
)
def _fairness(bench: Bench, count: int) -> float:
    # Slow enough for the test to see results in the order in which they are sent.
    return _crowd(bench, count, milliseconds=5).lead


@SECTION.row(
    "clients that vanish",
    "clients that send a megabyte and are gone in the middle of their fill",
    short=40,
    soak=500,
    figure="MiB that server and worker grew",
    limit=32,
)
def _vanish(bench: Bench, count: int) -> float:
    server = bench.start("scripted", "--log-level", "warning").ready()
    big = encode(make_fill(1, width=512, height=512, milliseconds=60_000))

    async def vanish() -> None:
        async with dial_async(server) as websocket:
            await websocket.send(encode(Hello(client="tests")))
            await websocket.recv()
            await websocket.send(big)
            while not isinstance(decode_server(await websocket.recv(decode=False)), (Accepted, Progress)):
                pass
            websocket.transport.abort()

    async def several(number: int) -> None:
        await asyncio.gather(*(vanish() for _ in range(number)))

    def is_quiet() -> bool:
        return not server.metric("lama_fill_running") and not server.metric("lama_fill_queued")

    def memory() -> int:
        return server.memory() + sum(psutil.Process(pid).memory_info().rss for pid in server.workers())

    asyncio.run(several(10))
    wait_until(is_quiet)
    workers, before = server.workers(), memory()
    for _ in range(count // 10):
        asyncio.run(several(10))
    wait_until(is_quiet, seconds=30)
    wait_until(lambda: server.metric('lama_fill_fills_total{ending="stopped"}') >= count)
    assert server.workers() == workers, "a cancelled job needs no new worker"
    time.sleep(3)  # memory is given back a moment after the connections
    grown = memory() - before
    next_fill_succeeds(server)
    return max(0, grown) / MIB


@SECTION.row(
    "slow readers",
    "fills of one client, while five others leave results of 4 MiB unread",
    short=20,
    soak=500,
    figure="lost",
)
def _slow_readers(bench: Bench, count: int) -> float:
    server = bench.start("scripted", "--ping-interval", "60").ready()
    done = 0
    with (
        greeted(server, max_queue=1) as a,
        greeted(server, max_queue=1) as b,
        greeted(server, max_queue=1) as c,
        greeted(server, max_queue=1) as d,
        greeted(server, max_queue=1) as e,
    ):
        for slow in (a, b, c, d, e):
            for job in (1, 2, 3):
                say(slow, make_fill(job, width=1024, height=1024))
        with server.connect() as client:
            for number in range(count):
                fill_with(client, make_fill(fillbyte=number % 256))
                done += 1
    return count - done


@SECTION.row(
    "a full queue",
    "fills sent at once to a server with room for eight: each is done, or told that it may come again",
    short=100,
    soak=5000,
    figure="without either",
)
def _full(bench: Bench, count: int) -> float:
    server = bench.start("scripted", "--queue", "8", "--queue-per-client", "1000").ready()
    answered = busy = 0
    for first in range(1, count + 1, 500):
        jobs = range(first, min(first + 500, count + 1))
        with greeted(server) as websocket:
            for job in jobs:
                say(websocket, make_fill(job, milliseconds=2))
            waiting = set(jobs)
            while waiting:
                message = hear(websocket)
                refused = isinstance(message, Error) and message.code == "busy" and message.retryable
                if refused or isinstance(message, Result):
                    waiting.remove(message.job)
                    busy += refused
                    answered += 1
                assert not isinstance(message, (Error, Cancelled)) or refused, message
    assert busy, "there was more than it had room for"
    bench.record(f"{busy:,} told to come again")
    next_fill_succeeds(server)
    return count - answered


@SECTION.row(
    "fills of 100 megapixels",
    "fills of 100 MP, 400 MB each, that one client sends one after the other: too large, and said so",
    short=1,
    soak=32,
    figure="times one message in the server's memory",
    limit=3.5,
)
def _huge(bench: Bench, count: int) -> float:
    server = bench.start("scripted", "--log-level", "error").ready()
    width, height = 12_500, 8_000
    pixels, hole = bytes(width * height * 3), bytes(width * height)
    before = server.memory()
    peaks = [before]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            peaks.append(server.memory())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with greeted(server) as websocket:
            for job in range(1, count + 1):
                fill = Fill(
                    job=job, width=width, height=height, format="rgb", depth="u8", pixels=pixels, hole=hole
                )
                websocket.send(encode(fill, Limits(max_pixels=1 << 40)))
                ending = hear_ending(websocket, job, seconds=60)
                assert isinstance(ending, Error)
                assert ending.code == "too_large"
            say(websocket, make_fill(count + 1))
            assert isinstance(hear_ending(websocket, count + 1), Result)
    finally:
        ended.set()
        watching.join()
    next_fill_succeeds(server)
    message = len(pixels) + len(hole)
    return (max(peaks) - before) / message


BUSY = """
import numpy as np
from lama_core.fill import fill_region
from lama_core.inference import load_fast
generator = load_fast("compact", precision="fp32")
picture, hole = np.zeros((900, 900, 3), np.uint8), np.zeros((900, 900), np.float32)
hole[300:500, 300:500] = 1
print("busy", flush=True)
while True:
    fill_region(picture, hole, generator)
"""


@SECTION.row(
    "a fill beside a busy program",
    "fills of 200 x 200 pixels, while another program fills on every core: times as long as alone",
    short=3,
    soak=15,
    figure="times as long",
    limit=8,
)
def _beside(bench: Bench, count: int) -> float:
    server = bench.start("real", "--precision", "fp32", "--threads", "0", "--model", "compact").ready()
    randoms = np.random.default_rng(1)
    hole = np.zeros((200, 200), np.uint8)
    hole[60:100, 60:100] = 255
    fill = Fill(
        job=1,
        width=200,
        height=200,
        format="rgb",
        depth="u8",
        pixels=randoms.integers(0, 256, (200, 200, 3), np.uint8).tobytes(),
        hole=hole.tobytes(),
        options=FillOptions(quality="fast"),
    )

    def fastest() -> float:
        with server.connect() as client:
            return min(client.fill(fill).seconds for _ in range(count))

    fastest()
    alone = fastest()
    environment = {k: v for k, v in server.environment.items() if k != "GOMP_SPINCOUNT"}
    # As the worker does: before torch is loaded.
    code = "from lama_server.threads import prepare_threads as p; p()\n" + BUSY
    other = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"busy"
        return fastest() / alone
    finally:
        other.kill()
        other.wait()
