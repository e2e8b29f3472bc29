"""A fill that continues what the picture shows: a photomontage of the picture shifted in many ways.

Along a bench, a shoreline, a fence a picture looks like itself at few distances. Shifted by these it goes on
in its hole, in whole coherent pieces; minimum cuts decide where one piece ends and the next begins (He and
Sun, 2014, "Image Completion Approaches Using the Statistics of Similar Patches"). What the network and the
patches painted are pieces too, and the network's is the guide: nothing is copied that it did not ask for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lama_core.fill.common.matches import ScaledMatches, scaled_matches
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.scale import Pieces, Scale, pyramid
from lama_core.fill.montage.cut import Numbers
from lama_core.fill.montage.detail import lacking_detail
from lama_core.fill.montage.energy import coarsest_energy, finer_energy, labels_of
from lama_core.fill.montage.expansion import UNLABELLED, Energy, Labelling, expand
from lama_core.fill.montage.labelling import aligned, finer_labelling, first_labelling, settle
from lama_core.fill.montage.offsets import dominant_offsets, rarity_of
from lama_core.fill.montage.tone import join
from lama_core.fill.repetition.repetition import Repetition
from lama_core.image.pixels import Floats, Mask

#: The longest side of the picture at the scale where labels are found, pixels.
LABEL_SIDE = 200

#: What a finer scale takes for each pixel of each plane, bytes.
BYTES = 40

#: Shares of the time: looking for offsets, and finding labels.
SEARCHED, LABELLED = 0.3, 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to try: so many offsets at most, and rounds over all of them."""

    offsets: int = 60
    rounds: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Montage:
    """A fill, and what it is made of.

    Attributes:
        picture: (3, H, W) float32, the colours outside of the hole.
        chosen: (H, W) uint16, which label each pixel of the hole has; 0 around it, `UNLABELLED` elsewhere.
        labels: (K, 4) int32: the plane that a label shows (0: the picture, then the painters), how far down
            and across from a pixel, and what it cost.
    """

    picture: Floats
    chosen: Labelling
    labels: Numbers


def montage_fill(
    colour: Floats,
    unknown: Mask,
    painters: Sequence[Floats],
    *,
    source: Mask | None = None,
    matches: ScaledMatches | None = None,
    repetition: Repetition | None = None,
    effort: Effort = Effort(),
    rng: torch.Generator,
    memory: int,
    progress: Progress,
) -> Montage | None:
    """Fill the hole with what is around it.

    Args:
        colour: (3, H, W) float32 in 0..1.
        unknown: (H, W), True in the hole.
        painters: what others filled the hole with, (3, H, W) each: the network, which is the guide too, and
            patches.
        source: (H, W), True where the picture may be copied from; None: wherever it is known.
        matches: where the picture looks like itself; None: that is looked for.
        repetition: what repeats in it, whose pieces may be used too.
        effort: how long to try.
        rng: for what is chosen by chance: another one finds other offsets.
        memory: bytes it may take; where they end, seams are as fine as they are by then.
        progress: reported to after each move, asked before it whether to go on.

    Returns:
        None where too little is known.

    Raises:
        FillCancelled: `progress` said so.
    """
    scales = pyramid(Scale.of(colour, unknown, painters, source), LABEL_SIDE)
    matches = matches or scaled_matches(scales, rng)
    if matches is None:
        return None
    at = matches.level
    del scales[matches.levels :]
    rarity = rarity_of(matches.coarse, scales[-1].unknown.shape)
    steps = dominant_offsets(matches.fine, scales[at].unknown.shape, effort.offsets)
    progress.report(SEARCHED)
    progress.check()
    level = len(scales) - 1
    lacking = lacking_detail(scales)
    pieces = None if repetition is None else repetition.pieces(scales[level])
    planes = len(painters) + (0 if pieces is None else len(pieces.costs))
    labels = _labels(steps, level - at, planes)
    energy = coarsest_energy(scales[level], pieces, labels, rarity, lacking, insisted=source is not None)
    chosen = first_labelling(scales[level], len(painters))
    _expand_all(
        energy, chosen, scales[level], len(painters), effort.rounds, progress.part(SEARCHED, LABELLED)
    )
    if repetition is not None:
        repetition, pieces, planes = _keep_used(repetition, pieces, chosen, len(painters), planes)
        labels = _labels(steps, level - at, planes)
    while level > 0:
        progress.check()
        level -= 1
        scale = scales[level]
        if level >= at:
            labels = _labels(steps, level - at, planes)
        else:
            labels = labels * np.array((1, 2, 2, 1), np.int32)
        pieces = None if repetition is None else repetition.pieces(scale)
        chosen = finer_labelling(chosen, scale, pieces, labels, len(painters))
        if scale.unknown.numel() * BYTES * (1 + planes) <= memory:
            energy = finer_energy(scale, pieces, labels, lacking)
            if level < at:
                labels = aligned(energy, chosen, 1 + planes, progress)
                energy = finer_energy(scale, pieces, labels, lacking)
            settle(energy, chosen, progress)
        progress.report(LABELLED + (1 - LABELLED) * 4.0**-level / 2)
    picture = join(scales[0], pieces, chosen, labels, colour, progress)
    progress.report(1.0)
    return Montage(picture=picture, chosen=chosen, labels=labels)


def _keep_used(
    repetition: Repetition, pieces: Pieces | None, chosen: Labelling, painters: int, planes: int
) -> tuple[Repetition | None, Pieces | None, int]:
    """Leave out the pieces that nothing shows; labels are numbered anew."""
    assert pieces is not None
    used = [number for number in range(planes - painters) if (chosen == 1 + painters + number).any()]
    numbers = np.arange(1 << 16).astype(np.uint16)
    for new, old in enumerate(used):
        numbers[1 + painters + old] = 1 + painters + new
    numbers[1 + planes : UNLABELLED] -= np.uint16(planes - painters - len(used))
    chosen[:] = numbers[chosen]
    if not used:
        return None, None, painters
    kept = Pieces(pictures=pieces.pictures[used], seen=pieces.seen[used], costs=pieces.costs[used])
    return repetition.some(used), kept, painters + len(used)


def _labels(steps: Tensor, coarser: int, planes: int) -> Numbers:
    return labels_of(np.rint(steps.numpy() / 2.0**coarser).astype(np.int32), planes)


def _expand_all(
    energy: Energy,
    chosen: Labelling,
    scale: Scale,
    painters: int,
    rounds: int,
    progress: Progress,
) -> None:
    """Offer every label to every pixel, so many rounds at most, the painters last."""
    pixels = np.flatnonzero(scale.unknown.numpy()).astype(np.int32)
    order = [*range(1 + painters, len(energy.labels)), *range(1, 1 + painters)]
    for turn in range(rounds):
        gain = 0
        for number, label in enumerate(order):
            progress.check()
            gain += expand(energy, chosen, pixels, label)
            progress.report((turn + number / len(order)) / rounds)
        if not gain:
            return
