"""Which windows a fill takes, and whether there is something to fill: all that is known without a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client import tiles
from lama_core.client.geometry import Rect, Window, feather_of, grow_of, with_source
from lama_core.client.options import FillOptions
from lama_core.client.tiles import MAX_TILE
from lama_core.fill.common.errors import FillError
from lama_core.image.mask_ops import HoleMask, hole_cells, read_hole, thickness
from lama_core.image.pixels import PixelFormat, Pixels, as_channels, pixel_format

TILE_PIXEL_BYTES = 900
"""Bytes that a fill takes at most for each pixel of a window, in the default quality; measured in windows of
0.5 to 1 MP, where it took 400 to 850."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPlan:
    """A fill that only needs a network, or a server.

    Attributes:
        picture: (H, W, C), a view of the image; whoever fills in place writes to it.
        pixel: what a pixel of it is.
        mask: the hole.
        source: what the fill may be copied from; None: wherever the picture is known.
        windows: what the network sees and writes; at least one.
        options: how to fill.
    """

    picture: Pixels
    pixel: PixelFormat
    mask: HoleMask
    source: HoleMask | None
    windows: tuple[Window, ...]
    options: FillOptions


def plan_fill(
    image: NDArray[Any],
    hole: NDArray[Any],
    options: FillOptions = FillOptions(),  # noqa: B008 - it is frozen
    source: NDArray[Any] | None = None,
) -> FillPlan:
    """Decide all of a fill that can be decided without a network.

    Args:
        image, hole, options, source: as for `fill`.

    Raises:
        FillError, PixelError, HoleError: as `fill`, but for what only shows while filling.
    """
    pixel = pixel_format(image)
    picture = as_channels(image)
    mask = _checked_hole(picture, hole)
    windows = tuple(_planned_windows(mask, options))
    where = None if source is None else _checked_source(picture, source, mask)
    if where is not None:
        count = partial(_count_copyable, where, mask)
        windows = tuple(with_source(windows, where.bounds, mask.canvas, count))
    return FillPlan(picture=picture, pixel=pixel, mask=mask, source=where, windows=windows, options=options)


def _checked_source(picture: Pixels, source: NDArray[Any], hole: HoleMask) -> HoleMask:
    """Read the mask of what may be copied. Raises `HoleError` and `FillError`."""
    mask = _checked_size(picture, read_hole(source), "the mask of what may be copied")
    if mask.bounds.is_empty:
        raise FillError("the mask of what may be copied selects nothing: mark in it where to copy from")
    if not _count_copyable(mask, hole, mask.bounds):
        raise FillError("all of what may be copied is in the hole: mark something outside of it")
    return mask


def _count_copyable(source: HoleMask, hole: HoleMask, rect: Rect) -> int:
    """How many pixels of a rectangle may be copied."""
    return int(np.count_nonzero((source.window(rect) >= 0.5) & (hole.window(rect) < 0.5)))


def _checked_size(picture: Pixels, mask: HoleMask, name: str) -> HoleMask:
    """The mask, where it has the picture's size; raises `FillError`, which calls it `name`, where not."""
    height, width = picture.shape[:2]
    if (mask.canvas.width, mask.canvas.height) != (width, height):
        raise FillError(
            f"the picture is {width} x {height} pixels and {name} "
            f"{mask.canvas.width} x {mask.canvas.height}: give a mask of the picture's size"
        )
    return mask


def _planned_windows(mask: HoleMask, options: FillOptions) -> list[Window]:
    """The windows for a mask, with an automatic grow and feather by how thick the hole is.

    Where the windows are is planned from the bounds of the holes alone, as a client plans it.
    """
    windows = tiles.plan(
        hole_cells(mask),
        mask.canvas,
        grow=options.grow,
        feather=options.feather,
        context=options.context,
        may_cut=options.join_islands is not True,
        max_tile=MAX_TILE if options.memory is None else min(MAX_TILE, options.memory // TILE_PIXEL_BYTES),
    )
    if options.grow is not None and options.feather is not None:
        return windows
    exact = []
    for window in windows:
        thick = thickness(mask.window(window.hole) >= 0.5)
        pixels = min(window.grow, grow_of(thick)) if options.grow is None else options.grow
        soft = min(window.feather, feather_of(thick)) if options.feather is None else options.feather
        written = window.hole.grow(pixels + soft).intersect(window.written)
        exact.append(replace(window, grow=pixels, feather=soft, written=written))
    return exact


def _checked_hole(picture: Pixels, hole: NDArray[Any]) -> HoleMask:
    """Read the mask of a picture.

    Args:
        picture: (H, W, C).
        hole: as for `read_hole`.

    Raises:
        HoleError: it is not a mask.
        FillError: it is not of this picture, or leaves nothing to fill or nothing to fill it from.
    """
    mask = _checked_size(picture, read_hole(hole), "the mask")
    if mask.bounds.is_empty:
        raise FillError("the mask selects nothing, so there is nothing to fill: mark the hole in it")
    if mask.covers_everything():
        raise FillError(
            "the mask selects the whole picture, so nothing is known around the hole: leave some of it out"
        )
    return mask
