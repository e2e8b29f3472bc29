"""The layers of the compiled generator: what `Generator.network` computes, from folded weights."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from lama_core.inference.blocks import Block
from lama_core.inference.convolution import Backend
from lama_core.inference.fold import Folded
from lama_core.inference.row_strips import Decoder, Encoder
from lama_core.model.config import GeneratorConfig


class Network:
    """All layers for one device and type."""

    def __init__(self, folded: Folded, config: GeneratorConfig, backend: Backend) -> None:
        self._encoder = Encoder(folded, config, backend)
        self._blocks = [Block(folded, f"blocks.{n}", backend) for n in range(config.blocks)]
        self._decoder = Decoder(folded, config, backend)

    def __call__(self, x: Tensor, on_layer: Callable[[], None]) -> Tensor:
        """(B, 4, H, W) float32, H and W as `padded_size` gives them, to (B, 3, H, W) float32.

        `on_layer` is called between layers; what it raises ends the computation.
        """
        branches = self._encoder(x, on_layer)
        for block in self._blocks:
            branches = block(branches, on_layer)
        return self._decoder(branches, on_layer)
