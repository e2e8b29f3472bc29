"""Contact sheets: fills side by side, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from lama_core.research.evaluation.evaluate import Comparison
from lama_core.research.evaluation.metrics import Hole, Picture

HOLE_COLOUR = (236, 0, 140)
CAPTION_HEIGHT = 18
GAP = 4


def contact_sheet(comparisons: Sequence[Comparison], *, side: int = 256) -> Image.Image:
    """A sheet with a row for each comparison.

    The picture with its hole marked, every method's fill, the truth with the hole outlined.

    Args:
        comparisons: one or more, all of the same methods.
        side: longest side of a picture on the sheet, pixels.
    """
    names = ["hole", *comparisons[0].fills, "original"]
    rows = [_row(one, side) for one in comparisons]
    height = CAPTION_HEIGHT + GAP + sum(row[0].height + GAP for row in rows)
    sheet = Image.new("RGB", (GAP + len(names) * (side + GAP), height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(names):
        draw.text((GAP + column * (side + GAP), 2), name, fill="black")
    top = CAPTION_HEIGHT + GAP
    for row in rows:
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * (side + GAP), top))
        top += row[0].height + GAP
    return sheet


def _row(one: Comparison, side: int) -> list[Image.Image]:
    photo, hole = one.case.photo, one.case.hole
    pictures = [thumbnail(pixels, side) for pixels in (mark_hole(photo, hole), *one.fills.values(), photo)]
    # The line is drawn at the sheet's own size: a pixel of a large picture would not be seen.
    small = np.asarray(Image.fromarray(hole).resize(pictures[-1].size, Image.Resampling.NEAREST))
    pictures[-1] = Image.fromarray(outline_hole(np.asarray(pictures[-1]), small))
    return pictures


def thumbnail(pixels: Picture, side: int) -> Image.Image:
    """The picture with no side longer than `side`: shrunk, never enlarged."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture


def mark_hole(photo: Picture, hole: Hole) -> Picture:
    """The photo with its hole in a colour that photos do not have: (H, W, 3) uint8, (H, W) bool."""
    return np.where(hole[:, :, None], np.array(HOLE_COLOUR, np.uint8), photo)


def outline_hole(photo: Picture, hole: Hole) -> Picture:
    """The photo with a line of one pixel just inside of its hole: (H, W, 3) uint8, (H, W) bool."""
    inner = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return mark_hole(photo, hole & ~inner)


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet; the format follows from the name's ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
