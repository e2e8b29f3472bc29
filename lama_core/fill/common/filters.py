"""Filters of planes on torch tensors: Gaussians and other weights, box_sum of boxes, dilation."""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64
"""Pixels that are made at a time by one product of matrices, of small planes fewer."""

Edge = Literal["replicate", "constant"]
"""What is beyond the edge: the edge, or nothing."""


def gaussian_blur(image: Tensor, sigma: float, edge: Edge = "replicate") -> Tensor:
    """(C, H, W) float32 through a Gaussian of that many pixels."""
    reach = math.ceil(2.5 * sigma)
    weights = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(-reach, reach + 1)]
    total = sum(weights)
    return separable_filter(image, tuple(weight / total for weight in weights), edge)


def separable_filter(image: Tensor, weights: tuple[float, ...], edge: Edge = "replicate") -> Tensor:
    """(C, H, W) float32 to the same: each pixel the weighted sum of those around it, in both directions.

    A line of pixels is a product of a band matrix with what is around it, which is several times as fast as
    a convolution of so few channels.

    Args:
        image: (C, H, W).
        weights: an odd number of them, the same for rows and columns; the one in the middle is the pixel's.
        edge: what is beyond it.
    """
    reach = len(weights) // 2
    for _ in range(2):  # along the lines, and along those of the transposed
        width = image.shape[2]
        block = min(BLOCK, -(-width // 8) * 8)
        band = _band(weights, block)
        padded = F.pad(image[None], (reach, reach + -width % block, 0, 0), mode=edge)[0]
        lines = torch.matmul(padded.unfold(2, band.shape[0], block).contiguous(), band).flatten(2)
        image = lines[:, :, :width].transpose(1, 2)
    return image.contiguous()


def box_sum(values: Tensor, side: int, axis: int) -> Tensor:
    """The box_sum of `side` neighbours along an axis, which gets shorter by `side` - 1."""
    length = values.shape[axis] - side + 1
    total = values.narrow(axis, 0, length) + values.narrow(axis, 1, length)
    for shift in range(2, side):
        total += values.narrow(axis, shift, length)
    return total


def dilate(mask: Tensor, reach: int) -> Tensor:
    """(H, W) bool to the same: where there is something within a square that reaches so far."""
    padded = F.pad(mask, (reach, reach, reach, reach))
    for axis, length in enumerate(mask.shape):
        near = padded.narrow(axis, 0, length).clone()
        for shift in range(1, 2 * reach + 1):
            near |= padded.narrow(axis, shift, length)
        padded = near
    return padded


@functools.lru_cache(maxsize=16)
def _band(weights: tuple[float, ...], block: int) -> Tensor:
    """(block + a weight less, block): what each of a block's pixels gets of those in it and around it."""
    band = torch.zeros(block + len(weights) - 1, block)
    for pixel in range(block):
        band[pixel : pixel + len(weights), pixel] = torch.tensor(weights)
    return band
