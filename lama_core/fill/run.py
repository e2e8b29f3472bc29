"""The fill of a picture, window by window.

Nothing of the size of the picture is made but the result of `fill`: each window is cut out first, and all
work happens in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client.geometry import Window
from lama_core.client.options import FillOptions
from lama_core.fill.by_parts import fill_by_parts, takes_too_much
from lama_core.fill.common.progress import Progress
from lama_core.fill.filled_region import FilledRegion, composite_all
from lama_core.fill.multiscale import predict_window
from lama_core.fill.plan import FillPlan, plan_fill
from lama_core.fill.preview import make_preview
from lama_core.fill.window import View, cut, finished, look, region_of
from lama_core.image.pixels import Pixels, as_channels
from lama_core.model.predictor import Predict, as_predictor

PREPARING = 0.05
BLENDING = 0.05
"""Shares of a fill's time, for its progress: before the network and, at the end, after it."""


def fill(
    image: NDArray[Any],
    hole: NDArray[Any],
    generator: Predict,
    options: FillOptions = FillOptions(),  # noqa: B008 - it is frozen
    *,
    source: NDArray[Any] | None = None,
    progress: Progress = Progress(),  # noqa: B008 - it is frozen
) -> NDArray[Any]:
    """Fill the hole of a picture.

    Args:
        image: (H, W) or (H, W, C): gray, gray and alpha, RGB or RGBA; uint8, uint16, float16, float32 or
            float64, alpha straight. Fully transparent pixels, and those with a NaN or an infinity, count as
            not known: the network does not see them, and they are written only where the hole is.
        hole: (H, W), not 0 where the picture is to be filled: bool, unsigned integers, or float 0..1;
            values between none and all are a soft selection, blended by that much.
        generator: the network: a `Predictor`, a module of torch such as `Generator`, or a function.
        options: how to fill.
        source: (H, W), of the types of `hole`: what is half selected or more may be copied into the hole;
            None: all that is known. The network sees the rest as well.
        progress: takes reports, and says whether to go on.

    Returns:
        The filled picture, of the same shape and type. Outside of the feather every value is the picture's
        own, bit for bit. Where there is an alpha channel the filled part is opaque.

    Raises:
        FillError: nothing to fill, nothing known to fill it from, or sizes that do not match.
        PixelError, HoleError: not a picture, not a mask.
        FillCancelled: `progress` said so.
    """
    progress.report(0.0)
    plan = plan_fill(image, hole, options, source)
    picture: Pixels = image.copy()
    plan = replace(plan, picture=as_channels(picture))
    composite_all(plan.picture, plan.windows, fill_planned(plan, generator, progress=progress))
    return picture


def fill_region(
    image: NDArray[Any],
    hole: NDArray[Any],
    generator: Predict,
    options: FillOptions = FillOptions(),  # noqa: B008 - it is frozen
    *,
    source: NDArray[Any] | None = None,
    progress: Progress = Progress(),  # noqa: B008 - it is frozen
) -> FilledRegion:
    """As `fill`, but only the part that changes: the rectangle around all holes, grown and feathered.

    What it costs depends on the hole, not on the picture. Of holes in opposite corners the rectangle is
    nearly the picture: `fill_windows` gives them one by one.
    """
    regions = list(fill_windows(image, hole, generator, options, source=source, progress=progress))
    if len(regions) == 1:
        return regions[0]
    rect = regions[0].rect
    for region in regions[1:]:
        rect = rect.union(region.rect)
    pixels = cut(as_channels(image), rect).copy()
    blend = np.zeros((rect.height, rect.width), np.float32)
    for region in regions:
        at = region.rect.shifted(-rect.x, -rect.y)
        cut(pixels, at)[...] = region.pixels
        cut(blend, at)[...] = region.blend
    return FilledRegion(rect=rect, pixels=pixels, blend=blend)


def fill_windows(
    image: NDArray[Any],
    hole: NDArray[Any],
    generator: Predict,
    options: FillOptions = FillOptions(),  # noqa: B008 - it is frozen
    *,
    source: NDArray[Any] | None = None,
    progress: Progress = Progress(),  # noqa: B008 - it is frozen
) -> Iterator[FilledRegion]:
    """As `fill`, one region for each group of holes that share a window; no two of them overlap.

    There is at least one, or an error before the first. Holes of other windows stay unknown in each window,
    so the order does not matter.
    """
    progress.report(0.0)
    yield from fill_planned(plan_fill(image, hole, options, source), generator, progress=progress)


def fill_planned(
    plan: FillPlan,
    generator: Predict,
    *,
    progress: Progress = Progress(),  # noqa: B008 - it is frozen
) -> Iterator[FilledRegion]:
    """As `fill_windows`, for a fill that was planned before. The picture is not written to."""
    picture, mask, pixel, options = plan.picture, plan.mask, plan.pixel, plan.options
    windows = plan.windows
    predictor = as_predictor(generator)
    costs = np.cumsum([0] + [window.rect.area for window in windows])
    for number, window in enumerate(windows):
        begin, end = (float(cost / costs[-1]) for cost in costs[number : number + 2])
        if takes_too_much(window, options.memory):
            region = fill_by_parts(predictor, plan, window, progress.part(begin, end))
            if region is not None:
                yield region
                continue
        preparing, filling, blending = _stages(progress.part(begin, end))
        preparing.check()
        preparing.report(0.0)
        view = look(picture, mask, pixel, window, options)
        filling.check()
        filling.report(0.0)
        if number == 0:
            _preview(view, plan, window, filling)
        source = None if plan.source is None else plan.source.window(view.rect) >= 0.5
        prediction = predict_window(
            predictor, view.planes.colour, ~view.planes.usable, options, filling, source=source
        )
        blending.check()
        blending.report(0.0)
        prediction = finished(prediction, view.planes.colour, ~view.planes.usable, options)
        region = region_of(picture, pixel, window, view, prediction)
        blending.report(1.0)
        yield region


def _stages(progress: Progress) -> tuple[Progress, Progress, Progress]:
    """The progress of each stage of a window."""
    return (
        progress.part(0.0, PREPARING, "preparing"),
        progress.part(PREPARING, 1 - BLENDING, "filling"),
        progress.part(1 - BLENDING, 1.0, "blending"),
    )


def _preview(view: View, plan: FillPlan, window: Window, progress: Progress) -> None:
    """Tell of a first look at a window, where it is wanted and comes soon enough."""
    if progress.on_preview is None:
        return
    x, y = view.rect.x, view.rect.y
    written = window.written.shifted(-x, -y)
    preview = make_preview(view.planes, plan.pixel, view.hole, written, plan.options.quality)
    progress.check()
    if preview is not None:
        progress.on_preview(replace(preview, rect=preview.rect.shifted(x, y)))
