"""A first look at a fill, long before it is done: a small picture of the window, filled smoothly.

A pass of the network at that size shows more. It was tried, and takes three to ten times as long, most of it
whatever the size: more than a preview may take of a usual fill. docs/performance.md has both.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from lama_core.client.geometry import Rect
from lama_core.client.options import Quality
from lama_core.fill.common.progress import Preview
from lama_core.fill.multiscale import MIN_PATCH_THICKNESS
from lama_core.image.mask_ops import thickness
from lama_core.image.pixels import Floats, Mask, PixelFormat, Planes, from_planes
from lama_core.model.prefill import harmonic_fill

WINDOW_SIDE = 256
"""Pixels of the small picture, to its longer side, at most."""

SURROUNDINGS = 1 / 4
"""A preview shows this much of the picture around what may change, of the longer side of that."""

MIN_PIXELS = 1 << 19
"""Of a window whose fill takes little more than one pass of the network. In smaller ones that is soon done,
and a preview would take more than a fortieth of it."""


def make_preview(
    planes: Planes, pixel: PixelFormat, hole: Floats, written: Rect, quality: Quality
) -> Preview | None:
    """Fill a window coarsely.

    Args:
        planes: (H, W) of the window.
        pixel: the picture's format.
        hole: (H, W) in 0..1, grown.
        written: the part of the window that may change.
        quality: of the fill that is to come.

    Returns:
        The preview, whose `rect` is in the window; None where the fill itself is soon there, or where
        nothing is known at the small size.
    """
    window = Rect(0, 0, hole.shape[1], hole.shape[0])
    is_quick = quality == "fast" or thickness(~planes.usable) < MIN_PATCH_THICKNESS
    if is_quick and window.area < MIN_PIXELS:
        return None
    scale = -(-max(window.width, window.height) // WINDOW_SIDE)
    shown, unknown = _means(np.stack([hole, ~planes.usable]), scale)
    unknown = (unknown > 0).astype(np.float32)
    if unknown.all():
        return None
    colour = torch.from_numpy(_means(planes.colour, scale))[None]
    filled: Floats = harmonic_fill(colour, torch.from_numpy(unknown)[None, None])[0].numpy()
    seen = written.grow(round(max(written.width, written.height) * SURROUNDINGS)).clipped(window)
    rows, columns = (
        slice(begin // scale, -(-end // scale))
        for begin, end in ((seen.y, seen.bottom), (seen.x, seen.right))
    )
    pixels = _pixels(filled[:, rows, columns], shown[rows, columns], planes, pixel)
    left, top = columns.start * scale, rows.start * scale
    rect = Rect(left, top, pixels.shape[1] * scale, pixels.shape[0] * scale).clipped(window)
    return Preview(rect=rect, scale=scale, pixels=pixels)


def _means(planes: Floats | Mask, scale: int) -> Floats:
    """(C, ceil(H / scale), ceil(W / scale)) means of (C, H, W), at the ends of fewer pixels."""
    values = torch.from_numpy(planes.astype(np.float32, copy=False))[None]
    means: Floats = F.avg_pool2d(values, scale, ceil_mode=True, count_include_pad=False)[0].numpy()
    return means


def _pixels(colour: Floats, shown: Floats, planes: Planes, pixel: PixelFormat) -> NDArray[np.uint8]:
    """(h, w, 4) uint8 for a screen, whatever the picture's own numbers are."""
    screen = PixelFormat(channels=pixel.colours, dtype=np.dtype(np.uint8))
    pixels = np.empty((*shown.shape, 4), np.uint8)
    pixels[:, :, :3] = from_planes(colour, screen, scale=planes.scale, offset=planes.offset)
    pixels[:, :, 3] = np.rint(shown * 255)
    return pixels
