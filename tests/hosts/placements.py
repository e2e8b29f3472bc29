"""Where a layer may lie on its canvas, and what holds of its fill wherever that is."""

from __future__ import annotations

from typing import Any

import pytest

Place = tuple[int, int]

placements = pytest.mark.parametrize(
    ("at", "size", "hole"),
    [
        ((-40, -30), (100, 90), (-20, -10, 50, 40)),
        ((70, 60), (100, 90), (80, 70, 60, 50)),
        ((20, 10), (60, 50), (30, 20, 20, 20)),
        ((-40, -40), (240, 200), (50, 50, 30, 20)),
        ((20, 10), (60, 50), (5, 5, 30, 30)),
    ],
    ids=["before the canvas", "beyond the canvas", "smaller", "larger", "hole over the layer's edge"],
)
"""A layer's offset and size, and the selection, in pixels of a canvas of 120 x 96."""


def filled_within(answer: dict[str, Any], at: Place, size: Place) -> None:
    """The fill changed what is seen, and its layer lies within the photograph's."""
    assert answer["changed"]["inside"] > 50
    x, y, width, height = answer["fills"][0]["rect"]
    assert at[0] <= x
    assert at[1] <= y
    assert x + width <= at[0] + size[0]
    assert y + height <= at[1] + size[1]
