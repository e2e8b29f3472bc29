"""A worker process with an engine that does what the tests ask of it, and no torch.

`python workers.py KIND --device ...` is a worker; KIND says how its engine loads. What a fill does is in its
options: `seed` milliseconds pass, and `grow` is one of the faults below. The result is the whole window with
every byte inverted, so that a test can tell whose pixels it got.
"""

from __future__ import annotations

import errno
import mmap
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.messages import CHANNELS, Device, Fill, Preview, Result, pixel_bytes
from lama_server import shared_memory
from lama_server.errors import JobCancelledError, JobError, WorkerLostError
from lama_server.worker.process import EngineSettings, run_worker

INVERT = bytes(255 - value for value in range(256))

# Values of `grow`.
POLITE, DEAF, SILENT, DIES, FULL, RAISES, GIVES_UP, BABBLES, HUNGRY = range(9)


class ScriptedEngine:
    """Does what the fill's options say."""

    memory_bytes = 0

    def __init__(self, settings: EngineSettings) -> None:
        self.device = Device(id=settings.device, name=f"scripted {settings.device}")

    def load(self, model: str) -> None:
        if model == "missing":
            raise LamaFillError("the model missing cannot be loaded: it is missing")

    def release_caches(self) -> None:
        """Nothing is kept."""

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        begun = time.monotonic()
        fault = fill.options.grow
        if fill.preview:
            previewed(_preview_of(fill))
        while time.monotonic() - begun < fill.options.seed / 1000:
            if cancelled() and fault not in (DEAF, SILENT):
                raise JobCancelledError("cancelled")
            if fault != SILENT:
                progress("filling", min(1.0, (time.monotonic() - begun) * 1000 / fill.options.seed))
            time.sleep(0.005)
        if fault == DIES:
            os._exit(3)
        if fault == FULL:
            raise JobError("out_of_memory", "no memory\nat all")
        if fault == RAISES:
            raise RuntimeError("a bug")
        if fault == GIVES_UP:
            raise WorkerLostError("CUDA error: the device is gone")
        if fault == HUNGRY:
            _take_more_than_there_is()
        if fault == BABBLES:
            print("what a library prints", flush=True)
        return Result(
            job=fill.job,
            x=0,
            y=0,
            width=fill.width,
            height=fill.height,
            format=fill.format,
            depth=fill.depth,
            pixels=bytes(fill.pixels).translate(INVERT),
            blend=bytes(fill.hole),
            model=fill.model,
            device=self.device.id,
            seconds=time.monotonic() - begun,
        )


def _preview_of(fill: Fill) -> Preview:
    """The window, inverted, by every so manieth pixel; of 8 bits and with red, green and blue."""
    scale = -(-max(fill.width, fill.height) // 64)
    each = CHANNELS[fill.format]
    begins = [
        (row * fill.width + column) * each
        for row in range(0, fill.height, scale)
        for column in range(0, fill.width, scale)
    ]
    pixels = b"".join(bytes(fill.pixels[at : at + 3]).translate(INVERT) + b"\xff" for at in begins)
    width, height = -(-fill.width // scale), -(-fill.height // scale)
    return Preview(job=fill.job, x=0, y=0, width=width, height=height, scale=scale, pixels=pixels)


def _take_more_than_there_is() -> None:
    """Have less memory from now on than this process needs next."""
    import resource

    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (64 << 20), resource.RLIM_INFINITY))
    bytearray(1 << 30)


class EchoEngine(ScriptedEngine):
    """Takes no notice of the options. With a source, the fill has the colour of the first pixel of that."""

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        plain = replace(fill.options, seed=0, grow=POLITE)
        result = super().fill(replace(fill, options=plain), progress, cancelled, previewed)
        source = bytes(fill.source)
        if not source:
            return result
        size = pixel_bytes(fill.format, fill.depth)
        first = size * (len(source) - len(source.lstrip(b"\0")))
        return replace(result, pixels=bytes(fill.pixels[first : first + size]) * len(source))


class UnhurriedEngine(EchoEngine):
    """Takes two seconds for whatever need not be fast; previews come at once."""

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        if fill.preview:
            previewed(_preview_of(fill))
        until = time.monotonic() + (0 if fill.options.quality == "fast" else 2)
        while time.monotonic() < until and not cancelled():
            progress("filling", 0.5)
            time.sleep(0.02)
        return super().fill(replace(fill, preview=False), progress, cancelled, previewed)


class CornerEngine(ScriptedEngine):
    """Gives back a corner of the window as it is, after as many milliseconds as `seed` says."""

    SIDE = 256

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        time.sleep(fill.options.seed / 1000)
        width, height = min(fill.width, self.SIDE), min(fill.height, self.SIDE)
        area = width * height
        return Result(
            job=fill.job,
            x=0,
            y=0,
            width=width,
            height=height,
            format=fill.format,
            depth=fill.depth,
            pixels=bytes(fill.pixels[: area * pixel_bytes(fill.format, fill.depth)]),
            blend=bytes(fill.hole[:area]),
            model=fill.model,
            device=self.device.id,
            seconds=0.0,
        )


class UnevenEngine(ScriptedEngine):
    """On a device whose name ends with 1 everything takes ten times as long."""

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        times = 10 if self.device.id.endswith("1") else 1
        options = replace(fill.options, seed=times * fill.options.seed)
        return super().fill(replace(fill, options=options), progress, cancelled, previewed)


class SlowEngine(ScriptedEngine):
    """Takes a second to load."""

    def load(self, model: str) -> None:
        time.sleep(1.0)


class CrashingEngine(ScriptedEngine):
    """Ends its process while it loads, until there is a file `mended` in its folder."""

    def load(self, model: str) -> None:
        if not Path("mended").exists():
            print("the graphics driver is very unhappy", file=sys.stderr, flush=True)
            os._exit(9)


class BrokenEngine(ScriptedEngine):
    """Cannot load its model, until there is a file `mended` in its folder."""

    def load(self, model: str) -> None:
        if not Path("mended").exists():
            raise LamaFillError("the model's file is damaged: import it again")


class CrampedEngine(ScriptedEngine):
    """Its process has no room to map the pixels, from its start to its end, while there is a file `full`."""

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        if Path("full").exists():

            def refuse(*_: object, **__: object) -> mmap.mmap:
                raise OSError(errno.ENOMEM, "Cannot allocate memory")

            shared_memory.mmap.mmap = refuse  # type: ignore[assignment]


KINDS = {
    "scripted": ScriptedEngine,
    "echo": EchoEngine,
    "unhurried": UnhurriedEngine,
    "corner": CornerEngine,
    "uneven": UnevenEngine,
    "slow": SlowEngine,
    "crashing": CrashingEngine,
    "broken": BrokenEngine,
    "cramped": CrampedEngine,
}


def make_scripted_engine(settings: EngineSettings, find: Callable[[str], Path]) -> ScriptedEngine:
    """For the actors of a cluster."""
    return ScriptedEngine(settings)


def make_corner_engine(settings: EngineSettings, find: Callable[[str], Path]) -> CornerEngine:
    """For the actors of a cluster."""
    return CornerEngine(settings)


if __name__ == "__main__":
    sys.exit(run_worker(KINDS[sys.argv[1]], sys.argv[2:]))
