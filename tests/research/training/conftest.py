from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lama_core.model import GeneratorConfig
from lama_core.research.training.config import TrainingConfig


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    # Sums must not depend on how many cores the machine has.
    torch.set_num_threads(1)


@pytest.fixture
def photos_folder(tmp_path: Path) -> Path:
    """Three pictures with smooth colours and edges, of different sizes and formats."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    y, x = np.mgrid[0:96, 0:128]
    stripes = np.stack([x * 2, y * 2, (x // 16 + y // 16) % 2 * 200], axis=2).astype(np.uint8)
    Image.fromarray(stripes).save(folder / "stripes.png")
    Image.fromarray(stripes[::-1]).save(folder / "more" / "upside.webp", lossless=True)
    Image.fromarray(stripes[:, :, 0]).save(folder / "gray.jpg")
    return folder


@pytest.fixture
def tiny() -> TrainingConfig:
    return TrainingConfig(
        generator=GeneratorConfig(width=8, blocks=1, output="residual"),
        steps=8,
        sizes=(32, 48),
        step_pixels=2 * 48**2,
        warmup=2,
    )


@pytest.fixture
def adversarial(tiny: TrainingConfig) -> TrainingConfig:
    """With every loss, the adversary from the third step on."""
    return dataclasses.replace(
        tiny,
        holes=("thick", "object", "box"),
        colour=0.1,
        feature_distance=1.0,
        adversarial=1.0,
        feature_matching=10.0,
        r1_every=2,
        adversarial_from=2,
        discriminator_width=4,
    )
