"""The engine of the worker process: generators on one device, and a fill that survives a lack of memory."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.messages import Fill, Preview, Result
from lama_core.fill import FillCancelled, FilledRegion, PredictionError, Progress, fill_region
from lama_core.inference import load_fast, precision_of
from lama_core.inference.memory import give_back_freed_memory
from lama_core.model.installed.registry import UnknownModelError, find_model
from lama_core.model.predictor import Predict, Predictor, as_predictor
from lama_server.errors import JobCancelledError, JobError, WorkerLostError
from lama_server.worker.devices import (
    MEMORY_ERRORS,
    choose_device,
    describe_device,
    give_back_memory,
    is_device_gone,
    is_out_of_memory,
    memory_in_use,
)
from lama_server.worker.pixels import bytes_of, hole_of, message_of, picture_of, source_of

log = logging.getLogger(__name__)

SMALL_CONTEXT = 64
"""Margin in pixels around the hole when the window that was wanted does not fit into the memory."""

_OUT_OF_MEMORY = "there is not enough memory for this fill, not even on the CPU; use a smaller selection"

GeneratorLoader = Callable[[str, torch.device], Predict]
"""From a model's name to its generator on a device."""


class ModelLoadError(LamaFillError):
    """An installed model that cannot be loaded."""


class FillEngine:
    """A `lama_server.worker.process.Engine`. Keeps the generator of one model for each device it uses."""

    def __init__(
        self,
        device: str,
        threads: int,
        *,
        precision: str = "auto",
        memory: int = 0,
        load: GeneratorLoader | None = None,
        find: Callable[[str], Path] = lambda name: find_model(name).path,
    ) -> None:
        """Prepare, without loading anything.

        Args:
            device: as the settings name it.
            threads: of a CPU, 0 for torch's own choice.
            precision: see `lama_core.inference.compile_generator`.
            memory: bytes that a fill may take beside the picture and the model, 0 for what there is.
            load: loads a model on a device; compiled, unless given.
            find: gives a model's file; raises UnknownModelError.
        """
        if threads:
            torch.set_num_threads(threads)
        self._device = choose_device(device)
        self.device = describe_device(self._device)
        self._memory = memory or None
        self._load = load or _loader(precision, find)
        self._watch = LayerHook()
        self._generators: dict[torch.device, tuple[str, Predictor]] = {}

    @property
    def memory_bytes(self) -> int:
        return memory_in_use(self._device)

    def load(self, model: str) -> None:
        try:
            self._generator(model, self._device)
        except MEMORY_ERRORS as error:
            if self._device.type == "cpu" or not is_out_of_memory(error):
                raise
            # Other programs may need less by the time of the first fill, and there is the CPU.
            log.warning("%s has not the memory for the model now", self._device)

    def release_caches(self) -> None:
        self._free(self._device)

    def fill(
        self,
        fill: Fill,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
        previewed: Callable[[Preview], None],
    ) -> Result:
        begun = time.perf_counter()
        picture, hole = picture_of(fill), hole_of(fill)
        if not hole.any():
            return _empty_result(fill, self.device.id)
        self._watch.begin(progress, cancelled)
        try:
            region, device = self._fill_somehow(picture, hole, fill, previewed)
        except FillCancelled as error:
            raise JobCancelledError(str(error)) from error
        except UnknownModelError as error:
            raise JobError("unknown_model", str(error)) from error
        except (ModelLoadError, PredictionError) as error:
            raise JobError("model_failed", str(error)) from error
        except LamaFillError as error:
            raise JobError("bad_request", str(error)) from error
        except MEMORY_ERRORS as error:
            if is_out_of_memory(error):
                raise JobError("out_of_memory", _OUT_OF_MEMORY) from error
            if is_device_gone(error, self._device):
                raise WorkerLostError(str(error)) from error
            raise
        return Result(
            job=fill.job,
            x=region.rect.x,
            y=region.rect.y,
            width=region.rect.width,
            height=region.rect.height,
            format=fill.format,
            depth=fill.depth,
            pixels=bytes_of(region.pixels, fill),
            blend=np.rint(region.blend * 255).astype(np.uint8).reshape(-1).data,
            model=fill.model,
            device=self.device.id if device == self._device else device.type,
            seconds=time.perf_counter() - begun,
        )

    def _fill_somehow(
        self,
        picture: NDArray[Any],
        hole: NDArray[np.float32],
        fill: Fill,
        previewed: Callable[[Preview], None],
    ) -> tuple[FilledRegion, torch.device]:
        """Fill as asked; if there is not the memory, with less context; if not even that, on the CPU."""
        wanted = replace(fill.options, memory=self._memory)
        attempts = [(self._device, wanted)]
        progress = Progress(
            on_report=self._watch.progress,
            on_preview=(lambda preview: previewed(message_of(preview, fill.job))) if fill.preview else None,
            cancelled=self._watch.cancelled,
        )
        if not isinstance(wanted.context, int) or wanted.context > SMALL_CONTEXT:
            attempts.append((self._device, replace(wanted, context=SMALL_CONTEXT)))
        if self._device.type != "cpu":
            attempts.append((torch.device("cpu"), wanted))
        while True:
            device, options = attempts.pop(0)
            try:
                region = fill_region(
                    picture,
                    hole,
                    self._generator(fill.model, device),
                    options,
                    source=source_of(fill),
                    progress=progress,
                )
                return region, device
            except MEMORY_ERRORS as error:
                if not attempts or not is_out_of_memory(error):
                    raise
                log.warning("%s: not enough memory for a context of %s", device, options.context)
            # Out of the except block, because the error's traceback holds the tensors.
            self._free(device)

    def _generator(self, model: str, device: torch.device) -> Predictor:
        known = self._generators.get(device)
        if known is not None and known[0] == model:
            return known[1]
        if known is not None:
            # The old one goes first, so that two are never in memory at once.
            del known, self._generators[device]
            self._free(device)
        self._watch.progress("loading", 0.0)
        try:
            generator = as_predictor(self._load(model, device))
        except (UnknownModelError, MemoryError):
            raise
        except (LamaFillError, OSError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            raise ModelLoadError(f"the model {model} cannot be loaded: {error}") from error
        generator.on_layer = self._watch.look_up
        self._generators[device] = (model, generator)
        return generator

    @staticmethod
    def _free(device: torch.device) -> None:
        gc.collect()
        give_back_memory(device)
        give_back_freed_memory()


class LayerHook:
    """Looks up from the work many times during one call of a network: to be cancelled, to be seen alive."""

    _SIGN_SECONDS = 0.5

    def __init__(self) -> None:
        self._tell: Callable[[str, float], None] = lambda stage, fraction: None
        self.cancelled: Callable[[], bool] = lambda: False
        self._last: tuple[str, float] = ("", 0.0)
        self._told = 0.0

    def begin(self, tell: Callable[[str, float], None], cancelled: Callable[[], bool]) -> None:
        """LayerHook over one job from now on."""
        self._tell = tell
        self.cancelled = cancelled

    def progress(self, stage: str, fraction: float) -> None:
        """Pass on where the job is."""
        self._last = (stage, fraction)
        self._told = time.monotonic()
        self._tell(stage, fraction)

    def look_up(self) -> None:
        """Between layers: end a fill that is cancelled, and give a sign of life."""
        if self.cancelled():
            raise FillCancelled("the fill was cancelled")
        if time.monotonic() - self._told > self._SIGN_SECONDS:
            self.progress(*self._last)


def _loader(precision: str, find: Callable[[str], Path]) -> GeneratorLoader:
    known = precision_of(precision)
    return lambda model, device: load_fast(find(model), device=device, precision=known)


def _empty_result(fill: Fill, device: str) -> Result:
    """The result of a hole in which nothing is selected."""
    return Result(
        job=fill.job,
        x=0,
        y=0,
        width=0,
        height=0,
        format=fill.format,
        depth=fill.depth,
        pixels=b"",
        blend=b"",
        model=fill.model,
        device=device,
    )
