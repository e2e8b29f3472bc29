"""Scenes as functions of a place, rendered with smooth edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from lama_core.research.evaluation.periodic import ROWS_AT_ONCE, SAMPLES

Plane = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

Paint = Callable[[Plane, Plane], Plane]
"""(N,) x and y, -1/2 to 1/2 from left to right and top to bottom, to layers (N, 6): red, green and blue in
0..1, the standard deviation of the fine and of the coarse texture there, and 1 where a thing stands."""

FINE, COARSE, THING = 3, 4, 5
LAYERS = 6


def ground(x: Plane, colour: npt.ArrayLike, *, fine: float = 0.0, coarse: float = 0.0) -> Plane:
    """Layers of one surface everywhere.

    Args:
        x: (N,), for its length.
        colour: (3,) or (N, 3) in 0..1.
        fine, coarse: standard deviations of its textures, of 1.

    Returns:
        (N, 6).
    """
    layers = np.zeros((x.size, LAYERS))
    layers[:, :FINE] = colour
    layers[:, FINE], layers[:, COARSE] = fine, coarse
    return layers


def cover(
    layers: Plane,
    where: Mask,
    colour: npt.ArrayLike,
    *,
    fine: float = 0.0,
    coarse: float = 0.0,
    thing: bool = False,
) -> None:
    """Put another surface over layers, in place.

    Args:
        layers: (N, 6).
        where: (N,) bool.
        colour: (3,) or (N, 3) in 0..1.
        fine, coarse: standard deviations of its textures, of 1.
        thing: whether it belongs to a thing.
    """
    colours = np.broadcast_to(np.asarray(colour, np.float64), (layers.shape[0], 3))
    layers[where, :FINE] = colours[where]
    layers[where, FINE:] = (fine, coarse, float(thing))


def render(paint: Paint, size: int) -> Plane:
    """The layers of every pixel.

    Args:
        paint: the scene.
        size: of both sides, pixels.

    Returns:
        (size, size, 6), each pixel the mean of `SAMPLES` x `SAMPLES` places in it.
    """
    picture = np.empty((size, size, LAYERS))
    places = (np.arange(size * SAMPLES) + 0.5) / (SAMPLES * size) - 0.5
    for top in range(0, size, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, size - top)
        y, x = np.meshgrid(places[top * SAMPLES : (top + rows) * SAMPLES], places, indexing="ij")
        blocks = paint(x.ravel(), y.ravel()).reshape(rows, SAMPLES, size, SAMPLES, LAYERS)
        picture[top : top + rows] = blocks.mean(axis=(1, 3))
    return picture


def vary(colour: npt.ArrayLike, rng: np.random.Generator) -> Plane:
    """A colour near another, (3,) in 0..1."""
    return np.asarray((np.asarray(colour) * rng.uniform(0.9, 1.1) + rng.uniform(-0.04, 0.04, 3)).clip(0, 1))
