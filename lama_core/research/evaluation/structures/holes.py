"""Holes in the shape of what artists remove: people, animals, poles and cars, in the midst of a scene."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lama_core.research.evaluation.metrics import Hole
from lama_core.research.holes.silhouettes import Points, four_legged, limb, standing

MARGIN = 0.008
"""How far a hole reaches beyond the thing, a share of the picture's side, as artists select."""

CORNERS = 48


def pole(rng: np.random.Generator) -> list[Points]:
    """A post, often with a round sign at its top."""
    parts = [limb((0, -0.5), (rng.uniform(-0.03, 0.03), 0.5), 0.018, rng.uniform(0.02, 0.03))]
    if rng.random() < 0.6:
        parts.append(_ellipse(0, -0.42, *[rng.uniform(0.06, 0.09)] * 2))
    return parts


def car(rng: np.random.Generator) -> list[Points]:
    """A car from the side: body, cabin and two wheels."""
    roof, bonnet = rng.uniform(-0.24, -0.18), rng.uniform(0.2, 0.3)
    cabin = [(-0.36, -0.03), (-0.24, roof), (0.1, roof), (bonnet, -0.03)]
    wheels = [_ellipse(side * rng.uniform(0.27, 0.31), 0.13, 0.095, 0.095) for side in (-1, 1)]
    return [limb((-0.41, 0.04), (0.41, 0.06), 0.1, 0.085), np.array(cabin), *wheels]


def _ellipse(x: float, y: float, across: float, down: float) -> Points:
    angles = np.linspace(0, 2 * math.pi, CORNERS, endpoint=False)
    return np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of figure, and how long its longer side is: shares of the picture's."""

    parts: Callable[[np.random.Generator], list[Points]]
    size: tuple[float, float]


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "person": Shape(parts=standing, size=(0.55, 0.75)),
        "animal": Shape(parts=four_legged, size=(0.36, 0.46)),
        "pole": Shape(parts=pole, size=(0.75, 0.95)),
        "car": Shape(parts=car, size=(0.38, 0.46)),
    }
)


def figure_hole(name: str, size: int, rng: np.random.Generator) -> Hole:
    """A figure near the middle of a picture.

    Args:
        name: a key of `SHAPES`.
        size: of both of the picture's sides, pixels.
        rng: the only source of chance.

    Returns:
        (size, size) bool, not empty.
    """
    shape = SHAPES[name]
    parts = shape.parts(rng)
    length = rng.uniform(*shape.size) * size
    turn = rng.normal(0, 0.06)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    place = (0.5 + rng.uniform(-0.05, 0.05, 2)) * size
    rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    picture = Image.new("L", (size, size))
    draw = ImageDraw.Draw(picture)
    for part in parts:
        points = part * (mirror, 1.0) @ rotate.T * length + place
        draw.polygon([(float(x), float(y)) for x, y in points], fill=255)
    return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * math.ceil(MARGIN * size) + 1))) > 0
