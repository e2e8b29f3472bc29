"""CUDA graphs: a whole pass of the network as one command to the GPU.

Hundreds of small kernels make up a pass, and telling a GPU of each takes the CPU longer than the GPU
computes. A graph records them once for a size of window. It is recorded when a size comes for the second
time, which for many windows never happens, and costs little more than the pass itself.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor

log = logging.getLogger(__name__)

OnLayer = Callable[[], None]
Layers = Callable[[Tensor, OnLayer], Tensor]
"""What a `Network` is: a map (B, 4, H, W) and what to call between layers, to (B, 3, H, W)."""
Recorder = Callable[[Layers, Tensor], Layers]
"""Records layers for maps of the size of the one that is given. Results are the caller's own."""

MAX_GRAPHS = 6
"""Sizes whose graphs are kept; the one that was used longest ago goes first."""
MAX_PIXELS = 4 << 20
"""Of a window; in larger ones the GPU is busy anyway, and a graph keeps the memory of all its maps."""


class CudaGraphCache:
    """Layers that are replayed for sizes that come again. Between layers of a replay nothing is called."""

    def __init__(self, layers: Layers, record: Recorder) -> None:
        self._layers = layers
        self._record = record
        # None for a size that came once.
        self._known: OrderedDict[tuple[int, ...], Layers | None] = OrderedDict()

    def __call__(self, x: Tensor, on_layer: OnLayer) -> Tensor:
        """As the layers themselves."""
        size = tuple(x.shape)
        again = size in self._known
        known = self._known.get(size)
        if size[0] * size[2] * size[3] <= MAX_PIXELS:
            if again and known is None:
                known = self._recorded(x)
            self._keep(size, known)
        try:
            return (known or self._layers)(x, on_layer)
        except torch.OutOfMemoryError:
            self._known.clear()  # whoever tries again with less has the memory of the graphs too
            raise

    def _recorded(self, x: Tensor) -> Layers:
        try:
            return self._record(self._layers, x)
        except RuntimeError as error:  # not the memory for it, or something that cannot be recorded
            log.warning("no CUDA graph for %s: %s", tuple(x.shape), error)
            return self._layers

    def _keep(self, size: tuple[int, ...], layers: Layers | None) -> None:
        self._known[size] = layers
        self._known.move_to_end(size)
        while len(self._known) > MAX_GRAPHS:
            self._known.popitem(last=False)


def cuda_recorder() -> Recorder:
    """Records CUDA graphs that share their memory, because only one of them is replayed at a time."""
    pool = torch.cuda.graph_pool_handle()

    def record(layers: Layers, x: Tensor) -> Layers:
        into = x.clone()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            out = layers(into, lambda: None)

        def replay(x: Tensor, on_layer: OnLayer) -> Tensor:
            on_layer()
            into.copy_(x)
            graph.replay()
            return out.clone()

        return replay

    return record
