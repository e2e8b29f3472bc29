"""What a caller may choose about a fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lama_core.fill.errors import FillError
from lama_core.image.transfer import TRANSFERS, Transfer

Quality = Literal["fast", "balanced", "best"]
QUALITIES: Final[tuple[Quality, ...]] = ("fast", "balanced", "best")


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
        quality: "fast" calls the network once for each window; "balanced" and "best" take more time.
        seed: 0 or more; another one varies the fill, the same one gives the same pixels.
        seam: whether offsets of colour at the hole's edge are evened out.
        grain: whether the fill gets the grain of its surroundings.
        light: how the picture's numbers stand for light: "perceptual" (sRGB and the like, as files have them)
            or "linear", in proportion to it; then the fill works in a perceptual encoding and gives linear
            numbers back.
        memory: bytes that a fill may take beside the picture and the model; None: by what there is.
    """

    grow: int | None = None
    feather: int | None = None
    context: Literal["auto", "whole"] | int = "auto"
    join_islands: bool | None = None
    quality: Quality = "balanced"
    seed: int = 0
    seam: bool = True
    grain: bool = True
    light: Transfer = "perceptual"
    memory: int | None = None

    def __post_init__(self) -> None:
        for name, pixels in (("grow", self.grow), ("feather", self.feather)):
            if pixels is not None and pixels < 0:
                raise FillError(f"{name} is a number of pixels from 0 up, not {pixels}")
        known_word = self.context in ("auto", "whole")
        if not known_word and (not isinstance(self.context, int) or self.context < 0):
            raise FillError(
                f'context is "auto", "whole" or a number of pixels from 0 up, not {self.context!r}'
            )
        for word, known in (("quality", QUALITIES), ("light", TRANSFERS)):
            value = getattr(self, word)
            if value not in known:
                raise FillError(f"{word} is one of {', '.join(known)}, not {value!r}")
        if self.seed < 0:
            raise FillError(f"seed is a number from 0 up, not {self.seed}")
        if self.memory is not None and self.memory <= 0:
            raise FillError(f"memory is a number of bytes, more than 0, not {self.memory}")
