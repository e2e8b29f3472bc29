"""Fusing two fills, place by place: what the network drew, and what patches of the picture made.

The paper has a network of its own choose. Here two things are measured that tell a bad choice by themselves:
where the network drew as much detail as patches bring, its own is kept, for it is no copy of anything; and
where patches have other colours than the network asked for, another hue above all, they found nothing that
belongs there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lama_core.fill.common.filters import gaussian_blur
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats, Mask

DETAIL = 2.0
AROUND = 8.0
"""Standard deviations, pixels: detail is what a Gaussian of the first removes, and a Gaussian of the second
averages it."""

SOFT_EDGE = 0.2
SOFT_INSIDE = 0.8
"""A prediction with all of the patches' detail is kept, one with this share of it or less is not: at the
hole's edge, where a network knows most, and deep in it."""

EDGE = 8.0
"""Width of the zone at the hole's edge, pixels."""

FAINT = 0.008
"""Difference of light, 0 to 1, below which detail cannot be seen."""

TOLERANCE = 0.05
"""Difference of the smoothed colours, of 1, up to which patches are what was asked for; at twice as much
they are not."""

HUE_TOLERANCE = 0.03
HUE_AROUND = 4.0
"""The same for what remains of that difference without its change of light, and nearer around each place.
Light may differ more: a network that does not know where an edge is draws a slope, where patches have it."""

SOFTNESS = 4.0
"""Standard deviation of the transition from one fill to the other, pixels."""

SEEN = 64
"""Margin around the hole that the filters above see, pixels."""


def fuse(prediction: Floats, patched: Floats, colour: Floats, unknown: Mask) -> Floats:
    """Take the better of two fills at each place.

    Args:
        prediction: (3, H, W) float32, what the network drew.
        patched: (3, H, W) float32, made of patches; the colours outside of the hole.
        colour: (3, H, W) float32 in 0..1.
        unknown: (H, W), True in the hole.

    Returns:
        (3, H, W) float32.
    """
    chosen: Floats = prediction.copy()
    part = (..., *bounding_slices(unknown, SEEN))
    hole, drawn, made, known = (torch.from_numpy(x[part]) for x in (unknown, prediction, patched, colour))
    shown = torch.where(hole, drawn.clamp(0, 1), known)
    sharpness = (_detail(shown) + FAINT) / (_detail(made) + FAINT)
    inside = gaussian_blur(hole[None].float(), EDGE).mul_(2).sub_(1).clamp_(0, 1)  # 0 at an edge
    enough = SOFT_EDGE + (SOFT_INSIDE - SOFT_EDGE) * inside
    soft = ((1 - sharpness) / (1 - enough)).clamp_(0, 1)
    other = gaussian_blur(made - shown, AROUND)
    asked_for = (2 - _largest(other) / TOLERANCE).clamp_(0, 1)
    hue = gaussian_blur(made - shown, HUE_AROUND)
    hue -= hue.mean(dim=0, keepdim=True)
    asked_for *= (2 - _largest(hue) / HUE_TOLERANCE).clamp_(0, 1)
    share = gaussian_blur(soft * asked_for, SOFTNESS)
    chosen[part] = torch.lerp(drawn, made, share).numpy()
    return chosen


def _largest(difference: Tensor) -> Tensor:
    """(3, H, W) to (1, H, W): that of the channel that differs most."""
    return difference.abs().amax(dim=0, keepdim=True)


def _detail(image: Tensor) -> Tensor:
    """(3, H, W) to (1, H, W): how much there is around each place that is small."""
    return gaussian_blur((image - gaussian_blur(image, DETAIL)).abs().mean(dim=0, keepdim=True), AROUND)
