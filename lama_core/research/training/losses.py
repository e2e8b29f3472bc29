"""What a prediction is judged by while training (paper, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


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


def feature_difference(have: Sequence[Tensor], want: Sequence[Tensor]) -> Tensor:
    """The mean over layers of the mean over a layer of the squared difference of features.

    With a dilated segmentation network's features it is the high receptive field perceptual loss (paper,
    equation 3), with the discriminator's it is feature matching.

    Args:
        have: the layers of the prediction, (B, C_i, H_i, W_i) each.
        want: the layers of the photo, of the same shapes.

    Returns:
        Scalar.
    """
    layers = [(a.float() - b.float()).square().mean() for a, b in zip(have, want, strict=True)]
    return torch.stack(layers).mean()


def touched_patches(hole: Tensor, rows: int, columns: int) -> Tensor:
    """Which patches of the discriminator's grid the hole touches.

    Args:
        hole: (B, 1, H, W), above 0 in the hole.
        rows: of the grid.
        columns: of the grid.

    Returns:
        (B, 1, rows, columns) float: 1 where any pixel of the patch's cell is in the hole, else 0.
    """
    return (F.adaptive_max_pool2d(hole.float(), (rows, columns)) > 0).float()


def generator_adversarial_loss(scores: Tensor) -> Tensor:
    """Non-saturating loss of the generator (paper, equation 5): -log D over all patches of the fill.

    Args:
        scores: (B, 1, h, w), the discriminator's logits for the fill: positive means real.

    Returns:
        Scalar.
    """
    return F.softplus(-scores.float()).mean()


def discriminator_loss(real: Tensor, fake: Tensor, touched: Tensor) -> Tensor:
    """The discriminator's loss (paper, equation 4).

    Patches of the fill are fake only where they touch the hole; those beside it are real pixels, and are
    taught as such.

    Args:
        real: (B, 1, h, w), logits for the photo.
        fake: (B, 1, h, w), logits for the fill.
        touched: (B, 1, h, w), 1 where a patch touches the hole, else 0.

    Returns:
        Scalar.
    """
    real, fake = real.float(), fake.float()
    of_fill = touched * F.softplus(fake) + (1 - touched) * F.softplus(-fake)
    return (F.softplus(-real) + of_fill).mean()


def gradient_penalty(scores: Tensor, image: Tensor) -> Tensor:
    """R1 (Mescheder et al., 2018): the squared norm of the gradient of the scores' sum by the photo.

    Args:
        scores: (B, 1, h, w), logits for the photo, computed from `image`.
        image: (B, C, H, W), which requires a gradient.

    Returns:
        Scalar, the mean over the batch; it can be differentiated further.
    """
    (gradient,) = torch.autograd.grad(scores.float().sum(), image, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()
