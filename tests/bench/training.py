"""A step of training with all losses: what the layout of maps and the precision bring on this CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from lama_core.model import GeneratorConfig
from lama_core.research.training.config import TrainingConfig
from lama_core.research.training.data import Batch
from lama_core.research.training.trainer import Trainer, has_bfloat16_instructions
from tests.bench.report import Section
from tests.bench.timing import interleaved

CROPS = {128: 8, 192: 4, 256: 2}
"""Crops of a step by their side: about as many pixels each."""
ROUNDS = 5


def main() -> Section:
    """Time steps of one trainer for each way, interleaved."""
    section = Section(
        title="Training",
        note="Crops a second of the compact generator with all losses but the gradient penalty. The base is "
        "single precision with contiguous maps; the default is channels-last maps, and bfloat16 where the "
        f"CPU has instructions for it (this one {'has' if has_bfloat16_instructions() else 'has not'}).",
        columns=("crops", "way", "crops/s", "ratio"),
    )
    for side, crops in CROPS.items():
        config = replace(
            TrainingConfig.named("compact", steps=1000),
            generator=GeneratorConfig.compact(),
            adversarial_from=0,
            r1=0.0,
        )
        ways = {
            "base": Trainer(replace(config, precision="float32"), channels_last=False),
            "channels-last": Trainer(replace(config, precision="float32"), channels_last=True),
            "default": Trainer(config),
        }
        batch = random_batch(side, crops)
        times = interleaved(
            {name: _stepping(trainer, batch) for name, trainer in ways.items()}, rounds=ROUNDS
        )
        for name, seconds in times.items():
            section.row(side, name, crops / seconds, times["base"] / seconds)
    return section


def random_batch(side: int, crops: int) -> Batch:
    """Noise with a square hole."""
    torch.manual_seed(0)
    hole = torch.zeros(crops, 1, side, side, dtype=torch.uint8)
    hole[..., side // 4 : side // 2, side // 4 : side // 2] = 1
    return Batch(image=torch.randint(0, 256, (crops, 3, side, side), dtype=torch.uint8), hole=hole)


def _stepping(trainer: Trainer, batch: Batch) -> Callable[[], None]:
    def step() -> None:
        trainer.step(batch)

    return step
