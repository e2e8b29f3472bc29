"""A worker process around an engine: messages from the server on standard input, answers on standard output.

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
from dataclasses import asdict, dataclass, replace
from typing import Protocol

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.codec import to_fields
from lama_core.client.protocol.messages import (
    Cancelled,
    Device,
    Error,
    Fill,
    Preview,
    Progress,
    Result,
    ServerMessage,
)
from lama_server.errors import JobCancelledError, JobError, WorkerLostError
from lama_server.ipc import HEADER_BYTES, Message, body_length, pack_message, unpack_message
from lama_server.planes import buffer_size, read_planes
from lama_server.shared_memory import NO_MEMORY, open_shared_buffer

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

    def release_caches(self) -> None:
        """Give back the memory that is kept for the next job: there has been none for a while."""

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        """Do one job; calls `progress` often, with what it knows or the same again.

        Where the fill asks for a preview, `previewed` is called with it once there is one.

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

OOM_SCORE = "500"
"""Of Linux, from -1000 to 1000: half of all memory more than is really used."""

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
    die_with(args.parent)
    be_first_to_go()
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    return _Process(*take_standard_streams()).run(
        factory,
        EngineSettings(
            device=args.device, threads=args.threads, precision=args.precision, memory=args.memory
        ),
    )


class _Process:
    """The two threads: one reads messages and sees the server's end, the main one works."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink
        self._sending = threading.Lock()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self._job = 0

    def run(self, factory: EngineFactory, settings: EngineSettings) -> int:
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        first = self._messages.get()
        try:
            engine = factory(settings)
            engine.load(first["model"])
        except LamaFillError as error:
            self._say(Error.of("model_failed", str(error)))
            return 1
        except Exception as error:
            log.exception("the engine cannot be made")
            self._say(Error.of("model_failed", f"{type(error).__name__}: {error}"))
            return 1
        self._send({"type": "ready", "device": asdict(engine.device), "memory_in_use": engine.memory_bytes})
        while True:
            try:
                message = self._messages.get(timeout=_REST_SECONDS)
            except queue.Empty:
                engine.release_caches()
                message = self._messages.get()
            self._work(engine, message)

    def _listen(self) -> None:
        """Read messages; end the process at once when the server is gone, whatever the main thread does."""
        try:
            while True:
                message = unpack_message(self._read(body_length(self._read(HEADER_BYTES))))
                if message["type"] == "cancel":
                    if message["job"] == self._job:
                        self._cancelled.set()
                    continue
                if message["type"] == "fill":
                    # Here, not where the work begins, so that no cancel can come in between and be lost.
                    self._cancelled.clear()
                    self._job = message["job"]
                self._messages.put(message)
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

    def _say(self, message: ServerMessage) -> None:
        self._send(to_fields(message))

    def _send(self, message: Message) -> None:
        data = memoryview(pack_message(message))
        with self._sending:
            while data:
                data = data[os.write(self._sink, data) :]

    def _work(self, engine: Engine, message: Message) -> None:
        try:
            self._fill(engine, message)
        except WorkerLostError as error:
            log.error("giving up the device: %s", error)
            os._exit(1)
        except Exception as error:  # noqa: BLE001 - it is logged, and the server is told
            self._say(failure_of(error, message["job"]))

    def _fill(self, engine: Engine, message: Message) -> None:
        """Run the engine on the pixels in the shared memory, and leave the result in their place."""
        try:
            shared = open_shared_buffer(message["shared"], buffer_size(message))
        except OSError as error:
            raise JobError("out_of_memory", NO_MEMORY) from error
        fill = read_planes(message, shared)

        def progress(stage: str, fraction: float) -> None:
            self._say(Progress(job=fill.job, stage=stage, fraction=fraction))

        result = engine.fill(fill, progress, self._cancelled.is_set, self._say)
        pixels, blend = memoryview(result.pixels).cast("B"), memoryview(result.blend).cast("B")
        shared[: len(pixels)] = pixels
        shared[len(pixels) : len(pixels) + len(blend)] = blend
        sizes = {"pixels_size": len(pixels), "blend_size": len(blend)}
        done = to_fields(replace(result, pixels=b"", blend=b""))
        self._send({**done, **sizes, "memory_in_use": engine.memory_bytes})


def failure_of(error: Exception, job: int) -> ServerMessage:
    """What the server is told of a fill that raised an error; what is not the fill's own is logged too."""
    if isinstance(error, JobCancelledError):
        return Cancelled(job=job)
    if isinstance(error, JobError):
        return Error.of(error.code, error.message, job=job)
    log.error("a fill failed", exc_info=error)
    if isinstance(error, MemoryError):
        return Error.of("out_of_memory", NO_MEMORY, job=job)
    return Error.of("internal", INTERNAL, job=job)


def take_standard_streams() -> tuple[int, int]:
    """The channel's two ends; whatever a library reads or prints from now on goes elsewhere."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def be_first_to_go() -> None:
    """Have the kernel choose this process when memory runs out: its job can be done again.

    Otherwise it would be whichever program is largest, an editor with an unsaved picture perhaps.
    """
    if sys.platform == "linux":
        # Where /proc is not to be written to, nothing of this is needed to work.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(OOM_SCORE)


def die_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where the kernel can do that.

    The end of standard input says the same, but only to a thread that gets to run.
    """
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
