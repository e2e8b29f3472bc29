"""Contact sheets: fills side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from lama_core.evaluation.evaluate import Comparison
from lama_core.evaluation.metrics import Hole, Picture

HOLE_COLOUR = (236, 0, 140)
CAPTION_HEIGHT = 18
GAP = 4


def contact_sheet(comparisons: Sequence[Comparison], *, side: int = 256) -> Image.Image:
    """A row for each comparison: the picture with its hole marked, every method's fill, the truth.

    Args:
        comparisons: one or more, all of the same methods.
        side: longest side of a picture on the sheet, pixels.
    """
    names = ["hole", *comparisons[0].fills, "original"]
    sheet = Image.new(
        "RGB",
        (len(names) * (side + GAP) + GAP, CAPTION_HEIGHT + len(comparisons) * (side + GAP) + GAP),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((GAP + column * (side + GAP), 2), name, fill="black")
    for row, one in enumerate(comparisons):
        pictures = [mark_hole(one.case.photo, one.case.hole), *one.fills.values(), one.case.photo]
        for column, pixels in enumerate(pictures):
            picture = Image.fromarray(pixels)
            picture.thumbnail((side, side), Image.Resampling.LANCZOS)
            place = (GAP + column * (side + GAP), CAPTION_HEIGHT + GAP + row * (side + GAP))
            sheet.paste(picture, place)
    return sheet


def mark_hole(photo: Picture, hole: Hole) -> Picture:
    """The photo with its hole in a colour that photos do not have: (H, W, 3) uint8, (H, W) bool."""
    return np.where(hole[:, :, None], np.array(HOLE_COLOUR, np.uint8), photo)


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet; the format follows from the name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
