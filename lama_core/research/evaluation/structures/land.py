"""Scenes out of doors in which surfaces meet: horizons, shorelines, two textures."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lama_core.research.evaluation.structures.canvas import Paint, Plane, cover, ground, vary


def horizons(rng: np.random.Generator) -> Paint:
    """Sky, a far ridge and level land, the camera held a little askew."""
    top, low, far, land = (
        vary(colour, rng)
        for colour in ((0.42, 0.6, 0.86), (0.86, 0.88, 0.9), (0.42, 0.48, 0.56), (0.4, 0.44, 0.2))
    )
    height, slope = rng.uniform(-0.06, 0.12), rng.uniform(-0.08, 0.08)
    ridge = wave(rng, 0.035)
    above = rng.uniform(0.1, 0.16)

    def paint(x: Plane, y: Plane) -> Plane:
        level = y - height - slope * x
        sky = low + (top - low) * np.clip(-1.8 * (level + above), 0, 1)[:, None]
        layers = ground(x, sky, coarse=0.01)
        cover(layers, level > ridge(x) - above, far, fine=0.008, coarse=0.01)
        near = np.clip(level / 0.5, 0, 1)[:, None]
        cover(layers, level > 0, land * (0.62 + 0.45 * near), fine=0.02, coarse=0.02)
        return layers

    return paint


def shores(rng: np.random.Generator) -> Paint:
    """Water, foam, wet and dry sand along a shoreline that winds away."""
    water, foam, wet, sand = (
        vary(colour, rng)
        for colour in ((0.16, 0.4, 0.48), (0.93, 0.94, 0.93), (0.46, 0.36, 0.26), (0.8, 0.7, 0.54))
    )
    height, slope = rng.uniform(-0.12, 0.06), rng.uniform(-0.7, 0.7)
    line, edge, rim = wave(rng, 0.04), wave(rng, 0.012), wave(rng, 0.012)

    def paint(x: Plane, y: Plane) -> Plane:
        # What is lower in the picture is nearer, and so larger.
        down = (y - height - slope * x - line(x)) / (1 + 0.5 * y) / math.hypot(1, slope)
        layers = ground(x, water * (1.1 - 0.5 * y[:, None]), fine=0.01, coarse=0.02)
        cover(layers, down > 0, foam, fine=0.012)
        cover(layers, down > 0.045 + edge(x), wet, fine=0.012, coarse=0.01)
        cover(layers, down > 0.15 + rim(x), sand, fine=0.02, coarse=0.01)
        return layers

    return paint


def regions(rng: np.random.Generator) -> Paint:
    """Grass and gravel that meet along a bent line."""
    grass, gravel = vary((0.26, 0.42, 0.16), rng), vary((0.66, 0.63, 0.58), rng)
    angle, offset = rng.uniform(0, 2 * math.pi), rng.uniform(-0.08, 0.08)
    bend = wave(rng, 0.05)

    def paint(x: Plane, y: Plane) -> Plane:
        along = x * math.cos(angle) + y * math.sin(angle)
        beside = y * math.cos(angle) - x * math.sin(angle)
        layers = ground(x, grass, fine=0.01, coarse=0.03)
        cover(layers, beside > offset + bend(along), gravel, fine=0.035)
        return layers

    return paint


def wave(rng: np.random.Generator, height: float) -> Callable[[Plane], Plane]:
    """A smooth course by chance, of about this height in both directions."""
    first, second = rng.uniform(0, 2 * math.pi, 2)
    slow, fast = rng.uniform(0.8, 1.4), rng.uniform(2.2, 3.4)

    def course(x: Plane) -> Plane:
        coarse = np.sin(2 * math.pi * slow * x + first)
        return np.asarray(height * (0.7 * coarse + 0.3 * np.sin(2 * math.pi * fast * x + second)))

    return course
