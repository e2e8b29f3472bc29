"""Periodic structures with exact ground truth: rendered, so that they are sharp at any size.

They are what Fourier convolutions are for (paper, section 3.1 and figure 5): fences, windows, bricks. Each
picture is a pattern on a plane that is looked at in perspective, under uneven light, with a little noise.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from lama_core.research.evaluation.metrics import Picture

Plane = npt.NDArray[np.float64]

SAMPLES = 3
"""Samples along each side of a pixel: their mean is its colour."""

ROWS_AT_ONCE = 64

NOISE = 2.0
"""Standard deviation of the noise of every picture, of 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A periodic surface.

    Attributes:
        paint: (N,) u and v in 0..1, the place within one period, and colours (K, 3), to (N, 3) in 0..1.
        colours: K of them, 0..1; a picture varies them a little.
        across, down: periods along the sides of a square picture.
    """

    paint: Callable[[Plane, Plane, Plane], Plane]
    colours: tuple[tuple[float, float, float], ...]
    across: float
    down: float


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a picture shows a pattern.

    `to_plane` (3, 3) takes (x, y, 1), the picture's sides -1/2 to 1/2, to homogeneous periods (u w, v w, w).
    `light` is (constant, per x, per y), a factor; `shadow` (x, y, radius, depth) of a soft dark spot.
    """

    to_plane: Plane
    light: tuple[float, float, float] = (1.0, 0.0, 0.0)
    shadow: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 0.0)


def _mix(mask: npt.NDArray[np.bool_], colour: Plane, below: Plane) -> Plane:
    return np.where(mask[:, None], colour, below)


def _between(x: Plane, low: float, high: float) -> npt.NDArray[np.bool_]:
    return (x >= low) & (x < high)


def _round(x: Plane) -> Plane:
    """The shading across something round, (N, 1), over 0..1: dark at both sides."""
    shading: Plane = 0.55 + 0.45 * np.sqrt(np.clip(1 - np.square(2 * x - 1), 0, 1))
    return shading[:, None]


def _fence(u: Plane, v: Plane, colours: Plane) -> Plane:
    board, rail, behind = colours
    picture = np.broadcast_to(behind, (u.size, 3)) * (0.8 + 0.2 * np.cos(2 * math.pi * v))[:, None]
    picture = _mix(_between(v, 0.28, 0.36) | _between(v, 0.72, 0.80), rail * 0.8, picture)
    x = (u - 0.1) / 0.8
    pointed = v > 0.06 + 0.18 * np.abs(x - 0.5)
    veins = 1 + 0.05 * np.sin(2 * math.pi * (5 * x + 0.4 * np.sin(2 * math.pi * v)))
    wood = board * (0.85 + 0.15 * np.sin(math.pi * np.clip(x, 0, 1)))[:, None] * veins[:, None]
    return _mix(_between(x, 0, 1) & pointed & (v < 0.97), wood, picture)


def _windows(u: Plane, v: Plane, colours: Plane) -> Plane:
    wall, frame, glass = colours
    picture = np.broadcast_to(wall, (u.size, 3)).copy()
    picture = _mix(_between(u, 0.16, 0.84) & _between(v, 0.88, 0.93), wall * 0.6, picture)
    picture = _mix(_between(u, 0.16, 0.84) & _between(v, 0.84, 0.88), frame, picture)
    picture = _mix(_between(u, 0.22, 0.78) & _between(v, 0.14, 0.84), frame * 0.9, picture)
    pane = _between(u, 0.26, 0.48) | _between(u, 0.52, 0.74)
    pane &= _between(v, 0.18, 0.38) | _between(v, 0.42, 0.80)
    return _mix(pane, glass * (1.3 - 0.9 * v)[:, None], picture)


#: How bright the bricks of one period are: rows of bricks, and bricks in a row.
_BRICKS = np.array([[1.0, 0.86, 0.95], [0.9, 1.04, 0.82], [0.97, 0.92, 1.06], [0.84, 1.0, 0.93]])


