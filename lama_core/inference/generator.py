"""The compiled generator: called like the plain one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from lama_core.inference.cuda_graphs import Layers
from lama_core.inference.estimate import peak_bytes
from lama_core.model.config import GeneratorConfig
from lama_core.model.generator import Generator, predict_with
from lama_core.model.predictor import Predictor

Precision = Literal["fp32", "bf16", "fp16"]


class FastGenerator(Predictor):
    """A generator compiled for one device; made by `compile_generator`.

    Attributes:
        config: of the generator that it was made of.
        precision: of its convolutions. Sums and Fourier transforms are float32 in any.
    """

    def __init__(
        self,
        network: Layers,
        *,
        config: GeneratorConfig,
        device: torch.device,
        precision: Precision,
        plain: Callable[[], Generator],
    ) -> None:
        """`plain`: gives the generator that this one computes the same as, when it is first wanted."""
        self.config = config
        self.device = device
        self.precision: Precision = precision
        self.output_stride = 2**config.downsamplings
        self._network = network
        self._load_plain = plain
        self._plain: Generator | None = None

    @property
    def plain(self) -> Generator:
        """The plain generator of the same weights, on the same device: for what needs gradients."""
        if self._plain is None:
            self._plain = self._load_plain().to(self.device)
        return self._plain

    @torch.inference_mode()
    def __call__(self, image: Tensor, hole: Tensor, /) -> Tensor:
        """Predict the whole picture; arguments, result and errors are those of `Generator.forward`.

        Args:
            image: (B, 3, H, W) float32 in 0..1.
            hole: (B, 1, H, W), 1 in the hole, 0 in the known region; bool or float.

        Returns:
            (B, 3, H, W) float32.
        """
        return predict_with(self._layers, self.config, image, hole)

    def peak_bytes(self, height: int, width: int) -> int:
        """About how many bytes a prediction of this size takes at most, beside the weights."""
        return peak_bytes(self.config, height, width, 4 if self.precision == "fp32" else 2)

    def _layers(self, x: Tensor) -> Tensor:
        return self._network(x, self.on_layer or _go_on)


def _go_on() -> None:
    pass
