"""A network and a GPU that are not there, for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import torch
from torch import nn

from lama_core.client.protocol.messages import Device
from lama_server.worker import engine


class Flat(nn.Module):
    """Predicts one colour everywhere; `before` is called first, with the size of the window."""

    def __init__(self, before: Callable[[int, int], None] = lambda height, width: None) -> None:
        super().__init__()
        self._before = before
        self.windows: list[tuple[int, int]] = []

    def forward(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        self.windows.append((image.shape[2], image.shape[3]))
        self._before(image.shape[2], image.shape[3])
        return torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand_as(image)


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Lets the engine believe in a GPU."""
    gpu = Device(id="cuda:0", name="pretended")
    with (
        mock.patch.object(engine, "choose_device", return_value=torch.device("cuda")),
        mock.patch.object(engine, "describe_device", return_value=gpu),
        mock.patch.object(engine, "memory_in_use", return_value=0),
    ):
        yield
