"""Convolutions with their bias, ReLU and sums fused, channels-last, in the best form that a device has.

None of them pads: what is around a map is put there by the caller, by reflection. Inputs and outputs are
(B, C, H, W) tensors that lie channels-last in memory.
"""

from __future__ import annotations

import functools
from typing import Protocol, overload

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.inference.kernel_use import NO_KERNELS, KernelUse

_TYPICAL_SIDE = 64
"""oneDNN packs weights for a size of the map. It makes no difference which, but without any the packed form
of bf16 is a slow one."""


class Convolution(Protocol):
    """A convolution whose weights have found their form."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """activation(convolution(x) + bias), a new tensor."""
        ...

    def onto(self, y: Tensor, x: Tensor, /) -> None:
        """In place: y = activation(y + convolution(x)), for a convolution without a bias."""
        ...


class Pointwise(Protocol):
    """A 1x1 convolution whose weights have found their form."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """activation(convolution(x) + bias), a new tensor."""
        ...


class UpsampleConv(Protocol):
    """A transposed convolution to twice the size, whose weights have found their form."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """(B, C, H, W) to (B, C', 2H, 2W), after ReLU."""
        ...


class Backend(Protocol):
    """Makes convolutions for one device and type.

    kernels: what the compiled kernels compute in here, None where there are none for this device and type.
    use: what they are used for.
    """

    dtype: torch.dtype
    device: torch.device
    kernels: kernels.Precision | None
    use: KernelUse

    def in_float32(self) -> Backend:
        """The same device's, in float32."""
        ...

    def convolution(
        self, weight: Tensor, bias: Tensor | None, *, relu: bool = False, stride: tuple[int, int] = (1, 1)
    ) -> Convolution:
        """Of weights (out, in, kh, kw) and a bias (out,), float32 on the CPU.

        `stride`: of rows and of columns.
        """
        ...

    def pointwise(self, weight: Tensor, bias: Tensor | None, *, relu: bool = False) -> Pointwise:
        """Of weights (out, in, 1, 1) and a bias (out,), float32 on the CPU."""
        ...

    def upsample_conv(self, weight: Tensor, bias: Tensor | None) -> UpsampleConv:
        """Of weights (in, out, 3, 3): transposed, with ReLU, from (H, W) to (2H, 2W)."""
        ...


def kernel_precision(dtype: torch.dtype) -> kernels.Precision | None:
    """What the compiled kernels compute in for maps of a type; None where they are not to be had."""
    known: dict[torch.dtype, kernels.Precision] = {torch.float32: "fp32", torch.bfloat16: "bf16"}
    precision = known.get(dtype)
    return precision if precision is not None and kernels.available(precision) else None


class OneDnn:
    """oneDNN's convolutions on a CPU, in float32 or bfloat16.

    Called below `F.conv2d`, because that neither fuses ReLU and sums nor uses oneDNN for 1x1 in every type.
    """

    device = torch.device("cpu")

    def __init__(self, dtype: torch.dtype, use: KernelUse = KernelUse()) -> None:  # noqa: B008 - it is frozen
        """`dtype`: of the maps; sums are float32 whatever it is. `use`: of the kernels."""
        self.dtype = dtype
        self.kernels = kernel_precision(dtype)
        self.use = NO_KERNELS if self.kernels is None else use

    @staticmethod
    @functools.cache
    def is_available() -> bool:
        """Whether this torch computes right with what is called here.

        These functions are private to torch: builds for Arm and old ones lack them, and a new one may change
        them. So each form is tried once on a few numbers.
        """
        backend, x = OneDnn(torch.float32), torch.linspace(-1, 1, 64).view(1, 4, 4, 4)
        x = x.contiguous(memory_format=torch.channels_last)
        weight, point = (
            torch.linspace(-1, 1, 144).view(4, 4, 3, 3),
            torch.linspace(-1, 1, 16).view(4, 4, 1, 1),
        )
        try:
            found = [
                backend.convolution(weight, None, relu=True)(x),
                backend.pointwise(point, None)(x),
                backend.upsample_conv(weight, torch.zeros(4))(x),
                torch.zeros(1, 4, 2, 2).contiguous(memory_format=torch.channels_last),
            ]
            backend.convolution(weight, None).onto(found[3], x)
        except (AttributeError, RuntimeError, TypeError, ValueError):
            return False
        exact = [
            F.conv2d(x, weight).relu_(),
            F.conv2d(x, point),
            F.conv_transpose2d(x, weight, None, 2, 1, 1).relu_(),
            F.conv2d(x, weight),
        ]
        return all(torch.allclose(one, other, atol=1e-4) for one, other in zip(found, exact, strict=True))

    def in_float32(self) -> Backend:
        return OneDnn(torch.float32)

    def convolution(
        self, weight: Tensor, bias: Tensor | None, *, relu: bool = False, stride: tuple[int, int] = (1, 1)
    ) -> Convolution:
        return _OneDnnConvolution(weight.to(self.dtype), bias, relu=relu, stride=stride)

    def pointwise(self, weight: Tensor, bias: Tensor | None, *, relu: bool = False) -> Pointwise:
        return _OneDnnPointwise(weight.to(self.dtype), bias, relu=relu)

    def upsample_conv(self, weight: Tensor, bias: Tensor | None) -> UpsampleConv:
        return _OneDnnUpsampleConv(weight.to(self.dtype), bias)


class _OneDnnConvolution:
    def __init__(self, weight: Tensor, bias: Tensor | None, *, relu: bool, stride: tuple[int, int]) -> None:
        typical = [1, weight.shape[1], _TYPICAL_SIDE, _TYPICAL_SIDE]
        self._weight: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            weight, [0, 0], stride, [1, 1], 1, typical
        )
        self._bias = _own(bias)
        self._activation = "relu" if relu else "none"
        self._stride = stride

    def __call__(self, x: Tensor, /) -> Tensor:
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self._weight, self._bias, [0, 0], self._stride, [1, 1], 1, self._activation, [], ""
        )
        return y

    def onto(self, y: Tensor, x: Tensor, /) -> None:
        torch.ops.mkldnn._convolution_pointwise_.binary(
            y,
            x,
            self._weight,
            None,  # in half precision a bias would have to be rounded here
            [0, 0],
            self._stride,
            [1, 1],
            1,
            "add",
            1.0,
            self._activation if self._activation != "none" else None,  # "none" is refused here
            [],
            "",
        )


