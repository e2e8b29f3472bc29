"""The settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lama_core.model import GeneratorConfig

ConfigName = Literal["compact", "lama-fourier", "big-lama"]

DEFAULT_STEPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """What a run needs to know beside its photos. It is kept with the run, for resuming."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig.compact)
    steps: int = DEFAULT_STEPS
    """Steps in all; the learning rate falls along a cosine to a fiftieth of itself at the last one."""
    sizes: tuple[int, ...] = (64, 128, 256)
    """Sides of the crops, pixels; each step draws one of them, so that holes of all sizes are learnt."""
    step_pixels: int = 64 * 1024
    """Pixels a step: small crops come in larger batches, so every step costs the same."""
    rate: float = 1e-3
    """Adam's learning rate at its highest, after `warmup` steps of linear rise."""
    warmup: int = 200
    weight_decay: float = 0.0
    """Above 0 the optimizer is AdamW."""
    clip: float = 1.0
    """Gradients are scaled down to this norm."""
    ema: float = 0.999
    """Share of the averaged weights that one step keeps."""
    hole_l1: float = 10.0
    """Weight of the mean absolute difference in the hole."""
    known_l1: float = 0.0
    """The same on known pixels. The paper's is 10; a residual generator is given them and needs none."""
    perceptual: float = 0.02
    """Weight of the high receptive field perceptual loss."""
    seed: int = 0

    @classmethod
    def named(cls, name: ConfigName, *, steps: int | None = None) -> TrainingConfig:
        """The settings for a model of ours.

        The paper's generators see no hint of the hole's colours and must learn to copy what is known, so
        known pixels count for them.
        """
        steps = DEFAULT_STEPS if steps is None else steps
        if name == "compact":
            return cls(generator=GeneratorConfig.compact(), steps=steps)
        generator = GeneratorConfig.lama_fourier() if name == "lama-fourier" else GeneratorConfig.big_lama()
        return cls(generator=generator, steps=steps, sizes=(256,), step_pixels=30 * 256**2, known_l1=10.0)
