"""What the compiled kernels are used for: by measurement, on this processor and with layers of these sizes.

Which is faster hangs on more than the instruction set. With a matrix unit (AMX) oneDNN's direct convolutions
of large maps in bfloat16 overtake Winograd's filtering on vectors by far, though that needs fewer products;
those of small maps do not, and without such a unit none do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from lama_core.inference.best_of import best_seconds
from lama_core.inference.blocks import Branches, Paths, paths_of
from lama_core.inference.convolution import Backend
from lama_core.inference.fold import Folded
from lama_core.inference.kernel_use import NO_KERNELS, SIDES, KernelUse
from lama_core.inference.spectral import Spectral
from lama_core.model.config import GeneratorConfig

BackendOf = Callable[[KernelUse], Backend]
"""Makes the backend of a device and type that uses the kernels so."""
Seconds = Callable[[], float]
"""Runs something once, and gives the seconds that it took."""

TOLERANCE = 1.05
"""The kernels are used unless they take longer by this factor: what is as good as equal is decided the same
way each time."""
_NEAR = 1.3
"""Times within this factor of `TOLERANCE` are measured again."""
_FFC = "blocks.0.1"
"""All FFCs have layers of the same sizes: one is measured."""


def choose_kernel_use(folded: Folded, config: GeneratorConfig, backend_of: BackendOf) -> KernelUse:
    """What to use the kernels for in a generator.

    Args:
        folded: its weights, in the type of the backend.
        config: its sizes.
        backend_of: makes its backend.
    """
    backends = [backend_of(use) for use in (KernelUse(), NO_KERNELS)]
    if backends[0].kernels is None:
        return KernelUse()
    with torch.inference_mode():
        maps = [_maps(config, backends[0], side) for side in SIDES]
        paths = [paths_of(folded, _FFC, backend) for backend in backends]
        transforms = [Spectral(folded, f"{_FFC}.spectral", backend) for backend in backends]
        return KernelUse(
            convolutions=tuple(are_worth_it(*(_convolving(one, x) for one in paths)) for x in maps),
            fourier=tuple(are_worth_it(*(_transforming(one, x) for one in transforms)) for x in maps),
        )


def are_worth_it(kernels: Seconds, library: Seconds) -> bool:
    """Whether the kernels are as fast as what the library has, or nearly so."""

    def ratio(best: Mapping[str, float]) -> float:
        return best["kernels"] / best["library"]

    def is_near(best: Mapping[str, float]) -> bool:
        return 1 / _NEAR < ratio(best) / TOLERANCE < _NEAR

    return ratio(best_seconds({"kernels": kernels, "library": library}, is_near=is_near)) <= TOLERANCE


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
