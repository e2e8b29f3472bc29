"""Things on a ground, which belong in no hole: a ball, a face, a letter, a shoe, a person."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lama_core.research.evaluation.structures.canvas import Mask, Paint, Plane, cover, ground, vary

Parts = list[tuple[Mask, npt.ArrayLike]]
"""Where a thing has which colour, what is in front last."""

RADIUS = 0.075
"""Of a thing: half of its longer side, a share of the picture's side."""

GROUNDS = ((0.45, 0.5, 0.3), (0.66, 0.58, 0.45), (0.5, 0.5, 0.52))


def ball(x: Plane, y: Plane) -> Parts:
    """A ball with stripes; x and y are 1 at its rim."""
    inside = np.hypot(x, y) < 1
    light = (1.15 - 0.45 * np.hypot(x + 0.3, y + 0.35))[:, None]
    stripe = (np.abs(x + 0.5 * y) < 0.22) | (np.abs(x + 0.5 * y) > 0.75)
    return [(inside, np.array((0.85, 0.15, 0.12)) * light), (inside & stripe, np.array((0.95,) * 3) * light)]


def face(x: Plane, y: Plane) -> Parts:
    """A disc with eyes and a mouth."""
    eyes = np.hypot(np.abs(x) - 0.36, y + 0.28) < 0.16
    mouth = (np.abs(np.hypot(x, y + 0.05) - 0.55) < 0.09) & (y > 0.15)
    return [(np.hypot(x, y) < 1, (0.95, 0.8, 0.25)), (eyes | mouth, (0.12, 0.08, 0.06))]


def letter(x: Plane, y: Plane) -> Parts:
    """A large R on a white board."""
    stem = (np.abs(x + 0.4) < 0.13) & (np.abs(y) < 0.75)
    bow = (np.abs(np.hypot(x + 0.05, y + 0.36) - 0.29) < 0.12) & (x > -0.4)
    leg = (np.abs(x - 0.05 - 0.55 * y) < 0.15) & (y > -0.1) & (y < 0.75)
    board = (np.abs(x) < 0.85) & (np.abs(y) < 0.95)
    return [(board, (0.94, 0.94, 0.92)), (stem | bow | leg, (0.1, 0.15, 0.45))]


def shoe(x: Plane, y: Plane) -> Parts:
    """A laced shoe from the side."""
    toe = np.hypot((x - 0.45) / 0.5, (y - 0.3) / 0.35) < 1
    shaft = (x > -0.9) & (x < 0.05) & (y > -0.55) & (y < 0.35)
    slope = (x >= 0.05) & (y > -0.5 + 0.9 * x) & (y < 0.35) & (x < 0.6)
    laces = slope & (np.abs((x - y) % 0.24 - 0.12) < 0.045) & (y < 0.05 + 0.6 * x)
    sole = (np.abs(x - 0.02) < 0.95) & (y > 0.35) & (y < 0.58)
    return [
        (toe | shaft | slope, (0.35, 0.14, 0.1)),
        (laces, (0.92, 0.9, 0.85)),
        (sole, (0.9, 0.88, 0.8)),
    ]


def person(x: Plane, y: Plane) -> Parts:
    """A standing person: trousers, a red shirt, a head with dark hair."""
    legs = (np.abs(np.abs(x) - 0.13) < 0.1) & (y > 0.1) & (y < 1)
    arms = (np.abs(np.abs(x) - 0.34 - 0.15 * y) < 0.07) & (y > -0.5) & (y < 0.15)
    shirt = (np.abs(x) < 0.28) & (y > -0.52) & (y < 0.18)
    head = np.hypot(x, (y + 0.74) / 1.15) < 0.18
    return [
        (legs, (0.12, 0.16, 0.32)),
        (arms, (0.85, 0.65, 0.52)),
        (shirt, (0.78, 0.16, 0.14)),
        (head, (0.88, 0.68, 0.55)),
        (head & (y < -0.78), (0.15, 0.1, 0.07)),
    ]


THINGS: tuple[Callable[[Plane, Plane], Parts], ...] = (ball, face, letter, shoe, person)


def things(rng: np.random.Generator) -> Paint:
    """Two different things on a textured ground, one left and one right of the middle."""
    base = vary(GROUNDS[rng.integers(len(GROUNDS))], rng)
    chosen = [THINGS[number] for number in rng.permutation(len(THINGS))[:2]]
    left, right = rng.uniform(-0.37, -0.33), rng.uniform(0.33, 0.37)
    heights = rng.uniform(-0.25, 0.25, 2)

    def paint(x: Plane, y: Plane) -> Plane:
        layers = ground(x, base, fine=0.02, coarse=0.03)
        for thing, at_x, at_y in zip(chosen, (left, right), heights, strict=True):
            for where, colour in thing((x - at_x) / RADIUS, (y - at_y) / RADIUS):
                cover(layers, where, colour, fine=0.006, thing=True)
        return layers

    return paint
