"""3x3 convolutions in the compiled kernels: by Winograd's minimal filtering, or directly by a matrix unit.

A tile of 4x4 outputs takes 36 products for each pair of channels instead of 144, one of 2x2 takes 16 instead
of 36 (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016). Several convolutions share
one pass: inputs that are summed are summed before the transform back, and an input is transformed once for
all outputs. A matrix unit (AMX) multiplies so fast that transforms would cost more than they save: there the
products of the definition, a tile of 1x1, are faster, and rounded less.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.kernels import Precision

Tile = Literal[1, 2, 4]


class KernelConv:
    """Convolutions from some maps to others, each 3x3 with one pixel of reflected padding and stride 1.

    `out[o] = relu(sum over i of conv(maps[i], weights[o][i]) + biases[o] + adds[o]) + residuals[o]`
    """

    def __init__(
        self,
        weights: Sequence[Sequence[Tensor | None]],
        biases: Sequence[Tensor | None],
        *,
        relu: bool,
        precision: Precision,
        tile: Tile | None = None,
    ) -> None:
        """Transform the weights.

        Args:
            weights: for each output, for each input: (O, I, 3, 3) float32, or None where there is no such
                path. Up to 4 outputs and 4 inputs; each has a path at least.
            biases: for each output (O,) float32, or None.
            relu: whether there is a ReLU.
            precision: what the products are computed in; they are always summed in float32, and so are the
                transforms. Maps may be float32 or bfloat16 in either.
            tile: side of a tile of outputs. None: 4 in fp32, 2 in bf16, where 4 has three times the error. 1
                where `kernels.has_matrix_unit`, for "bf16": no filtering.

        Raises:
            RuntimeError: the kernels are not there, or not for this precision and tile (see
                `kernels.available`).
            ValueError: the weights do not fit each other.
        """
        isa = kernels.best_isa(precision)
        if isa is None or (tile == 1 and not kernels.has_matrix_unit(precision)):
            raise RuntimeError(f"there are no compiled kernels for {precision} on this machine")
        from lama_fill_kernels import MAX_MAPS, Type, library

        if not 1 <= len(weights) <= MAX_MAPS or len(biases) != len(weights):
            raise ValueError(f"from 1 to {MAX_MAPS} outputs with a bias or None each, please")
        if not 1 <= len(weights[0]) <= MAX_MAPS or any(len(row) != len(weights[0]) for row in weights):
            raise ValueError(f"from 1 to {MAX_MAPS} inputs, the same number for each output, please")
        self.precision = precision
        self.tile: Tile = tile or (2 if precision == "bf16" else 4)
        self.relu = relu
        self.channels_in = [
            _one_size(row[i].shape[1] for row in weights if row[i] is not None)  # type: ignore[union-attr]
            for i in range(len(weights[0]))
        ]
        self.channels_out = [_one_size(w.shape[0] for w in row if w is not None) for row in weights]
        self._library = library
        self._plan = library.lfk_plan_new(
            isa,
            Type[precision.upper()],
            self.tile,
            len(self.channels_in),
            (ctypes.c_int32 * len(self.channels_in))(*self.channels_in),
            len(self.channels_out),
            (ctypes.c_int32 * len(self.channels_out))(*self.channels_out),
            bytes(w is not None for row in weights for w in row),
        )
        if not self._plan:
            raise MemoryError("no memory for a plan of convolutions")
        weakref.finalize(self, library.lfk_plan_free, self._plan)
        self._packed = kernels.memory(library.lfk_weight_bytes(self._plan))
        for o, row in enumerate(weights):
            for i, w in enumerate(row):
                if w is not None:
                    self._pack(o, i, w)
        # Vectors of biases are read whole.
        self._biases = [
            torch.zeros(-(-size // 16) * 16) if bias is None else F.pad(bias.float(), (0, -size % 16))
            for bias, size in zip(biases, self.channels_out, strict=True)
        ]

    @property
    def weight_bytes(self) -> int:
        """Memory that the transformed weights take."""
        return self._packed.numel()

    def __call__(
        self,
        maps: Sequence[Tensor],
        *,
        adds: Sequence[Tensor | None] | None = None,
        residuals: Sequence[Tensor | None] | None = None,
        outs: Sequence[Tensor] | None = None,
    ) -> list[Tensor]:
        """The outputs, (B, O, H, W) each, in channels-last order.

        Args:
            maps: (B, I, H, W) for each input, float32 or bfloat16, channels-last; a slice of channels will
                do. H and W are 2 or more.
            adds: for each output a map of its shape and type, or None.
            residuals: likewise.
            outs: where the outputs go: maps that overlap none of `maps`. One may be the same as its `adds` or
                `residuals`. None: new ones of the type of the first map.

        Raises:
            ValueError: a shape, type or memory format does not fit.
        """
        from lama_fill_kernels import Job, Output

        batch, _, height, width = maps[0].shape
        if min(height, width) < 2:
            raise ValueError(f"a reflected edge needs 2 pixels at least, and the map is {width} x {height}")
        if outs is None:
            outs = [
                torch.empty(
                    (batch, size, height, width), dtype=maps[0].dtype, memory_format=torch.channels_last
                )
                for size in self.channels_out
            ]
        nothing: list[Tensor | None] = [None] * len(self.channels_out)
        adds, residuals = adds or nothing, residuals or nothing
        job = Job()
        job.plan, job.weights = self._plan, self._packed.data_ptr()
        job.batch, job.height, job.width = batch, height, width
        address = ctypes.addressof(job)
        self._library.lfk_share(address, torch.get_num_threads())
        for number, (tensor, channels) in enumerate(zip(maps, self.channels_in, strict=True)):
            _check(tensor, (batch, channels, height, width), None)
            job.inputs[number] = kernels.as_map(tensor)
        ends = zip(outs, adds, residuals, self._biases, self.channels_out, strict=True)
        for number, (out, add, residual, bias, channels) in enumerate(ends):
            for given in (out, add, residual):
                _check(given, (batch, channels, height, width), out.dtype)
            job.outputs[number] = Output(
                kernels.as_map(out),
                kernels.as_map(add),
                kernels.as_map(residual),
                bias.data_ptr(),
                self.relu,
                0,
            )
        kernels.run("lfk_run", address, self._library.lfk_scratch_bytes(self._plan, job.block_tiles))
        return list(outs)

    def _pack(self, o: int, i: int, weights: Tensor) -> None:
        if weights.shape != (self.channels_out[o], self.channels_in[i], 3, 3):
            raise ValueError(f"weights are (O, I, 3, 3), not {tuple(weights.shape)}")
        from lama_fill_kernels import PackJob

        whole = weights.detach().float().contiguous()
        job = PackJob(self._plan, o, i, whole.data_ptr(), self._packed.data_ptr(), 0, 0)
        kernels.run("lfk_pack", ctypes.addressof(job), 0)


def _one_size(sizes: Iterable[int]) -> int:
    """What all of `sizes` are."""
    found = set(sizes)
    if len(found) != 1:
        raise ValueError("an input or output has no path, or paths of different channels")
    return found.pop()


def _check(tensor: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype | None) -> None:
    if tensor is None:
        return
    if tuple(tensor.shape) != shape:
        raise ValueError(f"a map is {tuple(tensor.shape)} and should be {shape}")
    if dtype is not None and tensor.dtype != dtype:
        raise ValueError(f"what is added must have the type of the output, {dtype}, not {tensor.dtype}")
