"""On which threads the compiled kernels work: torch's own where they can be had, else as many of Python's."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

pytest.importorskip(
    "lama_fill_kernels", reason="the kernels are not built: pip install --no-build-isolation ./kernels"
)

from lama_core import kernels
from lama_core.inference import fourier
from lama_core.inference.kernel_conv import KernelConv

_COUNTED = """
import os, threading, torch
from lama_core.inference import fourier
torch.set_num_threads(3)
x = torch.rand(1, 96, 40, 40).contiguous(memory_format=torch.channels_last)
(x + 1) * x  # torch's threads are there from now on
before = len(os.listdir("/proc/self/task"))
fourier.rfft2(x)
print(before, len(os.listdir("/proc/self/task")), threading.active_count())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="torch's threads are known on Linux alone")
def test_no_thread_beside_those_of_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _COUNTED], capture_output=True, text=True, check=True)
    before, after, of_python = map(int, done.stdout.split())
    assert before >= 3
    assert (after, of_python) == (before, 1)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_same_bits_on_threads_of_python(threads, monkeypatch, count) -> None:
    if kernels._team() is None:
        pytest.skip("there are none but Python's")
    threads(count)
    generator = torch.Generator().manual_seed(count)
    x = torch.randn(1, 48, 37, 50, generator=generator).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(64, 48, 3, 3, generator=generator)
    convolution = KernelConv([[weight]], [None], relu=False, precision="fp32")

    def computed() -> list[torch.Tensor]:
        return [*convolution([x]), fourier.rfft2(x)]

    own = computed()
    monkeypatch.setattr(kernels, "_team", lambda: None)
    for one, other in zip(own, computed(), strict=True):
        assert torch.equal(one, other)


def test_from_several_threads_at_once(threads) -> None:
    """Each has a team of its own."""
    threads(2)
    x = torch.rand(1, 64, 40, 40).contiguous(memory_format=torch.channels_last)
    truth = fourier.rfft2(x)
    same: list[bool] = []
    kernels.on_all_threads(lambda: same.append(torch.equal(fourier.rfft2(x), truth)), 4)
    assert same == [True] * 4
