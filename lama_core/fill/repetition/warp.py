"""The picture after steps along a plane, resampled."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import dilate
from lama_core.fill.repetition.detection import Steps
from lama_core.fill.repetition.plane import Frame, translated
from lama_core.image.mask_ops import bounding_slices

REACH = 2
"""Cubic interpolation looks at so many pixels around, which all have to be there to use."""

BESIDE = 4
"""Pictures are made so far around the hole, pixels."""


def warped(steps: Steps, image: Tensor, unknown: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """What is seen at each step from the hole's pixels and from those beside them.

    Args:
        steps: K of them.
        image: (3, H, W) float32 in 0..1.
        unknown: (H, W) bool, the hole.
        usable: (H, W) bool, what may be shown.

    Returns:
        (K, 3, H, W) float32 in 0..1, the image itself away from the hole; and (K, H, W) bool, where there is
        something to show.
    """
    height, width = unknown.shape
    frame = Frame(height=height, width=width)
    part = bounding_slices(unknown.numpy(), BESIDE)
    rows, columns = (
        slice(axis.start, min(axis.stop, size)) for axis, size in zip(part, unknown.shape, strict=True)
    )
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    pixels = np.argwhere(np.ones(shape, np.bool_)) + np.array((rows.start, columns.start))
    places = frame.places(pixels)
    whole = ~dilate(~usable, REACH)
    pictures = image.repeat(len(steps.steps), 1, 1, 1)
    seen = torch.zeros(len(steps.steps), height, width, dtype=torch.bool)
    for number, step in enumerate(steps.steps):
        found = frame.pixels(translated(places, steps.vanishing, step))
        there = frame.holds(found)
        row, column = found[there].round().astype(np.intp).T
        there[there] = whole.numpy()[row, column]
        across = (2 * found[:, ::-1] + 1) / (width, height) - 1
        grid = torch.from_numpy(across.astype(np.float32).reshape(1, *shape, 2))
        shown = F.grid_sample(image[None], grid, mode="bicubic", padding_mode="border", align_corners=False)
        pictures[number][:, rows, columns] = shown[0].clamp(0, 1)
        seen[number][rows, columns] = torch.from_numpy(there.reshape(shape))
    return pictures, seen
