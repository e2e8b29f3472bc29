"""The training loop: steps, their log, and saving."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lama_core.research.training.checkpoints import MODEL, save_model, save_trainer
from lama_core.research.training.data import Photos, batches
from lama_core.research.training.trainer import Trainer, TrainingError

LOG_EVERY = 10
"""Steps that a line of the log averages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is kept, and for how long it goes on.

    Attributes:
        save_every: steps between two saves.
        minutes: after which it saves and ends, at the next step whose losses are read; None: no limit.
        workers: processes that cut crops; 0: a thread of this one.
        part_bytes: no file of the state is larger than this; None: one file.
        compact: whether the state is kept in a third of the bytes, not to the bit.
    """

    save_every: int = 500
    minutes: float | None = None
    workers: int = 0
    part_bytes: int | None = None
    compact: bool = False


def train(
    trainer: Trainer,
    photos: Photos,
    folder: Path,
    options: RunOptions = RunOptions(),
    *,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
    on_save: Callable[[Trainer], None] | None = None,
) -> bool:
    """Train up to the last step, or as long as there is time, from wherever the trainer is.

    Args:
        trainer: what learns.
        photos: to learn from.
        folder: gets the state (to resume), `model.safetensors` (the average, half precision) and `log.jsonl`
            (a line for every ten steps).
        options: how.
        on_step: called with the number of a step and its losses: after every step on the CPU, after every
            tenth elsewhere.
        on_save: called after every save.

    Returns:
        Whether the last step is done.

    Raises:
        TrainingError: a loss or a gradient is not finite; what was saved last is as it was.
        StateError: the state cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, context = trainer.config, trainer.context
    started = time.monotonic()
    # Reading a value waits for the device; on an accelerator the next steps should be queued meanwhile.
    read_every = 1 if trainer.device.type == "cpu" else LOG_EVERY
    unread: list[dict[str, Tensor]] = []
    unlogged: list[dict[str, float]] = []

    def save() -> None:
        if context.first:
            save_trainer(trainer, folder, part_bytes=options.part_bytes, compact=options.compact)
            save_model(trainer, folder / MODEL, photos=len(photos))
            if on_save is not None:
                on_save(trainer)

    source = batches(
        photos,
        range(trainer.steps_done, config.steps),
        config,
        processes=options.workers,
        share=context.share,
        pin=trainer.device.type == "cuda",
    )
    with (folder / "log.jsonl").open("a") as log:
        for batch in source:
            unread.append(trainer.step(batch))
            saves = trainer.steps_done % options.save_every == 0 or trainer.steps_done == config.steps
            if trainer.steps_done % read_every != 0 and not saves:
                continue
            unlogged += _read(trainer, unread)
            unread = []
            if on_step is not None:
                on_step(trainer.steps_done, unlogged[-1])
            if trainer.steps_done % LOG_EVERY == 0:
                if context.first:
                    line = {"step": trainer.steps_done, "seconds": round(time.monotonic() - started, 1)}
                    log.write(json.dumps(line | _means(unlogged)) + "\n")
                    log.flush()
                unlogged = []
            late = options.minutes is not None and time.monotonic() - started > options.minutes * 60
            over = context.any(late)
            if saves or over:
                save()
            if over:
                break
    return trainer.steps_done >= config.steps


def _read(trainer: Trainer, unread: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    """The values of some steps as numbers.

    Raises:
        TrainingError: one is not finite.
    """
    names = [list(one) for one in unread]
    flat = torch.stack([value.float() for one in unread for value in one.values()])
    numbers = iter(trainer.context.mean(flat).tolist())
    read = [{name: next(numbers) for name in one} for one in names]
    # With a scaler a gradient may overflow now and then: that step is left out, and the scale is lowered.
    checked = [
        value
        for one in read
        for name, value in one.items()
        if name != "norm" or not trainer.scaler.is_enabled()
    ]
    if not all(map(math.isfinite, checked)):
        raise TrainingError(
            f"the losses are not finite by step {trainer.steps_done}: resume the last save at a lower rate"
        )
    return [{name: value for name, value in one.items() if math.isfinite(value)} for one in read]


def _means(lines: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each value over the steps that have it."""
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: round(float(np.mean([line[name] for line in lines if name in line])), 5) for name in names}
