"""A window predicted at one scale or several, and with patches of the picture, by quality.

fast      one pass at the picture's own scale
balanced  a pass at the scale at which the network sees across the hole, which says what belongs where; a
          pass at the picture's own, which brings the edges; contours that the hole interrupts, joined;
          patches of the picture itself for what networks draw softly; a montage of all that and of the
          picture shifted, for what goes on through the hole
best      feature refinement over several scales in place of the first pass
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from lama_core.client.options import FillOptions
from lama_core.fill.checkerboard import remove_checkerboard
from lama_core.fill.common.filters import gaussian_blur
from lama_core.fill.common.matches import scaled_matches
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.pyramid import downsample_mask, downsample_window
from lama_core.fill.common.scale import Scale, pyramid
from lama_core.fill.contours.continuation import continue_contours
from lama_core.fill.fusion import fuse
from lama_core.fill.montage.detail import lacking_detail
from lama_core.fill.montage.montage import LABEL_SIDE, Effort, montage_fill
from lama_core.fill.patches import patch_fill
from lama_core.fill.prediction import predict
from lama_core.fill.refine import refine
from lama_core.fill.repetition.repetition import find_repetition
from lama_core.fill.seeded_view import SeededView
from lama_core.image.mask_ops import thickness
from lama_core.image.pixels import Floats, Mask
from lama_core.model.generator import Generator
from lama_core.model.predictor import Predictor
from lama_core.model.prefill import downsample2

NATIVE_THICKNESS = 96
"""Holes thicker than this, in pixels, are looked at from further away too. For the compact model that
lowers the hole L1 of holes about 115 thick by 7 %, and changes nothing for those half as thick."""

MIN_PATCH_THICKNESS = 8
"""Holes thinner than this, in pixels, get no patches, because patches do not improve them."""

MIN_CHECKERBOARD_CELLS = 4
"""Of holes thinner than this, in cells of the network's output stride, too few cells are seen to tell a
checkerboard from texture."""

STRUCTURE_BLUR = 4.0
"""Standard deviation of the Gaussian that leaves the structure of the coarse pass, in its own pixels."""

DEFAULT_MEMORY = 4 << 30
"""Bytes that refinement and the search for patches may take where the options name no limit."""

NETWORK_SHARE = {"balanced": 0.5, "best": 0.9}
"""Shares of the time that the network takes where patches follow."""

MONTAGE_EFFORT = {"balanced": Effort(), "best": Effort(offsets=100, rounds=3)}
"""How long the montage tries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """What is known already of a window: how it looks from further away, in the hole too.

    Attributes:
        colour: (3, H, W) float32 in 0..1, of the window's size.
        halvings: how often what it was made of had been halved; 1 or more.
    """

    colour: Floats
    halvings: int

    def into(self, prediction: Floats, unknown: Mask) -> Floats:
        """A prediction, (3, H, W), with the large structure of the guide in the hole."""
        small = torch.from_numpy(self.colour)[None]
        hole = torch.from_numpy(unknown)[None, None].float()
        for _ in range(self.halvings):
            small, hole = downsample2(small), downsample_mask(hole)
        return _with_structure(prediction, small[0].numpy(), hole[0, 0].numpy() > 0)


def predict_window(
    predictor: Predictor,
    colour: Floats,
    unknown: Mask,
    options: FillOptions,
    progress: Progress,
    *,
    source: Mask | None = None,
    guide: Guide | None = None,
) -> Floats:
    """Predict what a window looks like where it is not known.

    Args:
        predictor: the network. One without a plain generator gets "balanced" where "best" is asked for.
        colour: (3, H, W) float32 in 0..1, 0 where nothing is known.
        unknown: (H, W), True where nothing is known.
        options: how to fill; of them quality, seed and memory count here.
        progress: of this prediction.
        source: (H, W), True where the picture may be copied from; None: wherever it is known. "fast" copies
            nothing.
        guide: what the large structure in the hole is to be; None: what the network says.

    Returns:
        (3, H, W) float32, not clipped.

    Raises:
        PredictionError: the predictor returned no picture.
        FillCancelled: `progress` said so.
    """
    view = SeededView.of(unknown, options.seed)
    seen, hole = view.apply(colour), view.apply(unknown)
    if guide is not None:
        guide = Guide(colour=view.apply(guide.colour), halvings=guide.halvings)
    if options.quality == "fast":
        filled = predict(predictor, seen, hole, memory=options.memory)
        if guide is not None:
            filled = guide.into(filled, hole)
    else:
        allowed = None if source is None else view.apply(source)
        filled = _predict_at_scales(predictor, seen, hole, allowed, guide, options, view.halvings, progress)
    return view.undo(filled, colour)


