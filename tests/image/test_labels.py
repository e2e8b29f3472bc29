"""Connected regions, against a flood fill pixel by pixel."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lama_core.image.labels import Regions, label_regions
from lama_core.image.pixels import Mask

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
connectivities = st.sampled_from([4, 8])


def flood(mask: Mask, connectivity: int) -> list[set[tuple[int, int]]]:
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    regions = []
    while left:
        todo = [left.pop()]
        region = set(todo)
        while todo:
            y, x = todo.pop()
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if connectivity == 4 and dy and dx:
                        continue
                    near = (y + dy, x + dx)
                    if near in left:
                        left.remove(near)
                        region.add(near)
                        todo.append(near)
        regions.append(region)
    return regions


def pixels_of(regions: Regions, number: int) -> set[tuple[int, int]]:
    chosen = np.arange(regions.count) == number
    return {(int(y), int(x)) for y, x in np.argwhere(regions.paint(chosen))}


@given(masks, connectivities)
def test_regions_are_those_of_a_flood_fill(mask: Mask, connectivity: Literal[4, 8]) -> None:
    regions = label_regions(mask, connectivity)
    expected = flood(mask, connectivity)
    found = [pixels_of(regions, number) for number in range(regions.count)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    for number, region in enumerate(found):
        assert regions.areas()[number] == len(region)
        at_border = any(y in (0, mask.shape[0] - 1) or x in (0, mask.shape[1] - 1) for y, x in region)
        assert regions.touching_border()[number] == at_border


@given(masks, connectivities)
def test_painting_all_regions_gives_the_mask(mask: Mask, connectivity: Literal[4, 8]) -> None:
    regions = label_regions(mask, connectivity)
    np.testing.assert_array_equal(regions.paint(np.ones(regions.count, np.bool_)), mask)


@pytest.mark.parametrize("transposed", [False, True])
def test_a_snake_through_the_mask_is_one_region(transposed: bool) -> None:
    snake = np.ones((41, 37), np.bool_)
    snake[1::4, 1:] = False
    snake[3::4, :-1] = False
    assert label_regions(snake.T if transposed else snake, 4).count == 1


def test_a_comb_whose_teeth_meet_at_the_end_is_one_region() -> None:
    comb = np.zeros((9, 1001), np.bool_)
    comb[:, ::2] = True
    assert label_regions(comb, 8).count == 501
    comb[-1] = True
    assert label_regions(comb, 4).count == 1
