"""The residual blocks of the bottleneck, where nearly all of the time goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.inference.convolution import Backend
from lama_core.inference.fold import Folded
from lama_core.inference.kernel_conv import KernelConv, Tile
from lama_core.inference.kernel_use import ConvolutionForm, size_class
from lama_core.inference.spectral import Spectral


class Branches(NamedTuple):
    """The local and the global branch: (B, C_local, H, W) and (B, C_global, H, W), channels-last."""

    local: Tensor
    globals: Tensor


class Paths(Protocol):
    """The three 3x3 convolutions of an FFC, with all that is added to their sums."""

    def __call__(self, x: Branches, spectral: Tensor, skip: Branches | None, /) -> Branches:
        """relu(sums of the convolutions and what else there is) + `skip`, to the same shapes.

        `spectral` is the rest of the global branch's sum, with its bias. It and
        `skip` may be overwritten with the result.
        """
        ...


class Block:
    """Two FFCs with a skip around them."""

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        self._first = _Ffc(folded, f"{name}.1", backend)
        self._second = _Ffc(folded, f"{name}.2", backend)

    def __call__(self, x: Branches, on_layer: Callable[[], None]) -> Branches:
        """To the same shapes; `x` is not what it was after that."""
        return self._second(self._first(x, None, on_layer), x, on_layer)


class _Ffc:
    """An FFC with its BatchNorms and ReLUs."""

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        self._spectral = Spectral(folded, f"{name}.spectral", backend)
        # The bias of the global branch is added here, and nowhere else.
        self._spectral_out = backend.pointwise(
            folded[f"{name}.spectral.out.weight"], folded[f"{name}.local_to_global.bias"]
        )
        self._paths = paths_of(folded, name, backend)

    def __call__(self, x: Branches, skip: Branches | None, on_layer: Callable[[], None]) -> Branches:
        on_layer()
        spectral = self._spectral_out(self._spectral(x.globals))
        on_layer()
        return self._paths(x, spectral, skip)


def paths_of(folded: Folded, name: str, backend: Backend) -> Paths:
    """The convolutions of the FFC of that name, as the backend computes them."""
    forms = {form: _paths_in(form, folded, name, backend) for form in set(backend.use.convolutions)}
    if len(forms) == 1:
        return next(iter(forms.values()))
    return _PathsBySize([forms[form] for form in backend.use.convolutions])


def _paths_in(form: ConvolutionForm, folded: Folded, name: str, backend: Backend) -> Paths:
    if form == "library" or backend.kernels is None:
        return _LibraryPaths(folded, name, backend)
    is_direct = form == "direct" and kernels.has_matrix_unit(backend.kernels)
    return _KernelPaths(folded, name, backend.kernels, 1 if is_direct else None)


class _PathsBySize:
    """The fastest for each size of map. The weights are there in each form, a half to one more memory."""

    def __init__(self, paths: Sequence[Paths]) -> None:
        """`paths`: for each of `kernel_use.SIDES`."""
        self._paths = paths

    def __call__(self, x: Branches, spectral: Tensor, skip: Branches | None, /) -> Branches:
        return self._paths[size_class(x.local.shape[2], x.local.shape[3])](x, spectral, skip)


class _KernelPaths:
    """By compiled kernels, everything in one pass."""

    def __init__(self, folded: Folded, name: str, precision: kernels.Precision, tile: Tile | None) -> None:
        self._conv = KernelConv(
            [
                [folded[f"{name}.local_to_local.weight"], folded[f"{name}.global_to_local.weight"]],
                [folded[f"{name}.local_to_global.weight"], None],
            ],
            [folded[f"{name}.local_to_local.bias"], None],
            relu=True,
            precision=precision,
            tile=tile,
        )

    def __call__(self, x: Branches, spectral: Tensor, skip: Branches | None, /) -> Branches:
        outs = [torch.empty_like(x.local), spectral] if skip is None else list(skip)
        return Branches(*self._conv(x, adds=[None, spectral], residuals=skip, outs=outs))


class _LibraryPaths:
    """By the backend's convolutions."""

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        self._local_to_local = backend.convolution(
            folded[f"{name}.local_to_local.weight"], folded[f"{name}.local_to_local.bias"]
        )
        self._global_to_local, self._local_to_global = (
            backend.convolution(folded[f"{name}.{path}.weight"], None, relu=True)
            for path in ("global_to_local", "local_to_global")
        )

    def __call__(self, x: Branches, spectral: Tensor, skip: Branches | None, /) -> Branches:
        padded = F.pad(x.local, (1, 1, 1, 1), mode="reflect")
        self._local_to_global.onto(spectral, padded)
        local = self._local_to_local(padded)
        del padded
        self._global_to_local.onto(local, F.pad(x.globals, (1, 1, 1, 1), mode="reflect"))
        if skip is None:
            return Branches(local, spectral)
        return Branches(skip.local.add_(local), skip.globals.add_(spectral))
