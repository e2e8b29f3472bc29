"""A worker process around an engine: notes from the server on standard input, answers on standard output.

The engine is an argument, so that the process and its faults can be tested with any.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.messages import Device, Fill, Options, pixel_bytes
from lama_server.ipc import HEADER_BYTES, Note, body_length, pack_note, unpack_note
from lama_server.jobs import JobCancelledError, JobError, Outcome, WorkerLostError
from lama_server.shared_memory import open_arena

log = logging.getLogger(__name__)

INTERNAL = "the server failed; its log says more (lama-fill logs)"


class Engine(Protocol):
    """What does the work. Used from one thread.

    `memory_bytes`: memory of the device that is in use, 0 when unknown.
    """

    device: Device

    @property
    def memory_bytes(self) -> int: ...

    def load(self, model: str) -> None:
        """Have `model` ready. Raises LamaFillError."""

    def rest(self) -> None:
        """Give back the memory that is kept for the next job: there has been none for a while."""

    def fill(
        self, fill: Fill, progress: Callable[[str, float], None], cancelled: Callable[[], bool]
    ) -> Outcome:
        """Do one job; calls `progress` often, with what it knows or the same again.

        Raises JobError; JobCancelledError some time after `cancelled` has become true; WorkerLostError when
        the device cannot be used any more.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How an engine is to work.

    device: as the settings name it. threads: of a CPU, 0 for its own choice. precision: "auto", "fp32",
    "bf16" or "fp16". memory: bytes that a fill may take, 0 for what there is.
    """

    device: str
    threads: int
    precision: str
    memory: int


_REST_SECONDS = 3.0
"""Time without a job after which an engine is told to give back what it does not need for now."""

EngineFactory = Callable[[EngineSettings], Engine]


def run_worker(factory: EngineFactory, argv: Sequence[str] | None = None) -> int:
    """Be a worker until the server ends it or is gone. Returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="lama_server.worker")
    parser.add_argument("--device", required=True)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--memory", type=int, default=0)
    parser.add_argument("--parent", type=int, required=True)
    args = parser.parse_args(argv)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the server alone
    _die_with(args.parent)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    return _Process(*_take_standard_streams()).run(
        factory,
        EngineSettings(
            device=args.device, threads=args.threads, precision=args.precision, memory=args.memory
        ),
    )


class _Process:
    """The two threads: one reads notes and sees the server's end, the main one works."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._sending = threading.Lock()
        self._notes: queue.SimpleQueue[Note] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._job = 0

    def run(self, factory: EngineFactory, settings: EngineSettings) -> int:
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        first = self._notes.get()
        try:
            engine = factory(settings)
            engine.load(first["model"])
        except LamaFillError as error:
            self._send({"is": "unusable", "message": str(error)})
            return 1
        except Exception as error:
            log.exception("the engine cannot be made")
            self._send({"is": "unusable", "message": f"{type(error).__name__}: {error}"})
            return 1
        self._send({"is": "ready", "device": _device_note(engine.device), "memory": engine.memory_bytes})
        while True:
            try:
                note = self._notes.get(timeout=_REST_SECONDS)
            except queue.Empty:
                engine.rest()
                note = self._notes.get()
            self._work(engine, note)

    def _listen(self) -> None:
        """Read notes; end the process at once when the server is gone, whatever the main thread is doing."""
        try:
            while True:
                note = unpack_note(self._read(body_length(self._read(HEADER_BYTES))))
                if note["do"] == "cancel":
                    if note["job"] == self._job:
                        self._cancelled.set()
                    continue
                if note["do"] == "fill":
                    # Here, not where the work begins, so that no cancel can come in between and be lost.
                    self._cancelled.clear()
                    self._job = note["job"]
                self._notes.put(note)
        finally:
            os._exit(0)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = os.read(self._source, count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def _send(self, note: Note) -> None:
        data = memoryview(pack_note(note))
        with self._sending:
            while data:
                data = data[os.write(self._sink, data) :]

    def _work(self, engine: Engine, note: Note) -> None:
        job = note["job"]
        try:
            self._send({"job": job, "memory": engine.memory_bytes, **self._fill(engine, note)})
        except JobCancelledError:
            self._send({"is": "cancelled", "job": job})
        except JobError as error:
            self._send({"is": "failed", "job": job, "code": error.code, "message": error.message})
        except WorkerLostError as error:
            log.error("giving up the device: %s", error)
            os._exit(1)
        except Exception:
            log.exception("a fill failed")
            self._send({"is": "failed", "job": job, "code": "internal", "message": INTERNAL})

    def _fill(self, engine: Engine, note: Note) -> Note:
        """Run the engine on the arena's pixels and leave the result in their place."""
        pixels = note["width"] * note["height"] * pixel_bytes(note["format"], note["depth"])
        arena = open_arena(note["arena"], pixels + note["width"] * note["height"])
        fill = Fill(
            job=note["job"],
            width=note["width"],
            height=note["height"],
            format=note["format"],
            depth=note["depth"],
            pixels=arena[:pixels],
            hole=arena[pixels:],
            options=Options(**note["options"]),
        )

        def progress(stage: str, fraction: float) -> None:
            self._send({"is": "progress", "job": fill.job, "stage": stage, "fraction": fraction})

        outcome = engine.fill(fill, progress, self._cancelled.is_set)
        result, blend = memoryview(outcome.pixels).cast("B"), memoryview(outcome.blend).cast("B")
        arena[: len(result)] = result
        arena[len(result) : len(result) + len(blend)] = blend
        return {
            "is": "done",
            "rect": [outcome.x, outcome.y, outcome.width, outcome.height],
            "bytes": [len(result), len(blend)],
            "model": outcome.model,
            "device": outcome.device,
            "seconds": outcome.seconds,
        }


def _take_standard_streams() -> tuple[int, int]:
    """The channel's two ends; whatever a library reads or prints from now on goes elsewhere."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where the kernel can do that.

    The end of standard input says the same, but only to a thread that gets to run.
    """
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _device_note(device: Device) -> dict[str, Any]:
    return {"id": device.id, "name": device.name, "memory_bytes": device.memory_bytes}
