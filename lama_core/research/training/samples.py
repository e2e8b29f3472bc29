"""Sample sheets: what the model of a run makes of the same few holes, save after save."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lama_core.research.training.data import Photos, make_batch
from lama_core.research.training.trainer import Trainer

ROWS = 6
SIDE = 256
HOLE_COLOUR = (236, 0, 140)
STEP = 1 << 40
"""No run gets there, so the samples are none of its batches."""


def draw_samples(trainer: Trainer, photos: Photos, path: Path) -> None:
    """Draw a sheet with a row for each sample: the hole, the averaged model's fill, the photo.

    Args:
        trainer: whose averaged model fills.
        photos: from which the samples are cut, always the same ones.
        path: of the picture, a JPEG.
    """
    config = replace(trainer.config, sizes=(SIDE,), step_pixels=ROWS * SIDE**2, colour=0.0)
    batch = make_batch(photos, STEP, config)
    image = batch.image.to(trainer.device).float() / 255
    hole = batch.hole.to(trainer.device).float()
    with torch.no_grad():
        filled = image + hole * (trainer.ema(image, hole).clamp(0, 1) - image)
    marked = torch.where(
        batch.hole.bool(), torch.tensor(HOLE_COLOUR, dtype=torch.uint8).view(1, 3, 1, 1), batch.image
    )
    columns = torch.stack([marked, (filled * 255).round().to("cpu", torch.uint8), batch.image])
    # (3, ROWS, C, SIDE, SIDE) to the rows and columns of one picture.
    sheet = columns.permute(1, 3, 0, 4, 2).reshape(ROWS * SIDE, 3 * SIDE, 3)
    Image.fromarray(np.ascontiguousarray(sheet.numpy())).save(path, quality=90)
