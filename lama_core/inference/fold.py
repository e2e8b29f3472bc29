"""A generator's weights with every BatchNorm folded into the convolution before it.

In eval mode BatchNorm multiplies and shifts each channel by constants, so the convolution can do that as
well: its weights are multiplied and the shift becomes its bias. Two paths that are summed before a BatchNorm
share it: both are multiplied, and the shift is added once. Everything is computed in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from lama_core.model.ffc import FFC, FFCNormAct, FourierUnit, SpectralTransform
from lama_core.model.generator import Generator, UpNormAct

Folded = Mapping[str, Tensor]
"""Weights and biases in float32 by name, without any BatchNorm. For `NAME.weight` there may be a `NAME.bias`:

stem, head: (out, in, 7, 7)
downs.N (the last one as downs.N.local and downs.N.global): (out, in, 3, 3), stride 2
blocks.N.1, blocks.N.2:
    local_to_local (with the bias of the local branch), global_to_local, local_to_global (with the bias of
    the global branch): (out, in, 3, 3)
    spectral.in, spectral.out, spectral.unit, spectral.quadrants (local Fourier unit only): (out, in, 1, 1)
ups.N: (in, out, 3, 3), transposed, stride 2
"""


def fold(generator: Generator) -> dict[str, Tensor]:
    """The folded weights of a generator, on the CPU; see `Folded`."""
    folder = _Folder()
    folder.add("stem", generator.stem.ffc.local_to_local, generator.stem.norm_local)
    for level, module in enumerate(generator.downs):
        down = cast(FFCNormAct, module)
        if down.norm_global is None:
            folder.add(f"downs.{level}", down.ffc.local_to_local, down.norm_local)
        else:
            folder.add(f"downs.{level}.local", down.ffc.local_to_local, down.norm_local)
            folder.add(f"downs.{level}.global", _there(down.ffc.local_to_global), down.norm_global)
    for number, block in enumerate(generator.blocks):
        folder.add_ffc(f"blocks.{number}.1", cast(FFCNormAct, block.conv1))
        folder.add_ffc(f"blocks.{number}.2", cast(FFCNormAct, block.conv2))
    for level, module in enumerate(generator.ups):
        up = cast(UpNormAct, module)
        folder.add_transposed(f"ups.{level}", up.conv, up.norm)
    folder.add("head", generator.head, None)
    return folder.folded


def _there(conv: nn.Conv2d | None) -> nn.Conv2d:
    assert conv is not None, "an FFC with a global branch has this path"
    return conv


class _Folder:
    def __init__(self) -> None:
        self.folded: dict[str, Tensor] = {}

    def add(self, name: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None, *, shift: bool = True) -> None:
        """A convolution; with `shift` False without the norm's shift, which another path has."""
        weight, bias = _wide(conv.weight), None if conv.bias is None else _wide(conv.bias)
        if norm is not None:
            scale, offset = _affine(norm)
            weight = weight * scale.view(-1, 1, 1, 1)
            if bias is not None:
                offset = offset + bias * scale
            bias = offset if shift else None
        self._keep(name, weight, bias)

    def add_transposed(self, name: str, conv: nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
        scale, bias = _affine(norm)
        if conv.bias is not None:
            bias = bias + _wide(conv.bias) * scale
        self._keep(name, _wide(conv.weight) * scale.view(1, -1, 1, 1), bias)

    def add_ffc(self, name: str, module: FFCNormAct) -> None:
        ffc: FFC = module.ffc
        assert module.norm_global is not None
        assert ffc.global_to_global is not None
        self.add(f"{name}.local_to_local", ffc.local_to_local, module.norm_local)
        self.add(f"{name}.global_to_local", _there(ffc.global_to_local), module.norm_local, shift=False)
        self.add(f"{name}.local_to_global", _there(ffc.local_to_global), module.norm_global)
        spectral: SpectralTransform = ffc.global_to_global
        self.add(f"{name}.spectral.in", spectral.conv_in, spectral.norm_in)
        self._add_unit(f"{name}.spectral.unit", spectral.fourier_unit)
        if spectral.local_fourier_unit is not None:
            self._add_unit(f"{name}.spectral.quadrants", spectral.local_fourier_unit)
        self.add(f"{name}.spectral.out", spectral.conv_out, module.norm_global, shift=False)

    def _add_unit(self, name: str, unit: FourierUnit) -> None:
        self.add(name, unit.conv, unit.norm)

    def _keep(self, name: str, weight: Tensor, bias: Tensor | None) -> None:
        self.folded[f"{name}.weight"] = weight.float().contiguous()
        if bias is not None:
            self.folded[f"{name}.bias"] = bias.float().contiguous()


def _wide(values: Tensor) -> Tensor:
    return values.detach().to("cpu", torch.float64)


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """What a BatchNorm in eval mode multiplies each channel by, and then adds."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = _wide(norm.weight) / torch.sqrt(_wide(norm.running_var) + norm.eps)
    return scale, _wide(norm.bias) - _wide(norm.running_mean) * scale
