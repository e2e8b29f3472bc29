"""Random holes as LaMa trains with them: brush strokes, boxes and silhouettes (paper, section 2.4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from lama_core.research.holes.silhouettes import Silhouettes, draw_silhouettes

MAX_HOLE_SHARE = 0.5
"""A hole never covers more of the picture than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strokes:
    """Polygonal chains drawn with a round brush. Counts are inclusive; lengths for a 256-pixel picture."""

    chains: tuple[int, int]
    max_length: int
    max_width: int
    max_angle: float = 4.0
    max_vertices: int = 5
    min_length: int = 10
    min_width: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Axis-parallel boxes, drawn with `probability`. Sides in pixels of a 256-pixel picture."""

    probability: float
    count: tuple[int, int]
    side: tuple[int, int]
    margin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskKind:
    """What a kind of hole is made of."""

    strokes: Strokes | None = None
    boxes: Boxes | None = None
    silhouettes: Silhouettes | None = None


# The numbers of the paper's data generation at 256 pixels: thin, medium and thick are those that it judges
# with, wide and box those that it trains with.
MASK_KINDS: Mapping[str, MaskKind] = MappingProxyType(
    {
        "thin": MaskKind(strokes=Strokes(chains=(4, 50), max_length=40, max_width=10)),
        "medium": MaskKind(
            strokes=Strokes(chains=(4, 5), max_length=100, max_width=50),
            boxes=Boxes(probability=0.3, count=(1, 5), side=(10, 50), margin=0),
        ),
        "thick": MaskKind(
            strokes=Strokes(chains=(1, 5), max_length=200, max_width=100),
            boxes=Boxes(probability=0.3, count=(1, 3), side=(30, 150), margin=10),
        ),
        "object": MaskKind(silhouettes=Silhouettes(count=(1, 3), size=(40, 180))),
        "wide": MaskKind(strokes=Strokes(chains=(1, 5), max_length=200, max_width=100)),
        "box": MaskKind(boxes=Boxes(probability=1.0, count=(1, 3), side=(30, 150), margin=10)),
    }
)

JUDGED_KINDS = ("thin", "medium", "thick", "object")
"""Those that fills are judged with, in the order of tables."""


def random_hole(kind: str, height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Draw a random hole.

    Args:
        kind: a key of `MASK_KINDS`.
        height: of the picture, pixels, 16 or more.
        width: of the picture, pixels, 16 or more.
        rng: the only source of chance.

    Returns:
        (height, width) bool, True in the hole; at least one pixel and at most half of the picture.

    Raises:
        ValueError: the kind is unknown, or the picture too small.
    """
    if kind not in MASK_KINDS:
        raise ValueError(f"mask kind must be one of {', '.join(MASK_KINDS)}, not {kind!r}")
    if min(height, width) < 16:
        raise ValueError(f"a picture of {width}x{height} is too small for random holes; 16 pixels are needed")
    recipe = MASK_KINDS[kind]
    scale = min(height, width) / 256
    while True:
        canvas = Image.new("1", (width, height))
        draw = ImageDraw.Draw(canvas)
        if recipe.strokes is not None:
            _draw_strokes(draw, recipe.strokes, scale, rng)
        if recipe.boxes is not None and rng.random() < recipe.boxes.probability:
            _draw_boxes(draw, recipe.boxes, scale, rng)
        if recipe.silhouettes is not None:
            draw_silhouettes(draw, recipe.silhouettes, scale, rng)
        hole = np.asarray(canvas, dtype=bool)
        if 0 < hole.mean() <= MAX_HOLE_SHARE:
            return hole


def _draw_strokes(
    draw: ImageDraw.ImageDraw, strokes: Strokes, scale: float, rng: np.random.Generator
) -> None:
    width, height = draw.im.size
    for _ in range(rng.integers(strokes.chains[0], strokes.chains[1] + 1)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        for vertex in range(rng.integers(1, strokes.max_vertices + 1)):
            angle = rng.uniform(0, strokes.max_angle)
            if vertex % 2 == 0:
                # Every other segment turns back, so that a chain stays near where it began.
                angle = 2 * math.pi - angle
            length = rng.uniform(strokes.min_length, strokes.min_length + strokes.max_length) * scale
            brush = max(1.0, rng.uniform(strokes.min_width, strokes.min_width + strokes.max_width) * scale)
            end_x = min(max(x + length * math.sin(angle), 0), width)
            end_y = min(max(y + length * math.cos(angle), 0), height)
            draw.line((x, y, end_x, end_y), fill=1, width=max(1, round(brush)))
            radius = brush / 2
            for cx, cy in ((x, y), (end_x, end_y)):
                draw.ellipse((cx - radius, cy - radius, cx + radius, cy + radius), fill=1)
            x, y = end_x, end_y


def _draw_boxes(draw: ImageDraw.ImageDraw, boxes: Boxes, scale: float, rng: np.random.Generator) -> None:
    width, height = draw.im.size
    margin = boxes.margin * scale
    for _ in range(rng.integers(boxes.count[0], boxes.count[1] + 1)):
        box_width, box_height = (max(1.0, rng.uniform(*boxes.side) * scale) for _ in range(2))
        x = rng.uniform(margin, max(margin, width - margin - box_width))
        y = rng.uniform(margin, max(margin, height - margin - box_height))
        draw.rectangle((x, y, x + box_width - 1, y + box_height - 1), fill=1)
