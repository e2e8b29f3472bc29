"""What a fill gives back: new pixels for a part of the picture, and how much of them shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lama_core.client.geometry import Rect, Window
from lama_core.fill.common.errors import FillError
from lama_core.image.blend import blend_into
from lama_core.image.pixels import Floats, Pixels, as_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledRegion:
    """New pixels for a rectangle of the picture.

    Attributes:
        rect: where in the picture.
        pixels: (height, width, C) in the picture's type and channels: the fill itself, opaque, wherever
            `blend` is above 0, the picture's own pixels elsewhere.
        blend: (height, width) float32, how much of the fill shows: 1 in the grown hole, falling to 0 over the
            feather.
    """

    rect: Rect
    pixels: Pixels
    blend: Floats


def composite(image: Pixels, region: FilledRegion) -> Pixels:
    """The picture with a region blended into it: a copy, of the same shape and type.

    Every value outside of the blend is the picture's own, bit for bit.

    Raises:
        FillError: the region is not of this picture.
    """
    picture: Pixels = image.copy()
    composite_into(picture, region)
    return picture


def composite_all(image: Pixels, windows: Sequence[Window], regions: Iterable[FilledRegion]) -> None:
    """Blend the regions of all windows into a picture while they are made, each as soon as it can be.

    Every window sees the picture as it was: a region waits until no window to come looks at its place. So
    those of a band of the picture wait, whatever its size.

    Args:
        image: the picture, blended into in place. Where a window fails, those before it may be blended in.
        windows: in the order of the regions.
        regions: one for each window; they look at `image` while they are made.

    Raises:
        FillError: a region is not of this picture.
    """
    tops = [window.rect.y for window in windows]
    for number in range(len(tops) - 1, 0, -1):
        tops[number - 1] = min(tops[number - 1], tops[number])
    waiting: list[FilledRegion] = []
    for number, region in enumerate(regions, 1):
        waiting.append(region)
        seen_from = tops[number] if number < len(tops) else len(image)
        for done in [one for one in waiting if one.rect.bottom <= seen_from]:
            composite_into(image, done)
        waiting = [one for one in waiting if one.rect.bottom > seen_from]


def composite_into(image: Pixels, region: FilledRegion) -> None:
    """`composite` in place."""
    rect, picture = region.rect, as_channels(image)
    part = picture[rect.y : rect.bottom, rect.x : rect.right]
    if min(rect.x, rect.y) < 0 or part.shape != region.pixels.shape or part.dtype != region.pixels.dtype:
        raise FillError(
            f"a region of {region.pixels.shape} {region.pixels.dtype} at ({rect.x}, {rect.y}) does not fit "
            f"a picture of {picture.shape} {picture.dtype}"
        )
    blend_into(part, region.pixels, region.blend)
