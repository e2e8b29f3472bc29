"""Models for the benches: of the right shape, with random weights. What weights say changes no time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors

CONFIGS = {"big-lama": GeneratorConfig.big_lama(), "compact": GeneratorConfig.compact()}


def random_generator(config: GeneratorConfig) -> Generator:
    """A generator whose values stay in a sensible range from the first layer to the last.

    BatchNorm's statistics are those of a picture that goes through it, as training would have made them.
    """
    torch.manual_seed(0)
    generator = Generator(config)
    nn.init.normal_(generator.head.weight, std=0.02)
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean of all that it sees
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
    with torch.no_grad():
        generator.train()(*picture(256, 256))
    return generator.eval()


def picture(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth colourful picture and a hole of a ninth of it: (1, 3, H, W) and (1, 1, H, W) float32."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, 17, 17, generator=generator)
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    hole = torch.zeros(1, 1, height, width)
    hole[:, :, height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    return image.clamp(0, 1), hole


def photo(height: int, width: int) -> np.ndarray:
    """The same as a picture file has it, a little grainy: (H, W, 3) uint8."""
    image = picture(height, width)[0][0].permute(1, 2, 0).numpy()
    grain = np.random.default_rng(0).normal(0, 2, image.shape)
    return (image * 255 + grain).clip(0, 255).astype(np.uint8)


def install(folder: Path) -> None:
    """Put a model of random weights for each of `CONFIGS` into a data folder, as installing does."""
    models = folder / "models"
    models.mkdir(parents=True)
    for name, config in CONFIGS.items():
        metadata = {"name": f"random-{name}"}
        write_safetensors(random_generator(config), models / f"random-{name}.safetensors", metadata=metadata)
