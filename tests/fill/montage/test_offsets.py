"""The offsets at which a picture looks like itself."""

from __future__ import annotations

import torch
from torch import Tensor

from lama_core.fill.montage.offsets import (
    NEIGHBOURS,
    Matches,
    dominant_offsets,
    find_matches,
    finer_matches,
    rarity_of,
)


def tiled(period: tuple[int, int], height: int, width: int) -> Tensor:
    """(3, height, width): one random tile again and again, and a little noise."""
    chance = torch.Generator().manual_seed(1)
    tile = torch.rand(3, *period, generator=chance)
    rows, columns = torch.arange(height) % period[0], torch.arange(width) % period[1]
    picture = tile[:, rows][:, :, columns]
    return (picture + 0.01 * torch.randn(picture.shape, generator=chance)).clamp(0, 1)


def hole_in(height: int, width: int) -> Tensor:
    unknown = torch.zeros(height, width, dtype=torch.bool)
    unknown[height // 3 : height // 2, width // 3 : width // 2] = True
    return unknown


def matches_of(image: Tensor, unknown: Tensor) -> Matches:
    found = find_matches(image, unknown, ~unknown, torch.Generator().manual_seed(0))
    assert found is not None
    return found


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


def test_what_is_near_is_no_match() -> None:
    """In a smooth picture the nearest patches are the most similar ones."""
    image = torch.linspace(0, 1, 150).expand(3, 120, 150)
    matches = matches_of(image, hole_in(120, 150))
    apart = (matches.found - matches.asked).abs().amax(dim=1)
    assert int(apart.min()) >= round(150 * NEIGHBOURS)


def test_what_looks_like_nothing_else_is_rare() -> None:
    image, unknown = tiled((19, 26), 120, 150), hole_in(120, 150)
    image[:, 70:80, 70:84] = torch.rand(3, 10, 14, generator=torch.Generator().manual_seed(9))
    rarity = rarity_of(matches_of(image, unknown), unknown.shape)
    assert float(rarity[72:78, 72:82].min()) > 3 * float(rarity[90:100, 40:60].max())


def test_without_a_single_known_patch_there_is_none() -> None:
    unknown = torch.ones(40, 40, dtype=torch.bool)
    unknown[:, ::6] = False
    assert find_matches(torch.rand(3, 40, 40), unknown, ~unknown, torch.Generator()) is None


def test_only_what_is_allowed_is_found() -> None:
    image, unknown = tiled((19, 26), 120, 150), hole_in(120, 150)
    allowed = ~unknown
    allowed[:, :90] = False
    found = find_matches(image, unknown, allowed, torch.Generator().manual_seed(0))
    assert found is not None
    assert int(found.found[:, 1].min()) >= 90
