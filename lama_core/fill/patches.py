"""A fill that is made of the picture itself, guided by what the network predicts.

Networks see what belongs into a hole and draw it softly; patches of the picture have all of its detail and
grain and no idea where they belong. So the prediction decides the structure, and patches that look like it at
every scale bring the detail (Zhang et al., 2022, "Inpainting at Modern Camera Resolution by Guided PatchMatch
with Auto-Curation"; their curation is a network that was trained for it, `lama_core.fill.fusion` measures).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lama_core.fill.common.filters import dilate, gaussian_blur
from lama_core.fill.common.patch_search import MAX_EXHAUSTIVE_SOURCES, PatchMatcher
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.pyramid import downsample_mask
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import downsample2, harmonic_fill

MAX_COARSEST_HOLE = 1500
"""At the coarsest scale the hole has at most this many pixels ..."""
MIN_COARSEST_SIDE = 64
"""... or the picture's shorter side is less than this, pixels."""
MIN_SIDE = 32
"""Sides of a picture with patches to choose from, pixels."""
MIN_SOURCES = 200
"""With fewer patches than this to choose from there is no search."""

ROUNDS = (8, 4, 2)
"""Rounds of search and vote at the coarsest scale, at the next, at all finer ones."""

MAX_FIRST_HOLE = 16 * MAX_COARSEST_HOLE
"""A search does not begin at a scale where the hole has more pixels than this: the known region is then too
small or too narrow for coarser scales."""

SURROUNDINGS = 320
"""Patches come from this far around the hole, pixels."""

BYTES = 320
"""What a search takes for each pixel, bytes: descriptors, and what they are made of."""

MAX_SEARCHED_HOLE = 200_000
"""Where the hole has more pixels than this, patches that were found at half the size are taken as they
are."""

GUIDE_BLUR = 8.0
"""The guide is the prediction without what is smaller than this, pixels."""


def patch_fill(
    colour: Floats,
    unknown: Mask,
    prediction: Floats,
    *,
    source: Mask | None = None,
    seed: int,
    memory: int,
    progress: Progress,
) -> Floats | None:
    """Fill the hole with patches of the known region.

    Args:
        colour: (3, H, W) float32 in 0..1.
        unknown: (H, W), True in the hole.
        prediction: (3, H, W) float32, what the hole should look like, if only roughly.
        source: (H, W), True where patches may be taken from; None: wherever the picture is known.
        seed: another one finds other patches.
        memory: bytes it may take; a scale that needs more is not searched.
        progress: reported to after each scale, asked between rounds whether to go on.

    Returns:
        (3, H, W) float32, the colours outside of the hole; None where too little is known for patches.

    Raises:
        FillCancelled: `progress` said so.
    """
    if min(unknown.shape) < MIN_SIDE:
        return None
    rng = torch.Generator().manual_seed(seed)
    rows, columns = bounding_slices(unknown, SURROUNDINGS)
    banned = np.zeros_like(unknown) if source is None else ~source
    if source is not None:
        rows, columns = (slice(0, size) for size in unknown.shape)
    scales = _pyramid(
        *(torch.from_numpy(x[..., rows, columns]) for x in (colour, unknown, prediction, banned))
    )
    done, work = 0.0, sum(4.0**-level for level in range(len(scales)))
    matcher: PatchMatcher | None = None
    nnf: Tensor | None = None
    costs: Tensor | None = None
    rounds = iter(ROUNDS)
    count = ROUNDS[-1]
    for level in reversed(range(len(scales))):
        progress.check()
        pixels = int(scales[level][1].sum())
        if matcher is None and pixels > MAX_FIRST_HOLE:
            return None
        searched = matcher is None or (
            pixels <= MAX_SEARCHED_HOLE and scales[level][1].numel() * BYTES <= memory
        )
        finer = PatchMatcher.of(*scales[level], searched=searched)
        if matcher is not None or len(finer.sources) >= MIN_SOURCES:
            count = next(rounds, count) if searched else 0
            nnf, costs = _search_and_vote(finer, matcher, nnf, count, rng, seed, progress)
            matcher = finer
        done += 4.0**-level
        progress.report(done / work)
    if matcher is None or nnf is None:
        return None
    filled: Floats = np.where(unknown, np.float32(0), colour)
    seen = unknown[rows, columns]
    filled[..., rows, columns] = _without_step(matcher, torch.from_numpy(seen), nnf, costs).numpy()
    return filled


