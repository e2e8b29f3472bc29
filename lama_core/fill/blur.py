"""Gaussian blur of planes."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64
"""Pixels that are made at a time by one product of matrices, in either direction."""


def blurred(image: Tensor, sigma: float) -> Tensor:
    """(C, H, W) float32 through a Gaussian of that many pixels, the edge repeated beyond the edge.

    A line of pixels is a product of a band matrix with what is around it, which is several times as fast as
    a convolution of so few channels.
    """
    height, width = image.shape[1:]
    reach = math.ceil(2.5 * sigma)
    band = _band(reach, sigma)
    size = band.shape[0]
    room = (reach, reach + -width % BLOCK, reach, reach + -height % BLOCK)
    padded = F.pad(image[None], room, mode="replicate")[0]
    across = torch.matmul(padded.unfold(2, size, BLOCK).contiguous(), band).flatten(2)
    blocks = across.unfold(1, size, BLOCK).transpose(2, 3)  # (C, blocks, size, W and more), a view
    down = torch.stack([torch.matmul(band.T, plane) for plane in blocks])
    return down.flatten(1, 2)[:, :height, :width]


@functools.lru_cache(maxsize=16)
def _band(reach: int, sigma: float) -> Tensor:
    """(BLOCK + 2 * reach, BLOCK): what each of a block's pixels gets of those in it and around it."""
    steps = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    band = torch.zeros(BLOCK + 2 * reach, BLOCK)
    for pixel in range(BLOCK):
        band[pixel : pixel + len(weights), pixel] = weights
    return band
