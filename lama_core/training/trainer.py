"""The training loop: one step is read from top to bottom in `Trainer.step`."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lama_core.errors import LamaFillError
from lama_core.evaluation.perceptual import PerceptualNetwork
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint.safetensors_file import write_safetensors
from lama_core.training.config import TrainingConfig
from lama_core.training.data import Batch, Photos, batches
from lama_core.training.losses import perceptual_loss, region_l1

GRID = 8
"""Pixels to a cell of the perceptual network's coarsest features."""


class TrainingError(LamaFillError):
    """A run cannot be started, or not be resumed."""


class Trainer:
    """A generator, its moving average, and what it takes to go on from any step.

    The average (EMA) is the model that is kept: it is what one would get by averaging the last thousand
    models, and its fills are steadier than those of any of them.
    """

    def __init__(self, config: TrainingConfig, *, device: str = "cpu") -> None:
        self.config = config
        self.device = torch.device(device)
        torch.manual_seed(config.seed)
        self.generator = Generator(config.generator).to(self.device).train()
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.perceptual = PerceptualNetwork.pretrained().to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.generator.parameters(), lr=config.rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
        )
        self.steps_done = 0

    def step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; returns the value of each loss.

        Raises:
            TrainingError: a loss or a gradient is not finite; the weights are as they were.
        """
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, self.steps_done)
        image, hole = batch.image.to(self.device), batch.hole.to(self.device)

        prediction = self.generator(image, hole)
        # The fill is what the user sees, so it is what must look right: known pixels come from the picture.
        filled = image + hole * (prediction - image)
        losses: dict[str, Tensor] = {"hole_l1": region_l1(prediction, image, hole)}
        if config.known_l1:
            losses["known_l1"] = region_l1(prediction, image, 1 - hole)
        if config.perceptual:
            # Generator and perceptual network both work on a grid of 8 pixels. Were the two always aligned, a
            # faint pattern with that period would pass for texture; so the pictures are cut anew each step.
            y, x = np.random.default_rng((config.seed, self.steps_done)).integers(0, GRID, 2)
            losses["perceptual"] = perceptual_loss(self.perceptual, filled[..., y:, x:], image[..., y:, x:])
        total = sum((getattr(config, name) * loss for name, loss in losses.items()), torch.zeros(()))

        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.generator.parameters(), config.clip)
        if not torch.isfinite(norm):
            raise TrainingError(
                f"the losses are not finite at step {self.steps_done}: resume the last save at a lower rate"
            )
        self.optimizer.step()
        self._update_average()
        self.steps_done += 1
        return {name: loss.item() for name, loss in losses.items()} | {"norm": norm.item()}

    def _update_average(self) -> None:
        # Early on the average must not remember the random start.
        keep = min(self.config.ema, (1 + self.steps_done) / (10 + self.steps_done))
        with torch.no_grad():
            mine = self.average.state_dict()
            for name, value in self.generator.state_dict().items():
                if value.is_floating_point():
                    mine[name].lerp_(value, 1 - keep)
                else:
                    mine[name].copy_(value)

    def run(
        self,
        photos: Photos,
        folder: Path,
        *,
        save_every: int = 500,
        on_step: Callable[[int, dict[str, float]], None] | None = None,
    ) -> None:
        """Train up to the last step, from wherever this trainer is.

        Args:
            photos: to learn from.
            folder: gets `last.pt` (to resume), `model.safetensors` (the average, half precision) and
                `log.jsonl` (a line for every ten steps).
            save_every: steps between two saves.
            on_step: called after every step with its number and its losses.
        """
        folder.mkdir(parents=True, exist_ok=True)
        config = self.config
        todo = range(self.steps_done, config.steps)
        started = time.monotonic()
        sums: dict[str, float] = {}
        with (folder / "log.jsonl").open("a") as log:
            for batch in batches(photos, todo, config):
                losses = self.step(batch)
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value / 10
                if self.steps_done % 10 == 0:
                    line = {"step": self.steps_done, "seconds": round(time.monotonic() - started, 1)}
                    log.write(
                        json.dumps(line | {name: round(value, 5) for name, value in sums.items()}) + "\n"
                    )
                    log.flush()
                    sums = {}
                if self.steps_done % save_every == 0 or self.steps_done == config.steps:
                    self.save(folder / "last.pt")
                    self.save_model(folder / "model.safetensors", photos=len(photos))
                if on_step is not None:
                    on_step(self.steps_done, losses)

    def save(self, path: Path) -> None:
        """Write everything that going on takes; the old file stays whole until the new one is."""
        state = {
            "config": asdict(self.config),
            "steps_done": self.steps_done,
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def save_model(self, path: Path, *, photos: int) -> None:
        """Write the averaged generator as a model that can be imported.

        Args:
            path: of the safetensors file.
            photos: how many the run learns from; the model's origin tells it.

        Raises:
            SaveError: the file cannot be written.
        """
        origin = f"lama-fill train: {self.steps_done} steps on {photos} photos"
        write_safetensors(self.average, path, metadata={"origin": origin}, dtype=torch.float16)

    @classmethod
    def resume(cls, path: Path, *, device: str = "cpu", steps: int | None = None) -> Trainer:
        """The trainer as it was saved.

        Args:
            path: a `last.pt`.
            device: where to go on.
            steps: a new number of steps in all.

        Raises:
            TrainingError: the file is not a saved run.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            settings = state["config"] | ({} if steps is None else {"steps": steps})
            settings["generator"] = GeneratorConfig(**settings["generator"])
            trainer = cls(TrainingConfig(**settings), device=device)
            trainer.generator.load_state_dict(state["generator"])
            trainer.average.load_state_dict(state["average"])
            trainer.optimizer.load_state_dict(state["optimizer"])
            trainer.steps_done = int(state["steps_done"])
        except Exception as error:  # a damaged file fails in torch in any way
            raise TrainingError(
                f"{path} is not a run that can be resumed: remove it to start anew"
            ) from error
        return trainer


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate of a step: a linear rise over the warm-up, then a cosine down to a fiftieth."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    progress = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
