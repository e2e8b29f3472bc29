"""The offsets at which a picture looks like itself."""

from __future__ import annotations

import torch

from lama_core.fill.common.matches import finer_matches
from lama_core.fill.montage.offsets import dominant_offsets, rarity_of
from tests.fill.common.tiles import hole_in, matches_of, tiled


def test_a_tiled_picture_has_the_multiples_of_its_tile() -> None:
    image, unknown = tiled((19, 26), 120, 150), hole_in(120, 150)
    steps = dominant_offsets(matches_of(image, unknown), unknown.shape, 8)
    assert len(steps) == 8
    assert (steps % torch.tensor((19, 26)) == 0).all()


def test_at_twice_the_size_offsets_are_found_to_the_pixel() -> None:
    image, unknown = tiled((38, 54), 200, 240), hole_in(200, 240)
    small = torch.nn.functional.avg_pool2d(image, 2)
    matches = matches_of(small, unknown[::2, ::2])
    finer = finer_matches(matches, image, unknown, ~unknown)
    steps = dominant_offsets(finer, unknown.shape, 6)
    assert (steps % torch.tensor((38, 54)) == 0).all()


def test_what_looks_like_nothing_else_is_rare() -> None:
    image, unknown = tiled((19, 26), 120, 150), hole_in(120, 150)
    image[:, 70:80, 70:84] = torch.rand(3, 10, 14, generator=torch.Generator().manual_seed(9))
    rarity = rarity_of(matches_of(image, unknown), unknown.shape)
    assert float(rarity[72:78, 72:82].min()) > 3 * float(rarity[90:100, 40:60].max())
