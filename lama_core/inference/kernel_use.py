"""Which of the layers that the compiled kernels can compute they do compute, by the size of the map."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final, Literal, get_args

ConvolutionForm = Literal["winograd", "direct", "library"]
"""How 3x3 convolutions are computed: by the kernels, with Winograd's filtering or by a matrix unit, or by
oneDNN."""
CONVOLUTION_FORMS: Final[tuple[ConvolutionForm, ...]] = get_args(ConvolutionForm)

SIDES: Final = (32, 64, 128)
"""Sides of maps that stand for small, medium and large ones: the bottlenecks of windows of 256, 512 and 1024
pixels."""


_WINOGRAD: Final[ConvolutionForm] = "winograd"
_LIBRARY: Final[ConvolutionForm] = "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelUse:
    """What the compiled kernels do, where there are any; the rest is done by oneDNN or by torch.

    Attributes:
        convolutions: how the 3x3 convolutions of the blocks are computed, for each of `SIDES`.
        fourier: whether the kernels compute the Fourier transforms, likewise.
    """

    convolutions: tuple[ConvolutionForm, ...] = (_WINOGRAD,) * len(SIDES)
    fourier: tuple[bool, ...] = (True,) * len(SIDES)


NO_KERNELS: Final = KernelUse(convolutions=(_LIBRARY,) * len(SIDES), fourier=(False,) * len(SIDES))


def size_class(height: int, width: int) -> int:
    """Which of `SIDES` stands for maps of this size: the nearest, by the ratio of the areas."""
    area = height * width
    bounds = (small * large for small, large in itertools.pairwise(SIDES))
    return sum(area > bound for bound in bounds)
