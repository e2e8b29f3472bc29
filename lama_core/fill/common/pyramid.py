"""A window and its hole at half their size, so that nothing of what is in the hole gets into the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.model.prefill import downsample2


def downsample_mask(hole: Tensor) -> Tensor:
    """A hole at half its size, rounded up: each coarse pixel the largest of its pixels.

    One pixel of a hole makes a coarse pixel one, so that no mean of the hole's colour counts as known.

    Args:
        hole: (B, C, H, W) float.

    Returns:
        (B, C, ceil(H/2), ceil(W/2)).
    """
    return F.max_pool2d(hole, 2, ceil_mode=True)


def downsample_window(image: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
    """A window at half its size, rounded up.

    Args:
        image: (B, C, H, W) float.
        hole: (B, 1, H, W) float, 1 in the hole, 0 in the known region.

    Returns:
        The same of (ceil(H/2), ceil(W/2)); the image is 0 in the hole.
    """
    coarse_hole = downsample_mask(hole)
    coarse = downsample2(image)
    return torch.where(coarse_hole > 0, torch.zeros_like(coarse[:, :, :1, :1]), coarse), coarse_hole
