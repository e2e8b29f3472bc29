"""One window of a fill: cut out of the picture, and made into a region that can be blended in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client.geometry import Rect, Window
from lama_core.client.options import FillOptions
from lama_core.fill.common.errors import FillError
from lama_core.fill.filled_region import FilledRegion
from lama_core.fill.grain import match_grain
from lama_core.fill.seam import correct_seam
from lama_core.image.mask_ops import HoleMask, feather, grow, join_islands
from lama_core.image.pixels import Floats, Mask, PixelFormat, Pixels, Planes, from_planes, to_planes


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the network sees of a window: where it is, its planes, and the hole in it, grown, in 0..1."""

    rect: Rect
    planes: Planes
    hole: Floats


def look(picture: Pixels, mask: HoleMask, pixel: PixelFormat, window: Window, options: FillOptions) -> View:
    """Cut a window out; a larger one where nothing in it is known (all transparent, say).

    An automatic grow is given up where it would leave nothing known in a small picture.
    """
    rect, canvas = window.rect, mask.canvas
    while True:
        hole = grow(mask.window(rect), window.grow)
        hole = _joined(hole, options)
        planes = to_planes(cut(picture, rect), pixel, hole > 0, options.transfer)
        if planes.usable.any():
            return View(rect=rect, planes=planes, hole=hole)
        if rect != canvas:
            rect = rect.grow(max(rect.width, rect.height) // 2).clipped(canvas)
        elif window.grow and options.grow is None:
            window = replace(window, grow=0)
        elif window.grow:
            raise FillError(
                f"the hole grown by {window.grow} pixels leaves nothing known in the picture: "
                "use a smaller grow"
            )
        else:
            raise FillError(
                "nothing is known around the hole, only transparent pixels or values that are not numbers: "
                "there is nothing to fill it from"
            )


def finished(prediction: Floats, colour: Floats, unknown: Mask, options: FillOptions) -> Floats:
    """A prediction without a seam and with the grain of the picture, where that is wanted.

    Args:
        prediction: (3, H, W).
        colour: (3, H, W), 0 where nothing is known.
        unknown: (H, W), True where nothing is known.
        options: of them seam, grain, seed and frame count here.
    """
    if options.seam:
        prediction = correct_seam(prediction, colour, unknown)
    if options.grain:
        prediction = match_grain(prediction, colour, unknown, options.seed, options.frame)
    return prediction


def _joined(hole: Floats, options: FillOptions) -> Floats:
    if options.join_islands:
        return join_islands(hole)
    if options.join_islands is None and options.grow != 0:
        return join_islands(hole, largest=int(np.count_nonzero(hole >= 0.5)))
    return hole


def region_of(
    picture: Pixels, pixel: PixelFormat, window: Window, view: View, prediction: Floats
) -> FilledRegion:
    """What a prediction of a view, (3, H, W), changes in the picture: the part that its window writes."""
    written = window.written
    inside = written.shifted(-view.rect.x, -view.rect.y)
    blend = feather(cut(view.hole, inside), window.feather)
    colour = prediction[:, inside.y : inside.bottom, inside.x : inside.right]
    planes = view.planes
    filled = from_planes(colour, pixel, scale=planes.scale, offset=planes.offset, transfer=planes.transfer)
    np.copyto(filled, cut(picture, written), where=blend[:, :, None] == 0)
    return FilledRegion(rect=written, pixels=filled, blend=blend)


def cut(values: NDArray[Any], rect: Rect) -> NDArray[Any]:
    """A rectangle of (H, W, ...), without a copy."""
    return values[rect.y : rect.bottom, rect.x : rect.right]
