"""Scenes of built things that repeat: railings, slats, planks, tiles, bricks, facades."""

from __future__ import annotations

import math

import numpy as np

from lama_core.research.evaluation.periodic import PATTERNS
from lama_core.research.evaluation.structures.canvas import Paint, Plane, cover, ground, vary

TINTS = 64
SLATS = 6


def railings(rng: np.random.Generator) -> Paint:
    """Round bars between two rails, seen a little from the side, before grass and a bright sky."""
    bar, rail, sky, grass = (
        vary(colour, rng)
        for colour in ((0.16, 0.17, 0.19), (0.2, 0.2, 0.22), (0.74, 0.83, 0.92), (0.42, 0.55, 0.26))
    )
    view = tilted(rng, across=rng.choice([-0.5, 0.5]), down=0.0, turn=0.06)
    count, shift = rng.uniform(11, 14), rng.uniform(0, 1)
    horizon = rng.uniform(-0.1, 0.05)

    def paint(x: Plane, y: Plane) -> Plane:
        layers = ground(x, sky, coarse=0.008)
        cover(layers, y > horizon, grass, fine=0.012, coarse=0.015)
        u, v = apply(view, x, y)
        beside = ((u * count + shift) % 1 - 0.5) / 0.13
        cover(layers, (np.abs(beside) < 1) & (np.abs(v) < 0.36), bar * _round(beside))
        for height, half in ((-0.34, 0.022), (0.33, 0.014)):
            beside = (v - height) / half
            cover(layers, np.abs(beside) < 1, rail * _round(beside))
        return layers

    return paint


def slats(rng: np.random.Generator) -> Paint:
    """The slats of a bench in perspective, with iron supports, on a lawn."""
    wood, shade, lawn, iron = (
        vary(colour, rng)
        for colour in ((0.64, 0.46, 0.28), (0.13, 0.14, 0.08), (0.3, 0.44, 0.2), (0.12, 0.12, 0.13))
    )
    view = tilted(rng, across=rng.uniform(-0.5, 0.5), down=rng.uniform(0.2, 0.5), turn=0.1)
    tints = rng.uniform(0.85, 1.12, TINTS)
    supports = np.array((-0.36, 0.36)) + rng.uniform(-0.03, 0.03, 2)

    def paint(x: Plane, y: Plane) -> Plane:
        layers = ground(x, lawn, fine=0.015, coarse=0.025)
        u, v = apply(view, x, y)
        place = (v + 0.27) / 0.54 * SLATS
        seat = (place >= 0) & (place < SLATS) & (np.abs(u) < 0.7)
        cover(layers, seat, shade, coarse=0.012)
        for support in supports:
            cover(layers, (np.abs(u - support) < 0.022) & (v > -0.3), iron)
        number, within = np.floor(place).astype(int), place % 1
        edge = np.where(within < 0.08, 1.25, np.where(within > 0.66, 0.8, 1.0))
        cover(layers, seat & (within < 0.74), wood * (tints[number % TINTS] * edge)[:, None], fine=0.012)
        return layers

    return paint


def planks(rng: np.random.Generator) -> Paint:
    """A floor of planks in perspective: long joints, short ones at random places, boards of several tints."""
    wood = vary((0.68, 0.5, 0.33), rng)
    view = tilted(rng, across=rng.uniform(-0.3, 0.3), down=rng.uniform(0.6, 1.0), turn=0.6)
    tints, starts = rng.uniform(0.74, 1.2, TINTS), rng.uniform(0, 1, TINTS)
    count = rng.uniform(6, 8)

    def paint(x: Plane, y: Plane) -> Plane:
        u, v = apply(view, x, y)
        board, across = np.floor(u * count).astype(int), (u * count) % 1
        length = v * 0.9 + starts[board % TINTS]
        piece, along = np.floor(length).astype(int), length % 1
        tint = tints[(board * 7 + piece * 13) % TINTS]
        layers = ground(x, wood * tint[:, None], fine=0.014, coarse=0.012)
        joint = (np.minimum(across, 1 - across) < 0.03) | (np.minimum(along, 1 - along) < 0.004)
        cover(layers, joint, wood * 0.22)
        return layers

    return paint


def tiles(rng: np.random.Generator) -> Paint:
    """A tiled floor in perspective, in two colours."""
    return _pattern("tiles", rng, count=(4.5, 4.5), down=(0.6, 0.95), turn=0.5)


def bricks(rng: np.random.Generator) -> Paint:
    """A brick wall, seen from the side."""
    return _pattern("bricks", rng, count=(2.6, 3.4), down=(-0.15, 0.15), turn=0.1)


def facades(rng: np.random.Generator) -> Paint:
    """A facade with rows of windows, seen from the street."""
    return _pattern("windows", rng, count=(4.5, 4.0), down=(0.2, 0.5), turn=0.08)


def _pattern(
    name: str,
    rng: np.random.Generator,
    *,
    count: tuple[float, float],
    down: tuple[float, float],
    turn: float,
) -> Paint:
    """A periodic pattern on a plane.

    Args:
        name: of the pattern.
        rng: the only source of chance.
        count: periods across and down a square picture.
        down: between which the plane is tilted away.
        turn: by how much, at most, it is turned.
    """
    pattern = PATTERNS[name]
    colours = np.stack([vary(colour, rng) for colour in pattern.colours])
    view = tilted(rng, across=rng.uniform(-0.45, 0.45), down=rng.uniform(*down), turn=turn)
    shift = rng.uniform(0, 1, 2)
    scale = rng.uniform(0.85, 1.15)

    def paint(x: Plane, y: Plane) -> Plane:
        u, v = apply(view, x, y)
        u, v = u * count[0] * scale + shift[0], v * count[1] * scale + shift[1]
        return ground(x, pattern.paint(u % 1, v % 1, colours), fine=0.012, coarse=0.012)

    return paint


def tilted(rng: np.random.Generator, *, across: float, down: float, turn: float) -> Plane:
    """How the picture sees a plane: a homography (3, 3) from the picture's places to the plane's.

    Args:
        rng: the only source of chance.
        across: how far the plane is turned away to the side; 0 is not at all.
        down: the same upwards: above 0 its upper part is further away.
        turn: by how much at most it is rotated in the picture, radians.
    """
    angle = rng.uniform(-turn, turn)
    rotate = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    return np.asarray(np.array([[1, 0, 0], [0, 1, 0], [across, down, 1]]) @ rotate)


def apply(view: Plane, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Places (N,) on the plane, by a homography (3, 3)."""
    u, v, w = (a * x + b * y + c for a, b, c in view)
    return np.asarray(u / w), np.asarray(v / w)


def _round(beside: Plane) -> Plane:
    """The shading across something round, (N, 1): dark at both sides, -1 and 1."""
    return np.asarray((0.7 + 1.1 * np.sqrt(np.clip(1 - beside * beside, 0, 1)))[:, None])
