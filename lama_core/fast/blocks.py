"""The residual blocks of the bottleneck, where nearly all of the time goes."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from lama_core.fast.convolution import Backend
from lama_core.fast.fold import Folded
from lama_core.fast.spectral import Spectral


class Branches(NamedTuple):
    """The local and the global branch: (B, C_local, H, W) and (B, C_global, H, W), channels-last."""

    local: Tensor
    globals: Tensor


class Ffc:
    """An FFC with its BatchNorms and ReLUs."""

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        def weights(path: str, bias: str = "") -> tuple[Tensor, Tensor | None]:
            return folded[f"{name}.{path}.weight"], folded.get(f"{name}.{path}.bias")

        self._local_to_local = backend.convolution(*weights("local_to_local"))
        self._global_to_local = backend.convolution(*weights("global_to_local"), relu=True)
        self._local_to_global = backend.convolution(*weights("local_to_global"))
        self._spectral = Spectral(folded, f"{name}.spectral", backend)
        self._spectral_out = backend.convolution(*weights("spectral.out"), relu=True)

    def __call__(self, x: Branches) -> Branches:
        """To the same shapes."""
        local = F.pad(x.local, (1, 1, 1, 1), mode="reflect")
        y_global = self._local_to_global(local)
        y_local = self._local_to_local(local)
        del local
        self._global_to_local.onto(y_local, F.pad(x.globals, (1, 1, 1, 1), mode="reflect"))
        self._spectral_out.onto(y_global, self._spectral(x.globals))
        return Branches(y_local, y_global)


class Block:
    """Two FFCs with a skip around them."""

    def __init__(self, folded: Folded, name: str, backend: Backend) -> None:
        self._first = Ffc(folded, f"{name}.1", backend)
        self._second = Ffc(folded, f"{name}.2", backend)

    def __call__(self, x: Branches) -> Branches:
        """To the same shapes; `x` is not used any more after that."""
        y = self._second(self._first(x))
        return Branches(x.local.add_(y.local), x.globals.add_(y.globals))
