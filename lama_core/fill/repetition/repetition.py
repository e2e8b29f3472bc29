"""What repeats around a hole, and so what is in it: pieces of the picture, and what they agree on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import dilate, gaussian_blur
from lama_core.fill.common.matches import ScaledMatches
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.scale import Pieces, Scale
from lama_core.fill.repetition.alignment import align_steps
from lama_core.fill.repetition.detection import Steps, detect_steps
from lama_core.fill.repetition.warp import warped
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats
from lama_core.model.prefill import harmonic_fill

AROUND = 4.0
"""Standard deviation of the Gaussian over which pieces are compared with what is there, pixels of the
coarsest scale."""

MIN_SEEN = 0.02
"""Less of such a Gaussian's weight says nothing."""

FAINT = (3 / 255) ** 2
"""Squares of differences this small, of white, cannot be seen."""

UNLIKE, ALIKE = 0.5, 0.2
"""A piece whose squared differences from what is there are this share of those of two random places is not
used; below the second it is right."""

MIN_AGREEING = 2
"""So many pieces have to say what is at a place."""

MAX_COST = 1e5

COST = 0.25
"""What a piece costs a pixel: so much of its squared difference, of 255, summed over the colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """Pieces of the picture, each a step along a plane.

    Attributes:
        steps: K of them.
        tones: (K, 3, h, w) float32, by how much it is brighter in the hole than at each step, at the coarsest
            scale.
        costs: (K, h, w) float32, what a piece costs a pixel there; infinite where it does not fit.
        agreed: (3, h, w) float32, what the pieces agree on.
        sure: (h, w) float32, 0 to 1, how much they do; 0 outside of the hole.
    """

    steps: Steps
    tones: Tensor
    costs: Tensor
    agreed: Tensor
    sure: Tensor

    def some(self, numbers: Sequence[int]) -> Repetition:
        """With these pieces alone."""
        at = list(numbers)
        steps = Steps(vanishing=self.steps.vanishing, steps=self.steps.steps[at])
        return replace(self, steps=steps, tones=self.tones[at], costs=self.costs[at])

    def into(self, fill: Floats, coarsest: Scale) -> Floats:
        """A fill with what the pieces agree on in place of its own coarse structure.

        Args:
            fill: (3, H, W) float32.
            coarsest: its coarsest scale.
        """
        difference = ((self.agreed - coarsest.painted[0]) * self.sure)[None]
        large = F.interpolate(difference, fill.shape[1:], mode="bilinear", align_corners=False)
        changed: Floats = fill + large[0].numpy()
        return changed

    def pieces(self, scale: Scale) -> Pieces:
        """The pieces at a scale."""
        usable = ~scale.unknown & scale.allowed
        pictures, seen = warped(self.steps, scale.painted[0], scale.unknown, usable)
        tones = F.interpolate(self.tones, scale.unknown.shape, mode="bilinear", align_corners=False)
        near = dilate(scale.unknown, 2)
        pictures += tones * near
        costs = F.interpolate(
            self.costs[None].clamp(max=MAX_COST), scale.unknown.shape, mode="bilinear", align_corners=False
        )[0]
        costs[costs > MAX_COST / 2] = torch.inf
        costs[:, ~scale.unknown] = 0
        return Pieces(pictures=pictures.clamp_(0, 1), seen=seen, costs=costs)


def find_repetition(scales: Sequence[Scale], matches: ScaledMatches, progress: Progress) -> Repetition | None:
    """Look for what repeats around the hole.

    Args:
        scales: of the picture, the finest first.
        matches: where it looks like itself.
        progress: asked between steps whether to go on.

    Returns:
        None where nothing does.
    """
    scale = scales[matches.level]
    steps = detect_steps(matches.fine, scale.painted[0])
    progress.check()
    if steps is None:
        return None
    known = (~dilate(scale.unknown, 1) & scale.allowed).numpy()
    hole = bounding_slices(scale.unknown.numpy(), 0)
    near = np.zeros_like(known)
    near[bounding_slices(scale.unknown.numpy(), max(side.stop - side.start for side in hole))] = True
    steps = align_steps(steps, scale.painted[0], known, near)
    if steps is None:
        return None
    progress.check()
    return _compared(steps, scales[-1])


def _compared(steps: Steps, scale: Scale) -> Repetition | None:
    """How well each step holds around the hole, and what is in the hole by all that do."""
    known = ~scale.unknown
    image = scale.painted[0]
    everywhere = torch.ones_like(scale.unknown)
    pictures, seen = warped(steps, image, everywhere, known & scale.allowed)
    both = (known & seen)[:, None].float()
    share = gaussian_blur(both[:, 0], AROUND, "constant")[:, None]
    unseen = (share < MIN_SEEN).float()
    difference = (image - pictures) * both
    tones = _spread(_blurred(difference) / share.clamp(min=MIN_SEEN), unseen)
    errors = (difference - tones).square().sum(dim=1, keepdim=True) * both
    errors = _spread(_blurred(errors) / share.clamp(min=MIN_SEEN), unseen)[:, 0]
    weight = known[None].float()
    there = gaussian_blur(weight, AROUND, "constant").clamp(min=MIN_SEEN)
    mean = gaussian_blur(image * weight, AROUND, "constant") / there
    variance = gaussian_blur(image.square() * weight, AROUND, "constant") / there - mean.square()
    contrast = _spread(variance.sum(dim=0)[None, None], (there < 2 * MIN_SEEN)[None].float())[0, 0]
    unlike = errors / (2 * contrast + 3 * FAINT)
    fits = seen & (unlike < UNLIKE)
    if not (fits & scale.unknown).any():
        return None
    shown = torch.where(fits[:, None], pictures + tones, torch.nan)
    agreed = shown.nanmedian(dim=0).values
    spread = (shown - agreed).square().sum(dim=1).nanmedian(dim=0).values
    apart = spread / (2 * contrast + 3 * FAINT)
    best = torch.where(fits, unlike, 1.0).amin(dim=0)
    sure = _falling(torch.maximum(best, apart.nan_to_num(1.0)))
    sure *= (fits.sum(dim=0) >= MIN_AGREEING) & scale.unknown
    costs = torch.where(fits, errors * (COST * 255**2), torch.inf)
    agreed = torch.where(fits.any(dim=0), agreed, image)
    return Repetition(steps=steps, tones=tones, costs=costs, agreed=agreed, sure=sure)


def _falling(unlike: Tensor) -> Tensor:
    return ((UNLIKE - unlike) / (UNLIKE - ALIKE)).clamp(0, 1)


def _blurred(several: Tensor) -> Tensor:
    """(K, C, h, w) to the same."""
    return gaussian_blur(several.flatten(0, 1), AROUND, "constant").view_as(several)


def _spread(several: Tensor, unseen: Tensor) -> Tensor:
    """(K, C, h, w), smooth where nothing was seen."""
    return harmonic_fill(several, unseen)
