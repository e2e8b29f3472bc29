"""How much of the picture's detail a painter has: networks draw softly what they do not know."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import dilate, gaussian_blur
from lama_core.fill.common.scale import Scale
from lama_core.model.prefill import downsample2, harmonic_fill

#: Differences of light, 0 to 1, below which detail cannot be seen.
FAINT = 0.002

#: So near to the hole, in pixels of each scale, what is in it is seen too.
BLIND = 3

#: Detail is looked at around each place, pixels of the coarsest scale.
AROUND = 7.0


def lacking_detail(scales: Sequence[Scale]) -> Tensor:
    """Of the octave in which a painter lacks most the share that is not there.

    Args:
        scales: the finest first, each half the size of the one before.

    Returns:
        (N, H, W) of the coarsest scale, 0 to 1: 0 with as much detail as the known region around the hole
        has.
    """
    coarsest = scales[-1]
    least = torch.ones_like(coarsest.painted[:, 0])
    for level, scale in enumerate(scales[:-1] or scales):
        known = (~dilate(scale.unknown, BLIND))[None, None].float()
        detail = _octave(scale.painted)
        seen = torch.cat((detail, detail[:1] * known, known))
        for _ in range(len(scales) - 1 - level):
            seen = downsample2(seen)
        *painted, around, share = seen[:, 0]
        unseen = (share[None, None] == 0).float()
        there = harmonic_fill((around / share.clamp(min=1e-3))[None, None], unseen)
        wanted = gaussian_blur(there[0], AROUND)[0]
        found = gaussian_blur(torch.stack(painted), AROUND)
        least = torch.minimum(least, (found + FAINT) / (wanted + FAINT))
    return 1 - least


def _octave(images: Tensor) -> Tensor:
    """(N, 3, H, W) to (N, 1, H, W): how much there is that half the size does not show."""
    coarse = F.interpolate(downsample2(images), images.shape[2:], mode="bilinear", align_corners=False)
    return (images - coarse).abs_().mean(dim=1, keepdim=True)