def _bricks(u: Plane, v: Plane, colours: Plane) -> Plane:
    brick, mortar = colours
    course = np.minimum((v * 4).astype(int), 3)
    x, y = (u * 3 + 0.5 * (course % 2)) % 3, v * 4 - course
    number = np.minimum(x.astype(int), 2)
    x = x - number
    tint = _BRICKS[course, number][:, None]
    lit = np.where(y < 0.16, 1.12, np.where(y > 0.82, 0.85, 1.0))[:, None]
    return _mix(_between(x, 0.04, 0.96) & _between(y, 0.09, 0.91), brick * tint * lit, mortar)


def _tiles(u: Plane, v: Plane, colours: Plane) -> Plane:
    light, dark, grout = colours
    x, y = (2 * u) % 1, (2 * v) % 1
    tile = _mix((u < 0.5) == (v < 0.5), light, dark)
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    bevel = np.where(edge < 0.07, np.where(x + y < 1, 1.12, 0.82), 1.0)[:, None]
    return _mix(edge < 0.03, grout, tile * bevel)


def _blinds(u: Plane, v: Plane, colours: Plane) -> Plane:
    slat, gap, cord = colours
    picture = _mix(v < 0.86, slat * (0.62 + 0.5 * v)[:, None], gap)
    return _mix(_between(u, 0.48, 0.52), cord, picture)


def _stripes(u: Plane, v: Plane, colours: Plane) -> Plane:
    edges = np.array([0.22, 0.27, 0.5, 0.54, 0.58, 0.8])
    weave = 1 + 0.04 * np.sin(2 * math.pi * 6 * v)[:, None]
    return np.asarray(colours[np.searchsorted(edges, u, side="right") % len(colours)] * weave)


def _railing(u: Plane, v: Plane, colours: Plane) -> Plane:
    bar, rail, behind = colours
    picture: Plane = behind * (0.85 + 0.3 * np.sin(math.pi * v))[:, None]
    picture = _mix(_between(v, 0.12, 0.92) & _between(u, 0.4, 0.6), bar * _round((u - 0.4) / 0.2), picture)
    for low, high in ((0.08, 0.16), (0.84, 0.88)):
        picture = _mix(_between(v, low, high), rail * _round((v - low) / (high - low)), picture)
    return picture


def _mesh(u: Plane, v: Plane, colours: Plane) -> Plane:
    wire, behind = colours
    picture: Plane = behind * (0.9 + 0.1 * np.cos(2 * math.pi * u) * np.cos(2 * math.pi * v))[:, None]
    for diagonal in (u + v, u - v):
        x = (diagonal % 1 - 0.44) / 0.12
        picture = _mix(_between(x, 0, 1), wire * _round(x), picture)
    return picture


PATTERNS: Mapping[str, Pattern] = MappingProxyType(
    {
        "fence": Pattern(
            paint=_fence,
            colours=((0.66, 0.5, 0.34), (0.5, 0.37, 0.25), (0.3, 0.45, 0.22)),
            across=9,
            down=1.4,
        ),
        "windows": Pattern(
            paint=_windows,
            colours=((0.78, 0.7, 0.58), (0.92, 0.9, 0.86), (0.35, 0.45, 0.55)),
            across=6,
            down=5,
        ),
        "bricks": Pattern(paint=_bricks, colours=((0.6, 0.3, 0.22), (0.72, 0.69, 0.64)), across=3, down=4),
        "tiles": Pattern(
            paint=_tiles,
            colours=((0.85, 0.83, 0.78), (0.25, 0.35, 0.42), (0.55, 0.53, 0.5)),
            across=5,
            down=5,
        ),
        "blinds": Pattern(
            paint=_blinds,
            colours=((0.88, 0.86, 0.8), (0.2, 0.2, 0.22), (0.96, 0.95, 0.92)),
            across=3,
            down=18,
        ),
        "stripes": Pattern(
            paint=_stripes,
            colours=((0.82, 0.22, 0.2), (0.95, 0.9, 0.8), (0.15, 0.25, 0.5), (0.9, 0.75, 0.35)),
            across=5,
            down=12,
        ),
        "railing": Pattern(
            paint=_railing,
            colours=((0.22, 0.23, 0.25), (0.3, 0.31, 0.33), (0.6, 0.72, 0.85)),
            across=13,
            down=1.3,
        ),
        "mesh": Pattern(paint=_mesh, colours=((0.7, 0.72, 0.74), (0.35, 0.42, 0.3)), across=9, down=9),
    }
)


