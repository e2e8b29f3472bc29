"""Gaussian blur of planes."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def blurred(image: Tensor, sigma: float) -> Tensor:
    """(C, H, W) through a Gaussian of that many pixels, the edge repeated beyond the edge."""
    reach = math.ceil(2.5 * sigma)
    steps = torch.arange(-reach, reach + 1, dtype=image.dtype)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).expand(image.shape[0], 1, -1)
    across = F.conv2d(
        F.pad(image[None], (reach, reach, 0, 0), mode="replicate"),
        weights[:, :, None],
        groups=image.shape[0],
    )
    down = F.conv2d(
        F.pad(across, (0, 0, reach, reach), mode="replicate"), weights[:, :, :, None], groups=image.shape[0]
    )
    return down[0]
