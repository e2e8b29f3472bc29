"""What a fill calls to predict a window, and what it may ask of it.

Predictor
├── ModulePredictor     a network of torch as it is, such as `Generator`
├── FunctionPredictor   any function of a picture and a hole
└── FastGenerator       the compiled generator, `lama_core.inference`
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lama_core.model.generator import Generator

Predict = Callable[[Tensor, Tensor], Tensor]
"""A picture (1, 3, H, W) in 0..1 and a hole (1, 1, H, W), 1 in the hole, both float32, to a prediction
(1, 3, H, W)."""

OUTPUT_STRIDE = 8
"""Of the published models: three downsamplings."""


class Predictor(ABC):
    """What predicts a window, with what it can do beside that.

    Attributes:
        device: where its arguments have to be.
        output_stride: pixels of the window, in either direction, that one feature of the network's
            bottleneck stands for. A checkerboard in a prediction has this period.
        on_layer: called between layers, many times a call, where there are layers; what it raises ends the
            call.
    """

    device: torch.device = torch.device("cpu")
    output_stride: int = OUTPUT_STRIDE
    on_layer: Callable[[], None] | None = None

    @property
    def plain(self) -> Generator | None:
        """The plain generator of the same weights, on the same device, for what needs gradients.

        It may have to be loaded first. None where there is none.
        """
        return None

    def peak_bytes(self, height: int, width: int) -> int | None:
        """About how many bytes a prediction of this size takes at most; None where that is not known.

        Args:
            height, width: of the window, in pixels.
        """
        return None

    @abstractmethod
    def __call__(self, image: Tensor, hole: Tensor, /) -> Tensor:
        """Predict a window.

        Args:
            image: (1, 3, H, W) float32 in 0..1, 0 in the hole.
            hole: (1, 1, H, W) float32, 1 in the hole.

        Returns:
            (1, 3, H, W).
        """


class ModulePredictor(Predictor):
    """A network that is a module of torch."""

    def __init__(self, module: nn.Module) -> None:
        """Take the device from the module's first parameter; a module without one stays on the CPU."""
        self._module = module
        self._plain = module if isinstance(module, Generator) else None
        if self._plain is not None:
            self.output_stride = 2**self._plain.config.downsamplings
        first = next(module.parameters(), None)
        self.device = torch.device("cpu") if first is None else first.device

    @property
    def plain(self) -> Generator | None:
        return self._plain

    def __call__(self, image: Tensor, hole: Tensor, /) -> Tensor:
        with self._calling_between_layers():
            out: Tensor = self._module(image, hole)
        return out

    @contextmanager
    def _calling_between_layers(self) -> Iterator[None]:
        """Call `on_layer` before each part of the module that has parts itself."""
        call = self.on_layer
        if call is None:
            yield
            return
        handles = [
            part.register_forward_pre_hook(lambda _part, _inputs: call())
            for part in self._module.modules()
            if any(True for _ in part.children())
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class FunctionPredictor(Predictor):
    """A function that predicts, on the CPU."""

    def __init__(self, function: Predict) -> None:
        self._function = function

    def __call__(self, image: Tensor, hole: Tensor, /) -> Tensor:
        return self._function(image, hole)


def as_predictor(generator: Predict) -> Predictor:
    """The predictor for whatever a caller of `fill` may give: a predictor, a module or a function."""
    if isinstance(generator, Predictor):
        return generator
    if isinstance(generator, nn.Module):
        return ModulePredictor(generator)
    return FunctionPredictor(generator)
