"""What a prediction is judged by while training."""

from __future__ import annotations

import torch
from torch import Tensor

from lama_core.evaluation.perceptual import PerceptualNetwork


def region_l1(prediction: Tensor, image: Tensor, region: Tensor) -> Tensor:
    """Mean absolute difference over a region.

    Args:
        prediction: (B, C, H, W).
        image: (B, C, H, W).
        region: (B, 1, H, W), the weight of each pixel, 0..1.

    Returns:
        Scalar; 0 where the region is empty.
    """
    total = (prediction - image).abs().mul(region).sum()
    return total / (region.sum() * prediction.shape[1]).clamp(min=1)


def perceptual_loss(network: PerceptualNetwork, prediction: Tensor, image: Tensor) -> Tensor:
    """High receptive field perceptual loss (paper, equation 3).

    The mean over layers of the mean over a layer of the squared difference of features.

    Args:
        network: gives the features.
        prediction: (B, 3, H, W) in 0..1.
        image: (B, 3, H, W) in 0..1.

    Returns:
        Scalar.
    """
    with torch.no_grad():
        wanted = network(image)
    layers = [(have - want).square().mean() for have, want in zip(network(prediction), wanted, strict=True)]
    return torch.stack(layers).mean()
