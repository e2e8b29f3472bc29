"""Holes in the shape of things: blobs, standing figures and four-legged ones, made up by chance.

LaMa also trains with silhouettes of segmented objects, since what artists remove are objects. These need no
data: smooth outlines and unions of tapered limbs have what matters, one thick body with parts that stick out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import ImageDraw

Points = npt.NDArray[np.float64]
"""(N, 2) x and y; a figure's own size is 1 and its middle 0 until it is placed."""

OUTLINE_POINTS = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Silhouettes:
    """How many figures, inclusive, and how large: their longer side in pixels of a 256-pixel picture."""

    count: tuple[int, int]
    size: tuple[int, int]


def draw_silhouettes(
    draw: ImageDraw.ImageDraw, silhouettes: Silhouettes, scale: float, rng: np.random.Generator
) -> None:
    """Draw figures in random places, sizes and directions, partly beyond the picture's edge at times.

    Args:
        draw: of a picture of mode "1".
        silhouettes: how many, how large.
        scale: pixels for each of a 256-pixel picture.
        rng: the only source of chance.
    """
    width, height = draw.im.size
    figures = (_blob, standing, four_legged)
    for _ in range(rng.integers(silhouettes.count[0], silhouettes.count[1] + 1)):
        parts = figures[rng.integers(len(figures))](rng)
        size = rng.uniform(*silhouettes.size) * scale
        turn = rng.normal(0, 0.35)
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        stretch = rng.uniform(0.7, 1.4)
        place = np.array([rng.uniform(0, width), rng.uniform(0, height)])
        matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        shape = np.array([mirror * stretch, 1 / stretch])
        for part in parts:
            points = part * shape @ matrix.T * size + place
            draw.polygon([(float(x), float(y)) for x, y in points], fill=1)


def _blob(rng: np.random.Generator) -> list[Points]:
    """One outline whose radius is a sum of a few waves around the circle, coarse ones the strongest."""
    angles = np.linspace(0, 2 * math.pi, OUTLINE_POINTS, endpoint=False)
    radius = np.ones(OUTLINE_POINTS)
    for wave in range(2, 8):
        radius += rng.normal(0, 0.5 / wave) * np.cos(wave * angles + rng.uniform(0, 2 * math.pi))
    radius = np.maximum(radius, 0.2)
    return [0.5 * (radius / radius.max())[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)]


def standing(rng: np.random.Generator) -> list[Points]:
    """Head, trunk, two arms and two legs, upright."""
    shoulder, hip = rng.uniform(0.08, 0.14), rng.uniform(0.07, 0.13)
    parts = [
        limb((0, -0.28), (0, 0.05), shoulder, hip),
        limb((0, -0.42), (0, -0.4), *[rng.uniform(0.06, 0.09)] * 2),
    ]
    for side in (-1, 1):
        elbow = (side * rng.uniform(0.08, 0.28), rng.uniform(-0.25, 0.02))
        hand = (elbow[0] + rng.uniform(-0.1, 0.12) * side, elbow[1] + rng.uniform(-0.15, 0.18))
        foot = (side * rng.uniform(0.02, 0.22), rng.uniform(0.42, 0.5))
        parts += [
            limb((side * shoulder * 0.7, -0.25), elbow, 0.045, 0.035),
            limb(elbow, hand, 0.035, 0.03),
            limb((side * hip * 0.5, 0.05), foot, 0.065, 0.035),
        ]
    return parts


def four_legged(rng: np.random.Generator) -> list[Points]:
    """Body, neck, head, tail and four legs, seen from the side."""
    front, back = rng.uniform(0.1, 0.17), rng.uniform(0.09, 0.15)
    head = (rng.uniform(0.34, 0.45), rng.uniform(-0.3, 0.02))
    tail = (rng.uniform(-0.5, -0.36), rng.uniform(-0.25, 0.2))
    parts = [
        limb((0.2, 0), (-0.22, 0), front, back),
        limb((0.22, -0.03), head, front * 0.7, 0.06),
        limb(head, (head[0] + rng.uniform(0.04, 0.1), head[1] + 0.03), 0.07, 0.04),
        limb((-0.28, -0.03), tail, 0.03, 0.015),
    ]
    legs = [
        limb((x, 0.05), (x + rng.uniform(-0.1, 0.1), rng.uniform(0.3, 0.42)), 0.05, 0.025)
        for x in (0.22, 0.14, -0.2, -0.28)
    ]
    return parts + legs


def limb(start: tuple[float, float], end: tuple[float, float], first: float, last: float) -> Points:
    """A limb between two points, round at its ends, its radius going from `first` to `last`."""
    along = np.subtract(end, start)
    direction = math.atan2(along[1], along[0])
    half = np.linspace(-math.pi / 2, math.pi / 2, OUTLINE_POINTS // 4) + direction
    tip = np.add(end, last * np.stack([np.cos(half), np.sin(half)], axis=1))
    root = np.add(start, first * np.stack([np.cos(half + math.pi), np.sin(half + math.pi)], axis=1))
    return np.concatenate([tip, root])
