"""The local worker while there is no cluster, and the way back."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lama_core.client.protocol.messages import Device, Fill, Preview, Result
from lama_server.cluster.engine import RayEngine
from lama_server.cluster.standing_in import StandingInWorker
from lama_server.errors import WorkerLostError, WorkerStartError
from lama_server.settings import Settings


class _Worker:
    model, pid, memory_bytes = "", 0, 0

    def __init__(self, name: str, problem: str = "") -> None:
        self.device: Device | None = None
        self.name, self.problem, self.ended = name, problem, False

    async def start(self, model: str) -> None:
        if self.problem:
            raise WorkerStartError(self.problem)
        self.device = Device(id=self.name, name=self.name)

    async def fill(
        self, fill: Fill, progress: Callable[[str, float], None], previewed: Callable[[Preview], None]
    ) -> Result:
        raise WorkerLostError(self.name)

    def cancel(self) -> None: ...

    def release_caches(self) -> None: ...

    async def lost(self) -> str:
        await asyncio.sleep(60)
        return "never"

    async def end(self) -> None:
        self.ended = True


def test_another_stands_in_until_the_one_can_be_had() -> None:
    async def test() -> None:
        one, other, back = _Worker("one", "no cluster"), _Worker("other"), asyncio.Event()
        worker = StandingInWorker(one, other=lambda: other, is_wanted=lambda: True, until=back.wait)
        await worker.start("m")
        assert worker.device is not None
        assert worker.device.id == "other"
        assert one.ended
        lost = asyncio.create_task(worker.lost())
        await asyncio.sleep(0)
        back.set()
        assert await asyncio.wait_for(lost, 5) == "the cluster is there again"
        await worker.end()
        assert other.ended

    asyncio.run(test())


def test_none_stands_in_for_one_that_fails_in_a_cluster_that_is_there() -> None:
    async def test() -> None:
        one = _Worker("one", "the model is damaged")
        worker = StandingInWorker(
            one, other=lambda: _Worker("other"), is_wanted=lambda: False, until=asyncio.Event().wait
        )
        with pytest.raises(WorkerStartError, match="damaged"):
            await worker.start("m")

    asyncio.run(test())


_GATEWAY = """
import os, sys, time
from lama_server.ipc import pack_message
there = os.path.exists("there")
message = {"type": "connected"} if there else {"type": "unreachable", "message": "no cluster at all"}
os.write(1, pack_message(message))
if there:
    sys.stdin.buffer.read()
"""


def test_the_engine_goes_back_to_a_cluster_that_is_there_again(tmp_path: Path) -> None:
    """With a gateway of its own, which finds a cluster once there is a file."""
    pytest.importorskip("ray")

    async def test() -> None:
        engine = RayEngine(
            Settings(min_workers=1, max_workers=2),
            tmp_path,
            command=[sys.executable, "-c", _GATEWAY],
            local_command=[sys.executable, str(Path(__file__).parents[1] / "workers.py"), "scripted"],
            retry_seconds=0.2,
        )
        first, second = (engine.make_worker(slot) for slot in engine.slots)
        await first.start("m")
        assert first.device is not None
        assert engine.problem == "no cluster at all; fills go on on this machine"
        with pytest.raises(WorkerStartError, match="no cluster at all"):
            await second.start("m")
        lost = asyncio.create_task(first.lost())
        await asyncio.sleep(0.5)
        assert not lost.done()
        (tmp_path / "there").touch()
        assert await asyncio.wait_for(lost, 20) == "the cluster is there again"
        assert engine.problem == ""
        for worker in (first, second):
            await worker.end()
        await engine.close()

    asyncio.run(test())
