"""Which channels of a TIFF are colour and transparency, and which are neither (ExtraSamples, TIFF 6.0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lama_cli.pictures.associated import associate, unassociate

UNSPECIFIED: Final = 0
ASSOCIATED: Final = 1
UNASSOCIATED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """All channels of a file that are not just colour and unassociated alpha.

    Attributes:
        stored: (H, W, C), upright and as they are stored, colours first.
        extra: ExtraSamples's value of each channel after the colours.
    """

    stored: NDArray[Any]
    extra: tuple[int, ...]

    @property
    def beside(self) -> int:
        """The number of channels that are neither colour nor transparency."""
        return len(self.extra) - (alpha_of(self.extra) is not None)


def alpha_of(extra: tuple[int, ...]) -> int | None:
    """Which of the extra channels is transparency: the first that the file calls so."""
    return next((n for n, value in enumerate(extra) if value in (ASSOCIATED, UNASSOCIATED)), None)


def split(stored: NDArray[Any], extra: tuple[int, ...]) -> tuple[NDArray[Any], Samples | None]:
    """The colours and the transparency of a file's channels, and what is needed to put them back.

    Returns:
        (H, W, 1 to 4), of unassociated alpha; and None where that is all there is.
    """
    if extra in ((), (UNASSOCIATED,)):
        return stored, None
    pixels = np.ascontiguousarray(stored[:, :, _shown(stored, extra)])
    if _is_associated(extra):
        pixels = unassociate(pixels)
    return pixels, Samples(stored=stored, extra=extra)


def join(pixels: NDArray[Any], samples: Samples) -> NDArray[Any]:
    """The channels of a file with other colours and transparency; what was not changed is as it was."""
    shown = _shown(samples.stored, samples.extra)
    joined: NDArray[Any] = samples.stored.copy()
    if _is_associated(samples.extra):
        pixels = associate(pixels, np.ascontiguousarray(joined[:, :, shown]))
    joined[:, :, shown] = pixels
    return joined


def _shown(stored: NDArray[Any], extra: tuple[int, ...]) -> list[int]:
    colours = stored.shape[2] - len(extra)
    alpha = alpha_of(extra)
    return [*range(colours), *(() if alpha is None else (colours + alpha,))]


def _is_associated(extra: tuple[int, ...]) -> bool:
    alpha = alpha_of(extra)
    return alpha is not None and extra[alpha] == ASSOCIATED
