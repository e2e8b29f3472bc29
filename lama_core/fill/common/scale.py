"""The picture, the hole and what others painted into it, at one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lama_core.fill.common.pyramid import downsample_mask
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import downsample2

#: Sides below this are not halved, pixels.
LEAST_SIDE = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """All that a montage is made of, at one scale.

    Attributes:
        painted: (N, 3, H, W) float32 in 0..1, the picture with each painter's fill in its hole.
        unknown: (H, W) bool, True in the hole.
        allowed: (H, W) bool, what may be copied.
    """

    painted: Tensor
    unknown: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, colour: Floats, unknown: Mask, painters: Sequence[Floats], source: Mask | None) -> Scale:
        """The finest; arguments as of `montage_fill`."""
        hole = torch.from_numpy(unknown)
        fills = torch.stack([torch.from_numpy(fill) for fill in painters]).clamp(0, 1)
        allowed = ~hole if source is None else torch.from_numpy(source) & ~hole
        return cls(painted=torch.where(hole, fills, torch.from_numpy(colour)), unknown=hole, allowed=allowed)

    def halved(self) -> Scale:
        """At half the size, rounded up; a pixel is allowed where all of its pixels are."""
        masks = torch.stack((self.unknown, ~self.allowed)).float()
        hole, banned = downsample_mask(masks[None])[0] > 0
        return Scale(painted=downsample2(self.painted), unknown=hole, allowed=~banned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The picture, moved and resampled in several ways, at one scale.

    Attributes:
        pictures: (M, 3, H, W) float32 in 0..1.
        seen: (M, H, W) bool, where each shows something.
        costs: (M, H, W) float32, what using one costs a pixel of the hole, 0 outside of it; infinite where it
            does not fit.
    """

    pictures: Tensor
    seen: Tensor
    costs: Tensor


def pyramid(finest: Scale, side: int) -> list[Scale]:
    """All scales, the finest first, until no side is longer than `side` or little is left."""
    scales = [finest]
    while max(scales[-1].unknown.shape) > side and min(scales[-1].unknown.shape) >= LEAST_SIDE:
        coarser = scales[-1].halved()
        if not coarser.allowed.any():
            break
        scales.append(coarser)
    return scales