class _OneDnnPointwise:
    """A product of matrices.

    As a convolution oneDNN takes up to ten times as long for maps of some sizes, those of a window of 320
    pixels among them, and a tenth longer for all others.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, *, relu: bool) -> None:
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(
            weight.flatten(1).contiguous(), _TYPICAL_SIDE**2
        )
        self._bias = _own(bias)
        self._activation = "relu" if relu else "none"

    def __call__(self, x: Tensor, /) -> Tensor:
        rows = x.permute(0, 2, 3, 1)  # (B, H, W, C), as it lies in memory
        y: Tensor = torch.ops.mkldnn._linear_pointwise(
            rows, self._weight, self._bias, self._activation, [], ""
        )
        return y.permute(0, 3, 1, 2)


def _own(bias: Tensor | None) -> Tensor | None:
    """A copy: a part of a mapped file would keep all of it in memory."""
    return None if bias is None else bias.clone()


class _OneDnnUpsampleConv:
    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        typical = [1, weight.shape[0], _TYPICAL_SIDE, _TYPICAL_SIDE]
        self._weight: Tensor = torch.ops.mkldnn._reorder_convolution_transpose_weight(
            weight, [1, 1], [1, 1], [2, 2], [1, 1], 1, typical
        )
        self._bias = _own(bias)

    def __call__(self, x: Tensor, /) -> Tensor:
        y: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(
            x, self._weight, self._bias, [1, 1], [1, 1], [2, 2], [1, 1], 1, "relu", [], ""
        )
        return y


class Portable:
    """What every device of torch's has: nothing is fused, but BatchNorm is gone, maps lie channels-last."""

    def __init__(
        self,
        device: torch.device,
        dtype: torch.dtype,
        use: KernelUse = KernelUse(),  # noqa: B008 - it is frozen
    ) -> None:
        self.device = device
        self.dtype = dtype
        self.kernels = kernel_precision(dtype) if device.type == "cpu" else None
        self.use = NO_KERNELS if self.kernels is None else use

    def in_float32(self) -> Backend:
        return Portable(self.device, torch.float32)

    def convolution(
        self, weight: Tensor, bias: Tensor | None, *, relu: bool = False, stride: tuple[int, int] = (1, 1)
    ) -> Convolution:
        return _PortableConvolution(self._put(weight), self._put(bias), relu=relu, stride=stride)

    def pointwise(self, weight: Tensor, bias: Tensor | None, *, relu: bool = False) -> Pointwise:
        return self.convolution(weight, bias, relu=relu)

    def upsample_conv(self, weight: Tensor, bias: Tensor | None) -> UpsampleConv:
        return _PortableUpsampleConv(self._put(weight), self._put(bias))

    @overload
    def _put(self, values: Tensor) -> Tensor: ...
    @overload
    def _put(self, values: None) -> None: ...
    def _put(self, values: Tensor | None) -> Tensor | None:
        if values is None:
            return None
        layout = torch.channels_last if values.dim() == 4 else torch.contiguous_format
        return values.to(self.device, self.dtype, memory_format=layout)


class _PortableConvolution:
    def __init__(self, weight: Tensor, bias: Tensor | None, *, relu: bool, stride: tuple[int, int]) -> None:
        self._weight, self._bias, self._relu, self._stride = weight, bias, relu, stride

    def __call__(self, x: Tensor, /) -> Tensor:
        y = F.conv2d(x, self._weight, self._bias, self._stride)
        return y.relu_() if self._relu else y

    def onto(self, y: Tensor, x: Tensor, /) -> None:
        y.add_(F.conv2d(x, self._weight, self._bias, self._stride))
        if self._relu:
            y.relu_()


class _PortableUpsampleConv:
    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor, /) -> Tensor:
        return F.conv_transpose2d(x, self._weight, self._bias, 2, 1, 1).relu_()
