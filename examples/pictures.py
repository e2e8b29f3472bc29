"""Photographs that may be shown anywhere, each with something to remove.

All are public domain or CC0 and part of scikit-image's sample data: a rocket between lightning towers
(SpaceX), the astronaut Eileen Collins (NASA), a cup of coffee (Rachel Michetti), and the cat Chelsea (Stefan
van der Walt).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from skimage import data

Points = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A photograph, and the outlines and strokes of what is to go, (x, y) in its pixels."""

    photo: Callable[[], npt.NDArray[np.uint8]]
    outlines: tuple[Points, ...] = ()
    strokes: tuple[Points, ...] = ()
    stroke_width: int = 9

    def hole(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool, True where the photograph is to be filled."""
        height, width = self.photo().shape[:2]
        mask = Image.new("1", (width, height))
        draw = ImageDraw.Draw(mask)
        for outline in self.outlines:
            draw.polygon(outline, fill=1)
        for stroke in self.strokes:
            draw.line(stroke, fill=1, width=self.stroke_width, joint="curve")
        return np.asarray(mask, dtype=bool)


EXAMPLES: Mapping[str, Example] = MappingProxyType(
    {
        "rocket": Example(
            photo=data.rocket,
            outlines=(
                (
                    (192, 118),
                    (208, 118),
                    (208, 220),
                    (212, 380),
                    (210, 427),
                    (160, 427),
                    (164, 380),
                    (184, 220),
                ),
                (
                    (438, 118),
                    (454, 118),
                    (464, 220),
                    (484, 370),
                    (490, 427),
                    (426, 427),
                    (430, 370),
                    (436, 220),
                ),
            ),
        ),
        "astronaut": Example(
            photo=data.astronaut,
            outlines=(
                (
                    *((390, 0), (442, 0), (458, 50), (462, 190), (466, 262), (476, 284), (364, 290)),
                    *((358, 262), (348, 216), (372, 170), (370, 60)),
                ),
            ),
        ),
        "coffee": Example(
            photo=data.coffee,
            outlines=(
                (
                    *((396, 62), (428, 64), (424, 100), (398, 210), (392, 232), (412, 270), (410, 300)),
                    *((384, 330), (348, 332), (322, 302), (326, 262), (358, 236), (376, 232), (386, 190)),
                    *((410, 110),),
                ),
            ),
        ),
        "chelsea": Example(
            photo=data.chelsea,
            strokes=(
                ((20, 40), (140, 90), (210, 60), (300, 170), (420, 150)),
                ((60, 280), (150, 200), (260, 240), (340, 90)),
                ((380, 20), (330, 120), (400, 260)),
            ),
        ),
    }
)
