"""`python mirror_server.py [FLAGS of lama-fill serve]`: the real server, with a model whose answer is known.

What it fills with is the window seen in a mirror, so that a test can tell for every pixel what has to come
out of the editor. The better the quality that is asked for, the longer it takes, and the model's name in
the answer says what was asked for, and from how many pixels it may be copied.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

from lama_core.client.places import state_folder
from lama_core.client.protocol.messages import Device, Fill, Preview, Result, pixel_bytes
from lama_server import settings
from lama_server.errors import JobCancelledError
from lama_server.local_engine import LocalEngine
from lama_server.service import run_service
from lama_server.worker.process import Engine, EngineSettings, run_worker

SECONDS = {"fast": 0.0, "balanced": 1.5, "best": 4.0}


class MirrorEngine(Engine):
    """The pixels of each row in reverse, blended in by the hole itself."""

    memory_bytes = 0

    def __init__(self, settings: EngineSettings) -> None:
        self.device = Device(id=settings.device, name="mirror")

    def load(self, model: str) -> None:
        """There is nothing to load."""

    def release_caches(self) -> None:
        """There is nothing to give back."""

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        begun = time.monotonic()
        seconds = SECONDS[fill.options.quality]
        while time.monotonic() - begun < seconds:
            if cancelled():
                raise JobCancelledError("cancelled")
            progress("filling", (time.monotonic() - begun) / seconds)
            time.sleep(0.02)
        size = pixel_bytes(fill.format, fill.depth)
        row, pixels = fill.width * size, bytes(fill.pixels)
        mirrored = bytearray(len(pixels))
        for y in range(fill.height):
            for byte in range(size):
                begin = y * row
                mirrored[begin + byte : begin + row : size] = pixels[begin + byte : begin + row : size][::-1]
        asked = [fill.options.quality, f"seed {fill.options.seed}", fill.options.transfer]
        if len(fill.source):
            asked.append(f"from {fill.width * fill.height - bytes(fill.source).count(0)} pixels")
        return Result(
            job=fill.job,
            x=0,
            y=0,
            width=fill.width,
            height=fill.height,
            format=fill.format,
            depth=fill.depth,
            pixels=bytes(mirrored),
            blend=bytes(fill.hole),
            model=f"mirror ({', '.join(asked)})",
            device=self.device.id,
            seconds=time.monotonic() - begun,
        )


def serve() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--started-by-client", action="store_true")
    settings.add_flags(parser)
    args = parser.parse_args()
    return run_service(
        settings.load_settings(flags=settings.flags_given(args)),
        state_folder(),
        started_by_client=args.started_by_client,
        make_engine=partial(LocalEngine, command=[sys.executable, __file__, "worker"]),
    )


if __name__ == "__main__":
    sys.exit(run_worker(MirrorEngine, sys.argv[2:]) if sys.argv[1:2] == ["worker"] else serve())
