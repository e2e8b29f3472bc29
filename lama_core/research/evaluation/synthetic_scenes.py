"""Drawings without a trace of noise, as vector graphics are, and soft scenes to put grain on."""

from __future__ import annotations

import math
import zlib

import cv2
import numpy as np
from PIL import Image, ImageDraw

from lama_core.research.evaluation.grain import grain_of
from lama_core.research.evaluation.metrics import Picture

SAMPLES = 2
"""Pixels that are drawn for each pixel, along a side."""

SHAPES = 14


def drawing(name: str, size: int) -> Picture:
    """Flat and shaded shapes, rings and lines over a shade; edges are smooth, and nothing else is.

    Args:
        name: the same name is the same scene at every size.
        size: of both sides, pixels.

    Returns:
        (size, size, 3) uint8.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    side = size * SAMPLES
    canvas = Image.fromarray(_shade(rng, side))
    for _ in range(SHAPES):
        _shape(canvas, rng)
    return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.uint8)


def soft_scene(name: str, size: int) -> Picture:
    """A drawing out of focus, as the background of a photograph is, with grain on it.

    Arguments and result as of `drawing`; the grain is the same at every size, counted in pixels.
    """
    blurred = cv2.GaussianBlur(drawing(name, size), (0, 0), size / 80)
    return grain_of(np.asarray(blurred, np.uint8), name)


def _shade(rng: np.random.Generator, side: int) -> Picture:
    """A smooth passage between two colours, in any direction."""
    one, other = rng.uniform(40, 220, (2, 3))
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    share = (0.5 + 0.7 * (x * math.cos(angle) + y * math.sin(angle))).clip(0, 1)[:, :, None]
    return np.asarray((one + (other - one) * share).round(), np.uint8)


def _shape(canvas: Image.Image, rng: np.random.Generator) -> None:
    """Draw one shape, sizes in shares of the canvas."""
    side = canvas.width
    draw = ImageDraw.Draw(canvas)
    red, green, blue = (int(value) for value in rng.integers(20, 236, 3))
    colour = (red, green, blue)
    x, y = rng.uniform(0, side, 2)
    radius = rng.uniform(0.04, 0.22) * side
    kind = rng.integers(4)
    if kind == 0:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    elif kind == 1:
        width = int(radius * rng.uniform(0.15, 0.5)) + 1
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
    elif kind == 2:
        corners = int(rng.integers(3, 7))
        turn = rng.uniform(0, 2 * math.pi)
        angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
        points = [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
        draw.polygon(points, fill=colour)
    else:
        other_x, other_y = rng.uniform(0, side, 2)
        draw.line((x, y, other_x, other_y), fill=colour, width=int(rng.uniform(0.008, 0.04) * side) + 1)
