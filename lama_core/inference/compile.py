"""From a generator to the fastest form of it that a device has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from lama_core.client.errors import LamaFillError
from lama_core.inference.choosing import BackendOf
from lama_core.inference.convolution import Backend, OneDnn, Portable
from lama_core.inference.cuda_graphs import CudaGraphCache, Layers, cuda_recorder
from lama_core.inference.fold import Folded, fold
from lama_core.inference.generator import FastGenerator, Precision
from lama_core.inference.kernel_use import KernelUse
from lama_core.inference.memory import keep_freed_memory
from lama_core.inference.network import Network
from lama_core.inference.precision import try_precision
from lama_core.model.config import GeneratorConfig
from lama_core.model.generator import Generator

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
TYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


UseOf = Callable[[Precision, Folded, BackendOf], KernelUse]
"""From a precision, the weights in it, and what makes their backend, to what the kernels are used for."""


class FastError(LamaFillError):
    """A generator cannot be compiled as asked."""


def precision_of(name: str) -> Precision | Literal["auto"]:
    """The precision of a name.

    Raises:
        FastError: it is neither "auto" nor one of `PRECISIONS`.
    """
    if name == "auto":
        return "auto"
    for precision in PRECISIONS:
        if precision == name:
            return precision
    raise FastError(f"the precision is auto, {', '.join(PRECISIONS)}, not {name!r}")


def compile_generator(
    generator: Generator,
    *,
    device: str | torch.device = "cpu",
    precision: Precision | Literal["auto"] = "auto",
    kernel_use: KernelUse = KernelUse(),  # noqa: B008 - it is frozen
) -> FastGenerator:
    """Compile a generator for inference on a device.

    BatchNorm is folded into the convolutions, ReLU and sums are fused into them, maps lie channels-last, and
    the layers before and after the bottleneck work on strips of rows. On Linux the process keeps freed memory
    from then on (see `lama_core.inference.memory`).

    Args:
        generator: the plain one, in eval mode; it is not changed, and serves as `FastGenerator.plain`.
        device: as torch names it.
        precision: of the convolutions; "auto" is half precision where that is faster on this device and these
            weights hardly notice (see `lama_core.inference.precision`), else "fp32".
        kernel_use: of the compiled kernels, where there are any. `load_fast` measures it.

    Raises:
        FastError: this device does not compute in this precision.
    """
    return compile_folded(
        fold(generator),
        generator.config,
        lambda: generator,
        device=torch.device(device),
        precision=precision,
        use_of=lambda one, folded, backend_of: kernel_use,
    )


def compile_folded(
    folded: Folded,
    config: GeneratorConfig,
    plain: Callable[[], Generator],
    *,
    device: torch.device,
    precision: Precision | Literal["auto"],
    use_of: UseOf,
) -> FastGenerator:
    """As `compile_generator`, of weights that are folded already.

    Args:
        folded, config, device, precision: as there.
        plain: gives the generator that the weights are of.
        use_of: what the kernels are used for in a precision.
    """
    if device.type == "cpu":
        keep_freed_memory()

    def compiled(one: Precision) -> FastGenerator:
        weights = folded_in(one, folded)

        def backend_of(use: KernelUse) -> Backend:
            return _backend(device, one, use)

        network: Layers = Network(weights, config, backend_of(use_of(one, weights, backend_of)))
        if device.type == "cuda":
            network = CudaGraphCache(network, cuda_recorder())
        return FastGenerator(network, config=config, device=device, precision=one, plain=plain)

    if precision != "auto":
        return compiled(precision)
    exact = compiled("fp32")
    for candidate in _candidates(device):
        half = compiled(candidate)
        if try_precision(half, exact, device).passed:
            return half
    return exact


def folded_in(precision: Precision, folded: Folded) -> dict[str, Tensor]:
    """Weights as they are used in a precision; biases and the stem are float32 in any.

    They are rounded first of all, so that weights which were kept rounded give the same prediction.
    """
    dtype = TYPES[precision]
    exact = ("stem.weight",)
    return {
        name: v.to(dtype) if name.endswith(".weight") and name not in exact else v
        for name, v in folded.items()
    }


def _backend(device: torch.device, precision: Precision, use: KernelUse) -> Backend:
    if device.type != "cpu":
        return Portable(device, TYPES[precision], use)
    if precision not in ("fp32", *_candidates(device)):
        raise FastError(f"this CPU does not compute in {precision}: use the precision auto or fp32")
    if OneDnn.is_available():
        return OneDnn(TYPES[precision], use)
    return Portable(device, TYPES[precision], use)


def _candidates(device: torch.device) -> list[Precision]:
    """The half precisions that a device may be fast in."""
    if device.type == "cpu":
        fits = OneDnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return ["bf16"] if fits else []
    return ["fp16"]