def random_view(pattern: Pattern, rng: np.random.Generator) -> View:
    """A view from a little aside, tilted, in perspective, with light from one side and a soft shadow."""
    angle, across, down = rng.uniform(-0.22, 0.22), rng.uniform(-0.45, 0.45), rng.uniform(-0.45, 0.45)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    look = np.array([[1, 0, 0], [0, 1, 0], [across, down, 1]])
    scale = rng.uniform(0.8, 1.25)
    shift = rng.uniform(0, 1, 2)
    periods = np.array(
        [[pattern.across * scale, 0, shift[0]], [0, pattern.down * scale, shift[1]], [0, 0, 1]]
    )
    x, y, radius, depth = *rng.uniform(-0.5, 0.5, 2), rng.uniform(0.2, 0.5), rng.uniform(0.1, 0.35)
    return View(
        to_plane=periods @ look @ turn,
        light=(rng.uniform(0.85, 1.0), rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)),
        shadow=(x, y, radius, depth),
    )


def render(pattern: Pattern, colours: Plane, view: View, height: int, width: int) -> Plane:
    """A picture of a pattern without noise.

    Args:
        pattern: what to show.
        colours: as many as the pattern has, (K, 3) in 0..1.
        view: how.
        height, width: pixels. The shorter side spans -1/2 to 1/2 of the view.

    Returns:
        (height, width, 3) in 0..1.
    """
    side = min(height, width)
    picture = np.empty((height, width, 3))
    x = ((np.arange(width * SAMPLES) + 0.5) / SAMPLES - width / 2) / side
    for top in range(0, height, ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, height - top)
        y = ((np.arange(top * SAMPLES, (top + rows) * SAMPLES) + 0.5) / SAMPLES - height / 2) / side
        samples = _shade(pattern, colours, view, *np.broadcast_arrays(x[None], y[:, None]))
        blocks = samples.reshape(rows, SAMPLES, width, SAMPLES, 3)
        picture[top : top + rows] = blocks.mean(axis=(1, 3))
    return picture


def _shade(pattern: Pattern, colours: Plane, view: View, x: Plane, y: Plane) -> Plane:
    """The colours of samples: x and y (h, w) to (h, w, 3)."""
    flat_x, flat_y = x.ravel(), y.ravel()
    u, v, w = (a * flat_x + b * flat_y + c for a, b, c in view.to_plane)
    u, v = u / w, v / w
    painted = pattern.paint(u - np.floor(u), v - np.floor(v), colours)
    constant, per_x, per_y = view.light
    at_x, at_y, radius, depth = view.shadow
    dark = depth * np.exp(-(np.square(flat_x - at_x) + np.square(flat_y - at_y)) / (2 * radius * radius))
    light = (constant + per_x * flat_x + per_y * flat_y) * (1 - dark)
    return np.asarray((painted * light[:, None]).clip(0, 1).reshape(*x.shape, 3))


def periodic_picture(name: str, size: int) -> Picture:
    """One picture of the set.

    Args:
        name: a pattern, a hyphen and a number, such as `fence-1`: the same name is the same scene at every
            size.
        size: of both sides, pixels.

    Returns:
        (size, size, 3) uint8.
    """
    pattern = PATTERNS[name.rpartition("-")[0]]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    view = random_view(pattern, rng)
    colours = (np.array(pattern.colours) + rng.uniform(-0.08, 0.08, (len(pattern.colours), 3))).clip(0, 1)
    picture = render(pattern, colours, view, size, size) * 255
    # The same grain in the three channels, mostly, as from a camera.
    picture += rng.normal(0, NOISE, (size, size, 1)) + rng.normal(0, NOISE / 3, (size, size, 3))
    return np.asarray(picture.round().clip(0, 255), np.uint8)
