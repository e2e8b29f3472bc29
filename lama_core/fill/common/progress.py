"""How far a fill is, a first look at it, and whether to go on with it: one object for all three."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lama_core.client.geometry import Rect
from lama_core.fill.common.errors import FillCancelled

Stage = Literal["preparing", "filling", "blending"]

Report = Callable[[str, float], None]
"""Takes the stage and the fraction of all work that is done, 0 to 1."""

Cancelled = Callable[[], bool]
"""Says whether the fill is no longer wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A first look at a fill, small and coarse.

    Attributes:
        rect: the part of the picture that it shows; the last column and row of `pixels` may reach out of it.
        scale: pixels of the picture, in either direction, for one of the preview.
        pixels: (h, w, 4) uint8, RGBA, alpha straight, encoded for a screen. Alpha is how much of the fill
            shows; where it is 0 the colour is that of the picture.
    """

    rect: Rect
    scale: int
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a piece of work: of a whole fill, or of a part of one.

    Attributes:
        on_report: called by `report`; None: reports go nowhere.
        on_preview: takes the preview, once a fill at most; None: none is made.
        cancelled: asked by `check`; None: the fill is never cancelled.
        stage: of this piece of work.
        begin, end: the fractions of the whole fill between which this piece lies.
    """

    on_report: Report | None = None
    on_preview: Callable[[Preview], None] | None = None
    cancelled: Cancelled | None = None
    stage: Stage = "preparing"
    begin: float = 0.0
    end: float = 1.0

    def report(self, fraction: float) -> None:
        """Report which fraction of this piece of work is done, 0 to 1."""
        if self.on_report is not None:
            self.on_report(self.stage, self._at(fraction))

    def check(self) -> None:
        """Ask whether to go on; called between steps that take long.

        Raises:
            FillCancelled: the fill is no longer wanted.
        """
        if self.cancelled is not None and self.cancelled():
            raise FillCancelled("the fill was cancelled")

    def part(self, begin: float, end: float, stage: Stage | None = None) -> Progress:
        """The progress of a part of this piece of work.

        Args:
            begin, end: the fractions of this piece between which the part lies, 0 to 1.
            stage: of the part; None: this one's.
        """
        return replace(self, begin=self._at(begin), end=self._at(end), stage=stage or self.stage)

    def _at(self, fraction: float) -> float:
        # In this form exact at both ends, so that parts which follow each other never go back.
        return (1 - fraction) * self.begin + fraction * self.end
