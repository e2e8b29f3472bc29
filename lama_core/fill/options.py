"""How to fill, and how a fill ends when it does not end with a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lama_core.errors import LamaFillError

#: Told how far a fill is: the stage ("preparing", "filling", "blending") and the fraction of all of it, 0
#: to 1.
Progress = Callable[[str, float], None]

#: Asked between stages and windows; once it says True the fill ends with `FillCancelled`.
Cancelled = Callable[[], bool]


class FillError(LamaFillError):
    """This hole cannot be filled in this picture."""


class PredictionError(FillError):
    """What the model returned is no picture."""


class FillCancelled(LamaFillError):  # noqa: N818 - it is asked for, not an error
    """The one who asked for the fill does not want it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillOptions:
    """How to fill; the defaults are what an artist wants.

    Attributes:
        grow: by how many pixels the hole is dilated first; None: some that scale with the hole.
        feather: over how many pixels around the grown hole the fill is blended in; None: some that scale
            with it.
        context: what the network sees: "auto" by the hole's size, "whole" the whole picture, or a margin in
            pixels around the grown hole.
        join_islands: whether known regions that the hole encloses are filled too. None: those that are
            smaller than the hole itself, and none with a grow of 0, which means exactly this hole.
    """

    grow: int | None = None
    feather: int | None = None
    context: Literal["auto", "whole"] | int = "auto"
    join_islands: bool | None = None

    def __post_init__(self) -> None:
        for name, pixels in (("grow", self.grow), ("feather", self.feather)):
            if pixels is not None and pixels < 0:
                raise FillError(f"{name} is a number of pixels from 0 up, not {pixels}")
        known_word = self.context in ("auto", "whole")
        if not known_word and (not isinstance(self.context, int) or self.context < 0):
            raise FillError(
                f'context is "auto", "whole" or a number of pixels from 0 up, not {self.context!r}'
            )
