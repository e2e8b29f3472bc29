"""A fill of dust, hairs and scratches: many windows, a band of the picture in memory."""

from __future__ import annotations

import numpy as np
import pytest

from lama_core.fill import FillOptions, fill, fill_planned, plan_fill
from lama_core.fill.filled_region import FilledRegion, composite_all, composite_into
from tests.client.test_tiles import dust, hair, scratches
from tests.fill.test_fill import mean_of_known

FAST = FillOptions(quality="fast", memory=450 << 17, grain=False)
"""With windows of an eighth of a megapixel, so that small pictures have many."""


def gradient(height: int, width: int) -> np.ndarray:
    y, x = np.indices((height, width))
    return np.stack([y * 255 // height, x * 255 // width, (x + y) * 255 // (width + height)], 2).astype(
        np.uint8
    )


@pytest.mark.parametrize(
    "mask", [dust(1000, 300), hair(1400), scratches(1000)], ids=["dust", "hair", "scratches"]
)
def test_every_pixel_of_the_hole_is_filled_and_nothing_else_changes(mask: np.ndarray) -> None:
    picture = gradient(*mask.shape)
    damaged = picture.copy()
    damaged[mask > 0] = (255, 0, 255)
    plan = plan_fill(damaged, mask, FAST)
    assert len(plan.windows) > 4
    filled = fill(damaged, mask, mean_of_known, FAST)
    # No trace of what was to be removed, on no tile's edge.
    assert not (filled == (255, 0, 255)).all(axis=2).any()
    assert np.abs(filled[mask > 0].astype(int) - picture[mask > 0]).mean() < 25
    changed = (filled != damaged).any(axis=2)
    reach = max(window.grow + window.feather for window in plan.windows)
    near = np.zeros_like(changed)
    for y, x in zip(*np.nonzero(mask), strict=True):
        near[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = True
    assert not (changed & ~near).any()


def test_regions_are_blended_in_while_others_are_made_and_it_is_the_same() -> None:
    mask = dust(1000, 300)
    picture = gradient(*mask.shape)
    plan = plan_fill(picture, mask, FAST)
    at_the_end = picture.copy()
    for region in list(fill_planned(plan, mean_of_known)):
        composite_into(at_the_end, region)

    alive: list[int] = []
    held: list[FilledRegion] = []

    def regions() -> object:
        for region in fill_planned(plan, mean_of_known):
            held.append(region)
            yield region
            # Those that wait are those whose place was not blended into yet.
            waiting = [
                one
                for one in held
                if (
                    picture[one.rect.y : one.rect.bottom, one.rect.x : one.rect.right][one.blend == 1]
                    != one.pixels[one.blend == 1]
                ).any()
            ]
            alive.append(sum(one.rect.area for one in waiting))

    composite_all(picture, plan.windows, regions())  # type: ignore[arg-type]
    np.testing.assert_array_equal(picture, at_the_end)
    assert max(alive) < 0.75 * sum(region.rect.area for region in held)


def test_a_hair_through_even_colour_leaves_no_seam_between_tiles() -> None:
    mask = hair(1400, 5)
    picture = np.full((1400, 1400, 3), 120, np.uint8)
    picture[mask > 0] = 255
    filled = fill(picture, mask, mean_of_known, FAST)
    assert np.abs(filled.astype(int) - 120).max() <= 1
