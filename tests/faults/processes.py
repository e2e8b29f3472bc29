"""4. Processes: killed, stopped, told to end, without memory, without their device, at any moment."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from lama_core.client.connection import Client, ClientError, FillFailedError
from lama_core.client.options import FillOptions
from lama_core.client.protocol.messages import Fill, Result
from lama_server.errors import JobError
from lama_server.worker.engine import FillEngine
from tests.faults.memory_group import memory_group
from tests.faults.row import Bench, Section
from tests.server.harness import (
    ServerProcess,
    fill_with,
    greeted,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
    wait_until,
)
from tests.server.pretended import Flat, pretended_gpu
from tests.server.workers import GIVES_UP

SECTION = Section(4, "Processes")
KEPT = {"launch.json", "port.json", "server.log"}
MILLISECONDS = 80
"""Of a fill during which something happens."""


def _left(server: ServerProcess, workers: list[int], *, files: frozenset[str] = frozenset()) -> int:
    """Files, and memory with a name, that a server has left which has ended; its workers have ended too."""
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in workers), seconds=5, what="the workers' end")
    left = {entry.name for entry in server.folder.iterdir()} - KEPT - files
    shared = Path("/dev/shm")
    left |= {entry.name for entry in shared.iterdir() if entry.name.startswith("lama-fill")}
    assert not left, left
    return len(left)


@SECTION.row(
    "the worker, by kill -9",
    "kills at random moments: while it starts, while it fills, and idle just after a fill",
    short=6,
    soak=200,
    figure="fills refused",
)
def _worker(bench: Bench, count: int) -> float:
    server = bench.start().ready()
    randoms = random.Random(4)
    refused = told = 0

    def fill(client: Client, milliseconds: int = 0) -> None:
        """A fill, sent again when that is what the error says; as a person does."""
        nonlocal refused, told
        message = make_fill(milliseconds=milliseconds, fillbyte=randoms.randrange(256))
        for _ in range(3):
            with contextlib.suppress(FillFailedError):
                fill_with(client, message)
                return
            told += 1
        refused += 1

    with server.connect() as client:
        for number in range(count):
            during = threading.Timer(randoms.uniform(0, 0.12), _kill, [server])
            during.start()
            fill(client, MILLISECONDS if number % 3 else 0)
            during.join()
            if number % 3 == 2:
                fill(client)
                _kill(server)  # idle, and a fill was just done
            fill(client)
    bench.record(f"{told} times told to try again, and then filled")
    wait_until(lambda: len(server.workers()) == 1, what="one worker")
    return refused


def _kill(server: ServerProcess) -> None:
    for pid in server.workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _at_a_random_moment(
    bench: Bench,
    count: int,
    act: Callable[[ServerProcess], None],
    after: Callable[[ServerProcess, list[int]], int],
) -> int:
    """Start servers, and do something to each at a random moment of its start or of a fill."""
    randoms = random.Random(5)
    found = 0
    for number in range(count):
        server = bench.start()
        if number % 2:
            time.sleep(randoms.uniform(0, 0.7))
        else:
            server.ready()
            filling = threading.Thread(target=_fill_until_lost, args=[server], daemon=True)
            filling.start()
            time.sleep(randoms.uniform(0, 0.15))
        workers = server.workers()
        act(server)
        found += after(server, workers)
        server.clean_up()
    next_fill_succeeds(bench.start().ready())
    return found


def _fill_until_lost(server: ServerProcess) -> None:
    with contextlib.suppress(ClientError), server.connect() as client:
        while True:
            fill_with(client, make_fill(milliseconds=MILLISECONDS))


@SECTION.row(
    "the server, by kill -9",
    "kills at random moments of its start and of fills: what is left beside its runtime file and its lock",
    short=3,
    soak=100,
    figure="processes or files left",
)
def _parent(bench: Bench, count: int) -> float:
    def act(server: ServerProcess) -> None:
        server.end(signal.SIGKILL)

    def after(server: ServerProcess, workers: list[int]) -> int:
        # Nobody was there to remove these; the next server takes them over.
        return _left(server, workers, files=frozenset({"server.json", "server.lock"}))

    return _at_a_random_moment(bench, count, act, after)


@SECTION.row(
    "the server, by SIGTERM",
    "signals at random moments of its start and of fills: ended in five seconds, and nothing left",
    short=3,
    soak=100,
    figure="processes or files left",
)
def _terminate(bench: Bench, count: int) -> float:
    def act(server: ServerProcess) -> None:
        begun = time.monotonic()
        # Before Python has come to the server, the signal simply ends the process.
        assert server.end(signal.SIGTERM) in (0, -signal.SIGTERM)
        assert time.monotonic() - begun <= 5

    return _at_a_random_moment(bench, count, act, _left)


@SECTION.row(
    "server and worker, by SIGSTOP and SIGCONT",
    "pauses of up to a second, of one or both, in the middle of fills",
    short=4,
    soak=60,
    figure="fills lost",
)
def _stop(bench: Bench, count: int) -> float:
    server = bench.start(
        "scripted", "--stall-timeout", "2", "--ping-interval", "1", "--ping-timeout", "1"
    ).ready()
    randoms = random.Random(6)
    lost = 0
    for number in range(count):
        with greeted(server) as websocket:
            say(websocket, make_fill(1, milliseconds=300))
            time.sleep(randoms.uniform(0, 0.2))
            (worker,) = server.workers()
            stopped = [[server.process.pid], [worker], [server.process.pid, worker]][number % 3]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            time.sleep(randoms.uniform(0.1, 1.0))
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
            lost += not isinstance(hear_ending(websocket, 1), Result)
    next_fill_succeeds(server)
    return lost


def _photo(side: int) -> Fill:
    hole = np.zeros((side, side), np.uint8)
    hole[side // 4 : side // 2, side // 4 : side // 2] = 255
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    return Fill(
        job=1,
        width=side,
        height=side,
        format="rgb",
        depth="u8",
        pixels=pixels.tobytes(),
        hole=hole.tobytes(),
        options=FillOptions(context="whole", quality="fast"),
    )


@SECTION.row(
    "the worker's memory",
    "limits of its address space, from none to enough: a result, or told so, and the next fill works",
    short=2,
    soak=40,
    figure="other endings",
)
def _memory(bench: Bench, count: int) -> float:
    if sys.platform != "linux":
        pytest.skip("only Linux limits the memory of a process that runs")
    server = bench.start("real").ready()
    fill = _photo(1200)
    other = 0
    endings = []
    with server.connect() as client:
        client.fill(_photo(64))
        for number in range(count):
            wait_until(lambda: server.health()["state"] == "ready", seconds=60)
            (worker,) = server.workers()
            room = (number * 400 << 20) // max(1, count - 1)
            size = psutil.Process(worker).memory_info().vms
            resource.prlimit(worker, resource.RLIMIT_AS, (size + room, resource.RLIM_INFINITY))
            try:
                client.fill(fill)
                endings.append("result")
            except FillFailedError as error:
                endings.append(error.code)
                # A library without memory may also end the process: that is told, and a new one started.
                other += error.code not in ("out_of_memory", "device_lost")
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(worker, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            client.fill(_photo(64))
    assert not other, (endings, server.log())
    bench.record(", ".join(f"{endings.count(one)} {one}" for one in sorted(set(endings))))
    return other


@SECTION.row(
    "the memory of a container",
    "limits of a control group around server and worker, as a container has: a result, or told so",
    short=0,
    soak=40,
    figure="other endings",
)
def _container(bench: Bench, count: int) -> float:
    with memory_group() as group:
        server = bench.start("real")
        group.add(server.process.pid)  # before it has a worker
        server.ready()
        fill = _photo(1200)
        other = 0
        endings = []
        with server.connect() as client:
            client.fill(_photo(64))
            for number in range(count):
                wait_until(lambda: server.health()["state"] == "ready", seconds=60)
                # The messages and what the server itself needs for them have room in any case.
                group.limit((number * 300 << 20) // max(1, count - 1) + (48 << 20))
                try:
                    client.fill(fill)
                    endings.append("result")
                except FillFailedError as error:
                    endings.append(error.code)
                    other += error.code != "out_of_memory"
                finally:
                    group.limit(None)
                client.fill(_photo(64))
        assert server.process.poll() is None
        assert server.end() == 0
    assert not other, (endings, server.log())
    bench.record(", ".join(f"{endings.count(one)} {one}" for one in sorted(set(endings))))
    return other


@SECTION.row(
    "memory of a GPU, pretended",
    "failures for want of memory one after the other: a smaller window, then the CPU, then a clear error",
    short=4,
    soak=4,
    figure="other outcomes",
)
def _gpu_memory(bench: Bench, count: int) -> float:
    other = 0
    for failing in range(count):
        calls: list[str] = []

        def before(height: int, width: int, failing: int = failing, calls: list[str] = calls) -> None:
            calls.append(f"{height} x {width}")
            if len(calls) <= failing:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

        network = Flat(before)
        with pretended_gpu():
            engine = FillEngine("auto", 0, load=lambda model, device, network=network: network)
            try:
                result = engine.fill(
                    _photo(400), lambda stage, fraction: None, lambda: False, lambda preview: None
                )
                outcome = result.device
            except JobError as error:
                outcome = error.code
        wanted = ["cuda:0", "cuda:0", "cpu"][failing] if failing < 3 else "out_of_memory"
        other += outcome != wanted
        assert failing != 1 or network.windows[1] < network.windows[0], "a smaller window"
        bench.record(outcome)
    return other


@SECTION.row(
    "a device that is lost",
    "fills in whose middle the worker finds that its GPU is gone: told so, retryable, and a new worker",
    short=3,
    soak=50,
    figure="otherwise",
)
def _lost_device(bench: Bench, count: int) -> float:
    server = bench.start().ready()
    otherwise = 0
    with server.connect() as client:
        for _ in range(count):
            try:
                fill_with(client, make_fill(milliseconds=10, fault=GIVES_UP))
                otherwise += 1
            except FillFailedError as error:
                otherwise += (error.code, error.retryable) != ("device_lost", True)
            fill_with(client, make_fill())
    return otherwise
