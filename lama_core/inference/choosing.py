"""What the compiled kernels are used for: by measurement, on this processor and with layers of these sizes.

Which is faster hangs on more than the instruction set. With a matrix unit (AMX) direct convolutions in
bfloat16 overtake Winograd's filtering on vectors by far, though that needs fewer products; without such a
unit none do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

import torch

from lama_core import kernels
from lama_core.inference.best_of import best_seconds
from lama_core.inference.blocks import Branches, Paths, paths_of
from lama_core.inference.convolution import Backend
from lama_core.inference.fold import Folded
from lama_core.inference.kernel_use import (
    CONVOLUTION_FORMS,
    NO_KERNELS,
    SIDES,
    ConvolutionForm,
    KernelUse,
)
from lama_core.inference.spectral import Spectral
from lama_core.model.config import GeneratorConfig

BackendOf = Callable[[KernelUse], Backend]
"""Makes the backend of a device and type that uses the kernels so."""
Seconds = Callable[[], float]
"""Runs something once, and gives the seconds that it took."""
_Name = TypeVar("_Name", bound=Hashable)

TOLERANCE = 1.05
"""What comes first is chosen unless it takes longer by this factor: what is as good as equal is decided the
same way each time."""
_NEAR = 1.3
"""Times that decide by less than this factor are measured again."""
_FFC = "blocks.0.1"
"""All FFCs have layers of the same sizes: one is measured."""


def choose_kernel_use(folded: Folded, config: GeneratorConfig, backend_of: BackendOf) -> KernelUse:
    """What to use the kernels for in a generator.

    Args:
        folded: its weights, in the type of the backend.
        config: its sizes.
        backend_of: makes its backend.
    """
    by_kernels, by_library = backend_of(KernelUse()), backend_of(NO_KERNELS)
    if by_kernels.kernels is None:
        return KernelUse()
    forms: list[ConvolutionForm] = [*CONVOLUTION_FORMS]
    if not kernels.has_matrix_unit(by_kernels.kernels):
        forms.remove("direct")
    with torch.inference_mode():
        maps = [_maps(config, by_kernels, side) for side in SIDES]
        paths = {
            form: paths_of(folded, _FFC, backend_of(KernelUse(convolutions=(form,) * len(SIDES))))
            for form in forms
        }
        transforms = {
            by is by_kernels: Spectral(folded, f"{_FFC}.spectral", by) for by in (by_kernels, by_library)
        }
        return KernelUse(
            convolutions=tuple(
                choose({form: _convolving(one, x) for form, one in paths.items()}) for x in maps
            ),
            fourier=tuple(
                choose({uses: _transforming(one, x) for uses, one in transforms.items()}) for x in maps
            ),
        )


def choose(candidates: Mapping[_Name, Seconds]) -> _Name:
    """The first candidate that is as fast as all others, or nearly so.

    Args:
        candidates: by name; two or more.
    """

    def decided_by(best: Mapping[_Name, float]) -> Iterator[tuple[_Name, float]]:
        """Candidates up to the chosen one, with their times as parts of the most that they may take."""
        for name, seconds in best.items():
            ratio = seconds / TOLERANCE / min(best[other] for other in best if other != name)
            yield name, ratio
            if ratio <= 1:
                return

    def is_near(best: Mapping[_Name, float]) -> bool:
        return any(1 / _NEAR < ratio < _NEAR for _, ratio in decided_by(best))

    *_, (chosen, _ratio) = decided_by(best_seconds(candidates, is_near=is_near))
    return chosen


def _maps(config: GeneratorConfig, backend: Backend, side: int) -> Branches:
    return Branches(
        *(
            torch.rand(1, channels, side, side, device=backend.device)
            .to(backend.dtype)
            .contiguous(memory_format=torch.channels_last)
            for channels in (config.local_channels, config.global_channels)
        )
    )


def _convolving(paths: Paths, x: Branches) -> Seconds:
    spectral = torch.zeros_like(x.globals)
    return _timed(lambda: paths(x, spectral, None))


def _transforming(transform: Spectral, x: Branches) -> Seconds:
    return _timed(lambda: transform(x.globals))


def _timed(work: Callable[[], object]) -> Seconds:
    work()  # what is prepared once does not count

    def seconds() -> float:
        begun = time.perf_counter()
        work()
        return time.perf_counter() - begun

    return seconds