def _predict_at_scales(
    predictor: Predictor,
    colour: Floats,
    unknown: Mask,
    source: Mask | None,
    guide: Guide | None,
    options: FillOptions,
    halvings: int,
    progress: Progress,
) -> Floats:
    """As `predict_window`, for "balanced" and "best".

    The coarse pass of "balanced" sees the window halved at least `halvings` times.
    """
    thick = thickness(unknown)
    memory = DEFAULT_MEMORY if options.memory is None else options.memory
    share = NETWORK_SHARE[options.quality] if thick >= MIN_PATCH_THICKNESS else 1.0
    network, patches = progress.part(0.0, share), progress.part(share, (1 + share) / 2)
    montages = progress.part((1 + share) / 2, 1.0)

    prediction: Floats | None = None
    if options.quality == "best":
        # A compiled generator may have to load the plain one first.
        plain = predictor.plain
        if plain is not None:
            prediction = _refined(predictor, plain, colour, unknown, options, memory, network)
    # What cannot be refined is filled as "balanced" does.
    effort = MONTAGE_EFFORT["balanced" if prediction is None else "best"]
    if prediction is None:
        if guide is None:  # else that has been looked at
            halvings = max(halvings, math.ceil(math.log2(max(thick, 1) / NATIVE_THICKNESS)))
        prediction = _balanced(predictor, colour, unknown, halvings, options, network)
    if guide is not None:
        prediction = guide.into(prediction, unknown)
    progress.check()
    network.report(1.0)
    if thick >= MIN_PATCH_THICKNESS:
        if thick >= MIN_CHECKERBOARD_CELLS * predictor.output_stride:
            prediction = remove_checkerboard(prediction, unknown, predictor.output_stride)
        scales = pyramid(Scale.of(colour, unknown, [prediction], source), LABEL_SIDE)
        rng = torch.Generator().manual_seed(options.seed)
        matches = scaled_matches(scales, rng)
        repetition = None if matches is None else find_repetition(scales, matches, patches)
        lacking = lacking_detail(scales)[0]
        repeated: Floats | None = None
        if repetition is not None:
            prediction = repetition.into(prediction, scales[-1])
            lacking = lacking * (1 - repetition.sure)
            repeated = repetition.sure.numpy()
        contours = continue_contours(
            colour, unknown, prediction, lacking.numpy(), repeated, patches, source=source
        )
        if contours is not None:
            prediction = contours.into(prediction, unknown)
        patched = patch_fill(
            colour,
            unknown,
            prediction,
            source=source,
            seed=options.seed,
            memory=memory,
            progress=patches,
        )
        painters = [prediction]
        if patched is not None:
            fused = fuse(prediction, patched, colour, unknown)
            painters.append(fused if contours is None else contours.over(fused))
        picture, hole = (colour, unknown) if contours is None else contours.known(colour, unknown)
        montage = montage_fill(
            picture,
            hole,
            painters,
            source=source,
            matches=matches,
            repetition=repetition,
            effort=effort,
            rng=rng,
            memory=memory,
            progress=montages,
        )
        if montage is not None:
            prediction = montage.picture
    return prediction


def _balanced(
    predictor: Predictor,
    colour: Floats,
    unknown: Mask,
    halvings: int,
    options: FillOptions,
    progress: Progress,
) -> Floats:
    """One pass at the picture's scale; where the hole is thick a coarser one before, for its structure."""
    views = [(colour, unknown)]
    while len(views) <= halvings:
        coarse, hole = downsampled(*views[-1])
        if hole.all():
            break
        views.append((coarse, hole))
    if len(views) == 1:
        return predict(predictor, colour, unknown, memory=options.memory)
    coarse, hole = views[-1]
    whole = unknown.size + hole.size
    structure = predict(predictor, coarse, hole, memory=options.memory)
    progress.report(hole.size / whole)
    progress.check()
    native = predict(predictor, colour, unknown, memory=options.memory)
    progress.report(1.0)
    return _with_structure(native, structure, hole)


def _refined(
    predictor: Predictor,
    plain: Generator,
    colour: Floats,
    unknown: Mask,
    options: FillOptions,
    memory: int,
    progress: Progress,
) -> Floats | None:
    """Feature refinement; where it ended at a coarser scale, the structure of that in a native pass."""
    filled = refine(plain, colour, unknown, memory=memory, progress=progress)
    if filled is None or filled.shape == colour.shape:
        return filled
    hole = unknown
    while hole.shape != filled.shape[1:]:
        hole = downsample_mask(torch.from_numpy(hole)[None, None].float())[0, 0].numpy() > 0
    progress.check()
    return _with_structure(predict(predictor, colour, unknown, memory=options.memory), filled, hole)


def _with_structure(native: Floats, coarse: Floats, hole: Mask) -> Floats:
    """A prediction whose large structure in the hole is that of a coarser one.

    Args:
        native: (3, H, W) float32.
        coarse: (3, h, w) float32, the same at a half, a quarter ... of its size.
        hole: (h, w).
    """
    small = torch.from_numpy(native)[None]
    while small.shape[2:] != coarse.shape[1:]:
        small = downsample2(small)
    offset = (torch.from_numpy(coarse) - small[0]) * torch.from_numpy(hole)
    smooth = gaussian_blur(offset, STRUCTURE_BLUR)[None]
    large = F.interpolate(smooth, native.shape[1:], mode="bilinear", align_corners=False)
    changed: Floats = native + large[0].numpy()
    return changed


def downsampled(colour: Floats, unknown: Mask) -> tuple[Floats, Mask]:
    """`downsample_window` of numpy's arrays: (3, H, W) and (H, W) to half the size, rounded up."""
    image, hole = downsample_window(
        torch.from_numpy(colour)[None], torch.from_numpy(unknown)[None, None].float()
    )
    return np.ascontiguousarray(image[0].numpy()), hole[0, 0].numpy() > 0
