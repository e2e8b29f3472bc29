"""Floors in perspective whose steps are known."""

from __future__ import annotations

import numpy as np
import torch

from lama_core.fill.common.matches import ScaledMatches, scaled_matches
from lama_core.fill.common.scale import Scale, pyramid
from lama_core.fill.repetition.plane import Frame, rectified
from lama_core.image.pixels import Floats, Mask

VANISHING = np.array((0.15, 0.6))
"""The line beyond which nothing of the floor is seen: to the left and above."""

PERIOD = (0.21, 0.17)
"""Of its tiles, across and down, in places of the floor."""


def floor(height: int, width: int, *, light: float = 0.0) -> Floats:
    """(3, height, width): tiles of two colours with joints, and a little noise.

    Args:
        height, width: pixels.
        light: how much darker it is at the right, of the brightness at the left.
    """
    frame = Frame(height=height, width=width)
    pixels = np.argwhere(np.ones((height, width), np.bool_))
    picture = np.zeros((height * width, 3))
    shifts = [(a, b) for a in (-0.25, 0.25) for b in (-0.25, 0.25)]
    for shift in shifts:
        u, v = (rectified(frame.places(pixels + np.array(shift)), VANISHING) / PERIOD).T
        first = (u % 1 < 0.5) ^ (v % 1 < 0.5)
        joint = (u % 0.5 < 0.04) | (v % 0.5 < 0.04)
        tile = np.where(first[:, None], (0.75, 0.7, 0.6), (0.25, 0.3, 0.4))
        picture += np.where(joint[:, None], 0.1, tile) / len(shifts)
    picture *= 1 - light * np.linspace(0, 1, width)[pixels[:, 1], None]
    picture += np.random.default_rng(2).normal(0, 0.008, picture.shape)
    return np.ascontiguousarray(picture.clip(0, 1).astype(np.float32).T.reshape(3, height, width))


def hole_in(height: int, width: int) -> Mask:
    unknown = np.zeros((height, width), np.bool_)
    unknown[height * 4 // 10 : height * 6 // 10, width * 4 // 10 : width * 6 // 10] = True
    return unknown


def grass(height: int, width: int) -> Floats:
    """(3, height, width): the same everywhere, and nothing repeats."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(5))
    smooth = torch.nn.functional.avg_pool2d(noise, 5, stride=1, padding=2)[0]
    return np.ascontiguousarray((0.5 + 0.5 * smooth).clamp(0, 1).numpy())


def scales_of(picture: Floats, unknown: Mask) -> tuple[list[Scale], ScaledMatches]:
    """A picture whose hole is gray, and where it looks like itself."""
    fill = np.full_like(picture, 0.5)
    scales = pyramid(Scale.of(picture, unknown, [fill], None), 200)
    matches = scaled_matches(scales, torch.Generator().manual_seed(0))
    assert matches is not None
    return scales, matches
