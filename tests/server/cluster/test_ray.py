"""A server whose workers are in a real Ray cluster of three nodes on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from lama_core.client.connection import FillCancelledError, FillFailedError
from lama_core.client.options import FillOptions
from lama_core.client.places import cache_folder
from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.messages import Fill, Hello, Result
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors
from tests.server.cluster.cluster import PROJECT, ThreeNodes
from tests.server.harness import (
    ServerProcess,
    dial_async,
    fill_with,
    make_fill,
    next_fill_succeeds,
    wait_until,
)
from tests.server.workers import DIES, FULL, HUNGRY, INVERT

pytest.importorskip("ray", reason="needs ray: pip install 'lama-fill[ray]'")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThreeNodes]:
    with ThreeNodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


@pytest.fixture
def other_model(data_folder: Path) -> Iterator[str]:
    """The name of a model that no server of this module has had."""
    torch.manual_seed(7)
    path = data_folder / "models" / "other.safetensors"
    write_safetensors(Generator(GeneratorConfig(width=8, blocks=1)).eval(), path, metadata={"name": "other"})
    yield "other"
    path.unlink()


@pytest.fixture(scope="module")
def begin(
    cluster: ThreeNodes, tmp_path_factory: pytest.TempPathFactory, data_folder: Path
) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers whose workers are in the cluster."""
    started: list[ServerProcess] = []

    def start(kind: str = "scripted", *flags: str) -> ServerProcess:
        common = ("--engine", "ray", "--address", cluster.address, "--worker-cpus", "1", *flags)
        server = ServerProcess(tmp_path_factory.mktemp("serve"), kind, *common)
        started.append(server)
        return server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PROJECT))
        yield start
    for server in started:
        server.clean_up()


@pytest.fixture
def serve(begin: Callable[..., ServerProcess]) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers that end with the test, whether it fails or not: their actors have the CPUs."""
    started: list[ServerProcess] = []

    def start(kind: str = "scripted", *flags: str) -> ServerProcess:
        started.append(begin(kind, *flags))
        return started[-1]

    yield start
    for server in started:
        if server.process.poll() is None:
            server.end()


@pytest.fixture(scope="module")
def server(begin: Callable[..., ServerProcess]) -> Iterator[ServerProcess]:
    """One with three scripted workers, one on each node."""
    server = begin("scripted", "--min-workers", "3", "--max-workers", "3").ready()
    wait_until(lambda: states(server) == ["ready"] * 3, seconds=60, what="three workers")
    yield server
    server.end()


def states(server: ServerProcess) -> list[str]:
    with server.connect() as client:
        return sorted(worker.state for worker in client.status().workers)


def actors() -> list[psutil.Process]:
    """The actors of the cluster that fill."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("FillActor" in part for part in process.info["cmdline"] or ())
    ]


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin `work`; what is returned waits for it, and gives or raises what it did."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - raised again below
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def wait() -> Any:
        thread.join(150)
        assert outcome, "it did not end"
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return wait


@contextlib.contextmanager
def every_worker_filling(server: ServerProcess) -> Iterator[None]:
    """Three fills, one in each of three workers, are going on; at the end all have succeeded."""
    clients = [server.connect() for _ in range(3)]
    try:
        waiting = [
            in_thread(
                lambda client=client, byte=byte: fill_with(
                    client, make_fill(milliseconds=5000, fillbyte=byte)
                )
            )
            for byte, client in enumerate(clients, 1)
        ]
        wait_until(lambda: states(server) == ["busy"] * 3)
        time.sleep(0.5)  # until they are in the actors
        yield
        for wait in waiting:
            wait()
    finally:
        for client in clients:
            client.close()


def test_two_hundred_clients_on_three_workers_lose_and_swap_nothing(server: ServerProcess) -> None:
    randoms = random.Random(11)
    before = server.metric('lama_fill_fills_total{ending="done"}')
    # Many handshakes at once that are slow as well, on a busy machine, are taken for an attack.
    dialling = asyncio.Semaphore(32)

    async def one(number: int) -> None:
        width, height = randoms.randint(1, 260), randoms.randint(1, 260)
        pixels = randoms.randbytes(width * height * 4)
        async with contextlib.AsyncExitStack() as stack:
            async with dialling:
                websocket = await stack.enter_async_context(dial_async(server))
            await websocket.send(encode(Hello(client=f"client {number}")))
            await websocket.recv()
            fill = Fill(
                job=number + 1,
                width=width,
                height=height,
                format="rgba",
                depth="u8",
                pixels=pixels,
                hole=bytes([number]) * (width * height),
            )
            await websocket.send(encode(fill))
            while not isinstance(message := decode_server(await websocket.recv(decode=False)), Result):
                assert type(message).__name__ in ("Accepted", "Progress"), message
            assert message.job == number + 1
            wanted = hashlib.sha256(pixels.translate(INVERT)).digest()
            assert hashlib.sha256(message.pixels).digest() == wanted
            assert set(message.blend) == {number}

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(200)))

    asyncio.run(all_of_them())
    assert server.metric('lama_fill_fills_total{ending="done"}') == before + 200
    with server.connect() as client:
        assert min(worker.jobs for worker in client.status().workers) > 0


def test_progress_and_cancel(server: ServerProcess) -> None:
    seen: list[float] = []
    with server.connect() as client:
        fill_with(
            client,
            make_fill(milliseconds=900),
            on_progress=lambda stage, fraction, place: seen.append(fraction),
        )
        assert len({value for value in seen if 0 < value < 1}) >= 2
        begun = time.monotonic()
        with pytest.raises(FillCancelledError):
            client.fill(make_fill(milliseconds=20_000), cancelled=lambda: time.monotonic() - begun > 0.3)
    assert sorted(states(server)) == ["ready"] * 3, "the actor has heeded it"
    next_fill_succeeds(server)


