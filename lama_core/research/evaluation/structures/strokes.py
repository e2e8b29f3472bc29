"""Scenes of strokes: lines at all angles, curves, cables against the sky."""

from __future__ import annotations

import math

import numpy as np

from lama_core.research.evaluation.structures.canvas import Paint, Plane, cover, ground, vary

LINES = 6
CABLES = 5


def lines(rng: np.random.Generator) -> Paint:
    """Bars at all angles over a plain ground; all of them pass near the middle."""
    base = vary((0.5, 0.5, 0.47), rng)
    angles = (np.arange(LINES) + rng.uniform(0, 1, LINES)) * math.pi / LINES
    offsets, widths = rng.uniform(-0.16, 0.16, LINES), rng.uniform(0.014, 0.05, LINES)
    colours = [vary(_dark_or_light(rng), rng) for _ in range(LINES)]
    order = rng.permutation(LINES)

    def paint(x: Plane, y: Plane) -> Plane:
        layers = ground(x, base, fine=0.012, coarse=0.012)
        for line in order:
            distance = x * math.cos(angles[line]) + y * math.sin(angles[line]) - offsets[line]
            cover(layers, np.abs(distance) < widths[line] / 2, colours[line], fine=0.008)
        return layers

    return paint


def curves(rng: np.random.Generator) -> Paint:
    """The edge of a disc, a ring, a wave and a straight line."""
    base, disc, ring = (
        vary(colour, rng) for colour in ((0.72, 0.7, 0.62), (0.42, 0.55, 0.6), (0.15, 0.16, 0.2))
    )
    wave, line = (vary(colour, rng) for colour in ((0.75, 0.3, 0.2), (1, 1, 0.95)))
    directions = rng.uniform(0, 2 * math.pi, 3)
    radii = rng.uniform(0.3, 0.6, 2)
    shifts = rng.uniform(-0.08, 0.08, (4, 2))
    width, height, length = rng.uniform(0.02, 0.04), rng.uniform(0.05, 0.1), rng.uniform(0.35, 0.6)

    def distance(x: Plane, y: Plane, number: int) -> Plane:
        """From the circle that passes near the middle."""
        radius = radii[number]
        left = x - shifts[number, 0] + radius * math.cos(directions[number])
        above = y - shifts[number, 1] + radius * math.sin(directions[number])
        return np.asarray(np.hypot(left, above) - radius)

    def paint(x: Plane, y: Plane) -> Plane:
        layers = ground(x, base, fine=0.012, coarse=0.01)
        cover(layers, distance(x, y, 0) < 0, disc, fine=0.01, coarse=0.012)
        course = height * np.sin(2 * math.pi * (x - shifts[2, 0]) / length) + shifts[2, 1]
        slope = 2 * math.pi * height / length * np.cos(2 * math.pi * (x - shifts[2, 0]) / length)
        cover(layers, np.abs(y - course) < width / 2 * np.hypot(1, slope), wave, fine=0.008)
        cover(layers, np.abs(distance(x, y, 1)) < width / 2, ring, fine=0.008)
        straight = x * math.cos(directions[2]) + y * math.sin(directions[2]) - shifts[3, 0]
        cover(layers, np.abs(straight) < width / 3, line, fine=0.008)
        return layers

    return paint


def cables(rng: np.random.Generator) -> Paint:
    """Dark cables that sag, one of them steep, against a bright sky with faint clouds."""
    top, bottom = vary((0.5, 0.66, 0.86), rng), vary((0.84, 0.88, 0.92), rng)
    dark = vary((0.1, 0.1, 0.12), rng)
    heights = np.linspace(-0.24, 0.24, CABLES) + rng.uniform(-0.05, 0.05, CABLES)
    slopes = rng.uniform(-0.25, 0.25) + rng.uniform(-0.12, 0.12, CABLES)
    slopes[rng.integers(CABLES)] = rng.choice([-1.6, 1.6])
    sags = rng.uniform(0.1, 0.4, CABLES)
    widths = rng.uniform(0.006, 0.013, CABLES)

    def paint(x: Plane, y: Plane) -> Plane:
        layers = ground(x, top + (bottom - top) * (y[:, None] + 0.5), coarse=0.014)
        for height, slope, sag, width in zip(heights, slopes, sags, widths, strict=True):
            course = height + slope * x - sag * (x * x - 0.08)
            steep = np.hypot(1, slope - 2 * sag * x)
            cover(layers, np.abs(y - course) < width / 2 * steep, dark)
        return layers

    return paint


def _dark_or_light(rng: np.random.Generator) -> Plane:
    brightness = rng.uniform(0.08, 0.2) if rng.random() < 0.5 else rng.uniform(0.82, 0.95)
    return np.asarray(brightness + rng.uniform(-0.06, 0.06, 3))
