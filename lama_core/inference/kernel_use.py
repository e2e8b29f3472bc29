"""Which of the layers that the compiled kernels can compute they do compute, by the size of the map."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final

SIDES: Final = (32, 64, 128)
"""Sides of maps that stand for small, medium and large ones: the bottlenecks of windows of 256, 512 and 1024
pixels."""
_EVERYWHERE: Final = (True,) * len(SIDES)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelUse:
    """What the compiled kernels do, where there are any; the rest is done by oneDNN or by torch.

    Attributes:
        convolutions: whether the 3x3 convolutions of the blocks, for each of `SIDES`.
        fourier: whether the Fourier transforms, likewise.
    """

    convolutions: tuple[bool, ...] = _EVERYWHERE
    fourier: tuple[bool, ...] = _EVERYWHERE


NO_KERNELS: Final = KernelUse(convolutions=(False,) * len(SIDES), fourier=(False,) * len(SIDES))


def size_class(height: int, width: int) -> int:
    """Which of `SIDES` stands for maps of this size: the nearest, by the ratio of the areas."""
    area = height * width
    bounds = (small * large for small, large in itertools.pairwise(SIDES))
    return sum(area > bound for bound in bounds)