def test_an_actor_that_is_killed_costs_no_fill(server: ServerProcess) -> None:
    """As the kernel ends one when memory runs out: one of three that all fill."""
    before = server.metric("lama_fill_reruns_total")
    killed = actors()[0]
    with every_worker_filling(server):
        killed.send_signal(signal.SIGKILL)
    assert server.metric("lama_fill_reruns_total") == before + 1
    wait_until(lambda: states(server) == ["ready"] * 3, seconds=40)
    next_fill_succeeds(server)


def test_a_fill_that_ends_every_actor_is_given_up_after_two_more(server: ServerProcess) -> None:
    before = server.metric("lama_fill_reruns_total")
    with server.connect() as client, pytest.raises(FillFailedError) as failure:
        client.fill(make_fill(fault=DIES))
    assert failure.value.code == "device_lost"
    assert server.metric("lama_fill_reruns_total") == before + 2
    wait_until(lambda: states(server) == ["ready"] * 3, seconds=40)


@pytest.mark.parametrize("fault", [HUNGRY, FULL])
def test_an_actor_out_of_memory_says_so_and_is_replaced(server: ServerProcess, fault: int) -> None:
    known = {process.pid for process in actors()}
    with server.connect() as client, pytest.raises(FillFailedError) as failure:
        client.fill(make_fill(fault=fault))
    assert failure.value.code == "out_of_memory"
    wait_until(lambda: states(server) == ["ready"] * 3, seconds=40)
    assert len(known & {process.pid for process in actors()}) == 2
    next_fill_succeeds(server)


def test_a_node_that_dies_in_mid_job_costs_no_fill(server: ServerProcess, cluster: ThreeNodes) -> None:
    before = server.metric("lama_fill_reruns_total")
    with every_worker_filling(server):
        cluster.kill_a_node()
    assert server.metric("lama_fill_reruns_total") == before + 1
    cluster.add_a_node()
    wait_until(lambda: states(server) == ["ready"] * 3, seconds=90, what="the third worker")
    next_fill_succeeds(server)


def test_workers_come_with_the_queue_and_go_again(
    serve: Callable[..., ServerProcess], server: ServerProcess
) -> None:
    server.end()  # its actors have the CPUs
    server = serve("scripted", "--min-workers", "1", "--max-workers", "3", "--worker-idle", "2").ready()
    assert states(server) == ["ready", "unloaded", "unloaded"]
    clients = [server.connect() for _ in range(6)]
    try:
        waiting = [
            in_thread(lambda client=client: fill_with(client, make_fill(milliseconds=3000)))
            for client in clients
        ]
        wait_until(lambda: states(server) == ["busy"] * 3, seconds=40, what="three workers")
        for wait in waiting:
            wait()
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: states(server) == ["ready", "unloaded", "unloaded"], seconds=20)
    wait_until(lambda: len(actors()) == 1)
    server.end()
    wait_until(lambda: not actors(), what="the end of the actors")


def test_fills_are_those_of_the_local_engine_bit_for_bit(
    serve: Callable[..., ServerProcess],
    start: Callable[..., ServerProcess],
    cluster: ThreeNodes,
    other_model: str,
) -> None:
    """And the model, which no node has, goes to each node once."""
    noise = np.random.default_rng(5)
    fills = []
    for seed, side in enumerate((96, 160, 257), 1):
        pixels = noise.integers(0, 65536, (side, side, 3), np.uint16)
        hole = np.zeros((side, side), np.uint8)
        hole[side // 3 : side // 2, side // 3 : side // 2] = 255
        fills.append(
            Fill(
                width=side,
                height=side,
                format="rgb",
                depth="u16",
                pixels=pixels.tobytes(),
                hole=hole.tobytes(),
                options=FillOptions(seed=seed),
            )
        )

    def answers(server: ServerProcess) -> list[tuple[Any, ...]]:
        with server.connect() as client:
            results = [client.fill(fill) for fill in fills]
        return [(r.x, r.y, r.width, r.height, bytes(r.pixels), bytes(r.blend)) for r in results]

    local = start("real", "--model", other_model).ready()
    wanted = answers(local)
    local.end()
    # Kernels round in another way than the library, and each node measures which of them are faster.
    measured = cache_folder() / "fast" / "kernels.json"
    if measured.exists():
        for cache in cluster.caches:
            (cache / "fast").mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy(measured, cache / "fast")
    flags = ("--model", other_model, "--min-workers", "3", "--max-workers", "3")
    server = serve("real", *flags).ready()
    wait_until(lambda: states(server) == ["ready"] * 3, seconds=150, what="three workers")
    assert answers(server) == wanted
    assert server.log().count(f"has fetched the model {other_model}") == 3


def problem(server: ServerProcess) -> str:
    with server.connect() as client:
        return client.status().problem


def test_without_its_head_the_server_goes_on_by_itself(
    serve: Callable[..., ServerProcess], cluster: ThreeNodes
) -> None:
    address = cluster.address
    server = serve("scripted", "--min-workers", "2", "--max-workers", "2").ready()
    wait_until(lambda: states(server) == ["ready"] * 2, seconds=60)
    with server.connect() as client:
        waiting = in_thread(lambda: fill_with(client, make_fill(milliseconds=4000, fillbyte=5)))
        time.sleep(0.5)
        cluster.kill_the_head()
        waiting()
    next_fill_succeeds(server)
    # That actors are lost is known before why.
    wait_until(lambda: "fills go on on this machine" in problem(server), seconds=60, what="the reason")
    assert server.health()["state"] == "degraded"
    assert address in problem(server)
    assert "start its head (ray start --head)" in problem(server)
    next_fill_succeeds(server)
    assert server.workers(), "the local one"