def _search_and_vote(
    matcher: PatchMatcher,
    coarser: PatchMatcher | None,
    nnf: Tensor | None,
    rounds: int,
    rng: torch.Generator,
    seed: int,
    progress: Progress,
) -> tuple[Tensor, Tensor | None]:
    """Search and vote at one scale `rounds` times, or until nothing changes.

    Returns:
        The field and its costs; None for the costs where nothing is searched.
    """
    costs: Tensor | None = None
    among = matcher.sources
    if coarser is not None and nnf is not None:
        nnf = coarser.upsample_nnf(nnf, matcher, rng)
        matcher.vote(nnf, None)
    elif seed or len(among) > MAX_EXHAUSTIVE_SOURCES:
        # Another seed has another half of the patches to choose from, and so finds others.
        few = min(len(among) // 2 if seed else len(among), MAX_EXHAUSTIVE_SOURCES)
        among = among[torch.randperm(len(among), generator=rng)[:few]]
    for _ in range(rounds):
        progress.check()
        targets = matcher.target_descriptors()
        if coarser is None or nnf is None:
            found, costs = matcher.exhaustive_search(targets, among)
        else:
            found, costs = matcher.propagate_and_search(targets, nnf, rng)
        same = nnf is not None and torch.equal(found, nnf)
        nnf = found
        matcher.vote(nnf, costs)
        if same:
            break
        matcher.penalize_occurrence(nnf, costs)
    assert nnf is not None
    return nnf, costs


def _without_step(matcher: PatchMatcher, unknown: Tensor, nnf: Tensor, costs: Tensor | None) -> Tensor:
    """(3, H, W): the image without a step at the hole's edge, within the colours of what is known.

    A patch that touches the hole also votes for known pixels beside it. Its error there is its error at the
    hole's edge. Spread over the hole by a harmonic fill and subtracted, that error leaves no step, and the
    patches' detail stays: the seamless cloning of Pérez et al., 2003, "Poisson image editing".
    """
    near = dilate(unknown, 1)
    ring = (near & ~unknown).flatten()
    beside = ring.nonzero()[:, 0]
    flat = matcher.image.flatten(1)
    error = torch.zeros_like(flat)
    error[:, beside] = flat[:, beside] - matcher.voted(beside, nnf, costs).T
    part = (..., *bounding_slices(near.numpy(), 0))
    spread = harmonic_fill(
        error.view(1, *matcher.image.shape)[part], (~ring).view(1, 1, *near.shape)[part].float()
    )
    known = flat[:, ~unknown.flatten()]
    lowest, highest = (x[:, None, None] for x in (known.amin(dim=1), known.amax(dim=1)))
    joined = matcher.image.clone()
    changed = (joined[part] + spread[0]).clamp(lowest, highest)
    joined[part] = torch.where(unknown[part], changed, joined[part])
    return joined


def _pyramid(
    colour: Tensor, unknown: Tensor, prediction: Tensor, banned: Tensor
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """The picture with the prediction in it, the hole, the guide and what is no source, the finest first."""
    image = torch.where(unknown, prediction.clamp(0, 1), colour)
    scales = [(image, unknown, gaussian_blur(image, GUIDE_BLUR), banned)]
    while True:
        image, unknown, guide, banned = scales[-1]
        if int(unknown.sum()) <= MAX_COARSEST_HOLE or min(unknown.shape) < MIN_COARSEST_SIDE:
            return scales
        smaller, none = downsample_mask(torch.stack((unknown, banned)).float()[None])[0] > 0
        scales.append((downsample2(image[None])[0], smaller, downsample2(guide[None])[0], none))
