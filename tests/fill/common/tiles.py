"""Pictures that repeat, for tests of what looks for that."""

from __future__ import annotations

import torch
from torch import Tensor

from lama_core.fill.common.matches import Matches, find_matches


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
