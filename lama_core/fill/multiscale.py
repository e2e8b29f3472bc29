"""Predictions that are made at more than one scale, and of patches: the qualities above `fast`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from lama_core.fill.checkerboard import without_lattice
from lama_core.fill.filters import blurred, halved_hole
from lama_core.fill.fusion import better_of
from lama_core.fill.options import Cancelled, FillOptions, stop_if
from lama_core.fill.patches import patch_fill
from lama_core.fill.predictor import GeneratorLike, predict
from lama_core.fill.refine import refine
from lama_core.image.mask_ops import thickness
from lama_core.image.pixels import Floats, Mask
from lama_core.model.generator import Generator
from lama_core.model.prefill import halved

#: Holes thicker than this, in pixels, are looked at from further away too. For the compact model that lowers
#: the hole L1 of holes about 115 thick by 7 %, and changes nothing for those half as thick.
NATIVE_THICKNESS = 96

#: Holes thinner than this, in pixels, get no patches: they gain nothing by them.
PATCH_THICKNESS = 8

#: Of holes thinner than this, in pixels, too few cells are seen to tell the network's lattice from texture.
LATTICE_THICKNESS = 32

#: What the coarse pass says is taken without what is smaller than this, in its own pixels.
STRUCTURE_BLUR = 4.0

#: What refinement and the search for patches may take where nobody says, bytes.
MEMORY = 4 << 30

#: Shares of the time for the network, where patches follow; refinement takes nearly all of it.
NETWORK_SHARE = {"balanced": 0.5, "best": 0.9}


def predict_at_scales(
    generator: GeneratorLike,
    colour: Floats,
    unknown: Mask,
    options: FillOptions,
    *,
    halvings: int,
    progress: Callable[[float], None],
    cancelled: Cancelled | None,
) -> Floats:
    """As `predict_window`, for "balanced" and "best"; the window is halved so often at least for the coarse
    pass of "balanced".
    """
    thick = thickness(unknown)
    memory = MEMORY if options.memory is None else options.memory
    share = NETWORK_SHARE[options.quality] if thick >= PATCH_THICKNESS else 1.0

    def network(fraction: float) -> None:
        progress(share * fraction)

    def patches(fraction: float) -> None:
        progress(share + (1 - share) * fraction)

    prediction: Floats | None = None
    if options.quality == "best":
        # A faster form of a generator may have to load the plain one first.
        plain = getattr(generator, "plain", generator)
        if isinstance(plain, Generator):
            prediction = _refined(generator, plain, colour, unknown, memory, network, cancelled)
    if prediction is None:
        halvings = max(halvings, math.ceil(math.log2(max(thick, 1) / NATIVE_THICKNESS)))
        prediction = _balanced(generator, colour, unknown, halvings, network, cancelled)
    stop_if(cancelled)
    network(1.0)
    if share < 1:
        if thick >= LATTICE_THICKNESS:
            prediction = without_lattice(prediction, unknown)
        patched = patch_fill(
            colour,
            unknown,
            prediction,
            seed=options.seed,
            memory=memory,
            progress=patches,
            cancelled=cancelled,
        )
        if patched is not None:
            prediction = better_of(prediction, patched, colour, unknown)
    return prediction


def _balanced(
    generator: GeneratorLike,
    colour: Floats,
    unknown: Mask,
    halvings: int,
    progress: Callable[[float], None],
    cancelled: Cancelled | None,
) -> Floats:
    """One pass at the picture's scale; where the hole is thick a coarser one before, for its structure."""
    views = [(colour, unknown)]
    while len(views) <= halvings:
        coarse, hole = halved_window(*views[-1])
        if hole.all():
            break
        views.append((coarse, hole))
    if len(views) == 1:
        return predict(generator, colour, unknown)
    coarse, hole = views[-1]
    whole = unknown.size + hole.size
    structure = predict(generator, coarse, hole)
    progress(hole.size / whole)
    stop_if(cancelled)
    native = predict(generator, colour, unknown)
    progress(1.0)
    return _with_structure(native, structure, hole)


def _refined(
    generator: GeneratorLike,
    plain: Generator,
    colour: Floats,
    unknown: Mask,
    memory: int,
    progress: Callable[[float], None],
    cancelled: Cancelled | None,
) -> Floats | None:
    filled = refine(plain, colour, unknown, memory=memory, progress=progress, cancelled=cancelled)
    if filled is None or filled.shape == colour.shape:
        return filled
    hole = unknown
    while hole.shape != filled.shape[1:]:
        hole = halved_window(colour[:, : hole.shape[0], : hole.shape[1]], hole)[1]
    stop_if(cancelled)
    return _with_structure(predict(generator, colour, unknown), filled, hole)


def _with_structure(native: Floats, coarse: Floats, hole: Mask) -> Floats:
    """A prediction whose large structure in the hole is that of a coarser one.

    Args:
        native: (3, H, W) float32.
        coarse: (3, h, w) float32, the same at a half, a quarter ... of its size.
        hole: (h, w).
    """
    small = torch.from_numpy(native)[None]
    while small.shape[2:] != coarse.shape[1:]:
        small = halved(small)
    offset = (torch.from_numpy(coarse) - small[0]) * torch.from_numpy(hole)
    smooth = blurred(offset, STRUCTURE_BLUR)[None]
    large = F.interpolate(smooth, native.shape[1:], mode="bilinear", align_corners=False)
    changed: Floats = native + large[0].numpy()
    return changed


def halved_window(colour: Floats, unknown: Mask) -> tuple[Floats, Mask]:
    """A window at half its size, rounded up.

    A coarse pixel is not known when one of its pixels is not, so nothing of a hole's colour comes in.
    """
    image = halved(torch.from_numpy(colour)[None])[0]
    hole = halved_hole(torch.from_numpy(unknown)[None, None].float())[0, 0] > 0
    coarse = torch.where(hole, torch.zeros(()), image).numpy()
    return np.ascontiguousarray(coarse), hole.numpy()
