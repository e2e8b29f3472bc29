"""When a size of window is recorded, replayed and forgotten; on a CPU, where recording is calling."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from lama_core.inference import compile_generator, cuda_graphs
from lama_core.inference.cuda_graphs import CudaGraphCache
from lama_core.inference.cuda_graphs import Layers as AnyLayers
from lama_core.model import GeneratorConfig


class Layers:
    """Counts its calls, and looks up once in each."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, on_layer: Callable[[], None]) -> Tensor:
        self.calls += 1
        on_layer()
        return x[:, :3] * 2


class Recorder:
    def __init__(self, error: Exception | None = None) -> None:
        self.recorded: list[tuple[int, ...]] = []
        self.replays = 0
        self.error = error

    def __call__(self, layers: AnyLayers, x: Tensor) -> AnyLayers:
        self.recorded.append(tuple(x.shape[2:]))
        if self.error is not None:
            raise self.error
        layers(x, lambda: None)

        def replay(y: Tensor, on_layer: Callable[[], None]) -> Tensor:
            on_layer()
            self.replays += 1
            return y[:, :3] * 2

        return replay


def ask(graphed: CudaGraphCache, height: int, width: int = 8) -> int:
    """How often it looked up."""
    looks: list[None] = []
    x = torch.rand(1, 4, height, width)
    assert torch.equal(graphed(x, lambda: looks.append(None)), x[:, :3] * 2)
    return len(looks)


def test_a_size_is_recorded_when_it_comes_again() -> None:
    layers, record = Layers(), Recorder()
    graphed = CudaGraphCache(layers, record)
    ask(graphed, 8)
    ask(graphed, 16)
    assert (layers.calls, record.recorded) == (2, [])
    for _ in range(3):
        assert ask(graphed, 8) == 1  # to be cancelled
    assert (record.recorded, record.replays, layers.calls) == ([(8, 8)], 3, 3)


def test_only_a_few_sizes_are_kept() -> None:
    record = Recorder()
    graphed = CudaGraphCache(Layers(), record)
    sizes = [8 * n for n in range(1, cuda_graphs.MAX_GRAPHS + 2)]
    for size in sizes[: cuda_graphs.MAX_GRAPHS]:
        ask(graphed, size)
        ask(graphed, size)
    ask(graphed, sizes[0])  # so the second is now the oldest
    ask(graphed, sizes[-1])
    record.recorded.clear()
    ask(graphed, sizes[0])
    assert record.recorded == []
    ask(graphed, sizes[1])
    ask(graphed, sizes[1])
    assert record.recorded == [(sizes[1], 8)]


def test_a_large_window_is_never_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_graphs, "MAX_PIXELS", 8 * 100)
    record = Recorder()
    graphed = CudaGraphCache(Layers(), record)
    for _ in range(3):
        ask(graphed, 101)
        ask(graphed, 100)
    assert record.recorded == [(100, 8)]


def test_where_recording_fails_it_goes_on_without() -> None:
    record = Recorder(RuntimeError("operation not permitted when stream is capturing"))
    layers = Layers()
    graphed = CudaGraphCache(layers, record)
    for _ in range(4):
        assert ask(graphed, 8) == 1
    assert (layers.calls, record.replays, record.recorded) == (4, 0, [(8, 8)])


def test_what_it_keeps_goes_when_there_is_no_memory() -> None:
    layers, record = Layers(), Recorder()
    graphed = CudaGraphCache(layers, record)
    for _ in range(2):
        ask(graphed, 8)

    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        graphed(torch.rand(1, 4, 800, 8), full)
    ask(graphed, 8)
    assert (layers.calls, record.replays) == (4, 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_replay_on_a_gpu_is_the_pass_itself(make_generator, picture) -> None:
    fast = compile_generator(
        make_generator(GeneratorConfig(width=8, blocks=2)), device="cuda", precision="fp16"
    )
    pictures = [[part.cuda() for part in picture(128, 96)] for _ in range(2)]
    pictures[1][0] = 1 - pictures[1][0]
    passed = [fast(*one) for one in pictures]  # the first as it is, the second records
    replayed = [fast(*one) for one in pictures]
    for before, after in zip(passed, replayed, strict=True):
        assert torch.allclose(before, after, atol=1e-3)
