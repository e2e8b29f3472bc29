"""Where a picture looks like itself."""

from __future__ import annotations

import numpy as np
import torch

from lama_core.fill.common.matches import NEIGHBOURS, find_matches, scaled_matches
from lama_core.fill.common.scale import Scale, pyramid
from tests.fill.common.tiles import hole_in, matches_of, tiled


def test_what_is_near_is_no_match() -> None:
    """In a smooth picture the nearest patches are the most similar ones."""
    image = torch.linspace(0, 1, 150).expand(3, 120, 150)
    matches = matches_of(image, hole_in(120, 150))
    apart = (matches.found - matches.asked).abs().amax(dim=1)
    assert int(apart.min()) >= round(150 * NEIGHBOURS)


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


def test_matches_are_followed_to_a_finer_scale() -> None:
    """Patches that lie a tile apart in the small picture are exactly that far apart in the large one."""
    image, unknown = tiled((38, 54), 400, 480), hole_in(400, 480)
    fill = image.numpy().astype(np.float32)
    scales = pyramid(Scale.of(fill, unknown.numpy(), [fill], None), 200)
    matches = scaled_matches(scales, torch.Generator().manual_seed(0))
    assert matches is not None
    assert (matches.level, matches.levels) == (1, 3)
    steps = matches.fine.found - matches.fine.asked
    exact = (steps % torch.tensor((19, 27)) == 0).all(dim=1)
    assert float(exact.float().mean()) > 0.9
