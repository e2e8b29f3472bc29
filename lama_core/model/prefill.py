"""A smooth fill without a network: the push-pull pyramid.

Known pixels are averaged down a pyramid until every hole is closed, and the coarse colours are
interpolated back up into the holes (Gortler et al., 1996, "The Lumigraph", section 4.4.3). Compact models
start from it, and `lama-fill eval` shows it as the least that a model has to beat.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def push_pull(image: Tensor, hole: Tensor) -> Tensor:
    """Fill the hole smoothly from its surroundings.

    Args:
        image: (B, 3, H, W) float; the hole's values are not looked at.
        hole: (B, 1, H, W) float, 1 in the hole, 0 in the known region; values between blend.

    Returns:
        (B, 3, H, W): the image where it is known, smooth colours in the hole; 0.5 all over where nothing is
        known.
    """
    known = 1 - hole
    premultiplied = torch.where(known > 0, image, torch.zeros_like(image)) * known
    pyramid = [(premultiplied, known)]
    while max(premultiplied.shape[-2:]) > 1:
        premultiplied, known = _halve(premultiplied), _halve(known)
        pyramid.append((premultiplied, known))

    fill = torch.full_like(pyramid[-1][0], 0.5)
    for premultiplied, known in reversed(pyramid):
        if fill.shape[-2:] != premultiplied.shape[-2:]:
            fill = F.interpolate(fill, premultiplied.shape[-2:], mode="bilinear", align_corners=False)
        # Above the finest level a cell with anything known in it is taken as known: its average is of known
        # pixels alone, and nearer than whatever the coarser level has.
        colour = premultiplied / known.clamp(min=1e-6)
        weight = known if premultiplied is pyramid[0][0] else (known * 4).clamp(max=1)
        fill = fill + weight * (colour - fill)
    return fill


def _halve(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, ceil(H/2), ceil(W/2)) by means of 2x2 pixels, fewer at an odd edge."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
