"""What this machine could do at best: its rate of convolution, and its memory's bandwidth."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F

from lama_core.model import Generator
from tests.bench.report import Section
from tests.bench.timing import interleaved

Precision = Literal["fp32", "bf16"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}
SIDE, CHANNELS = 128, 384
"""The largest convolution of big-lama's blocks at 1024x1024."""
COPY_BYTES = 1 << 28


def convolution_rates() -> dict[Precision, float]:
    """Floating-point operations a second of oneDNN's direct 3x3 convolution, channels last."""
    candidates = {}
    for precision, dtype in DTYPES.items():
        x = torch.rand(1, CHANNELS, SIDE, SIDE).to(dtype, memory_format=torch.channels_last)
        weight = torch.rand(CHANNELS, CHANNELS, 3, 3).to(dtype, memory_format=torch.channels_last)
        candidates[precision] = lambda x=x, weight=weight: F.conv2d(x, weight, padding=1)
    with torch.inference_mode():
        seconds = interleaved(candidates, rounds=7, warm=2)
    operations = 2 * SIDE**2 * CHANNELS**2 * 9
    return {precision: operations / seconds[precision] for precision in DTYPES}


def bandwidth() -> float:
    """Bytes a second that memory is read and written with, copying."""
    source = torch.ones(COPY_BYTES // 4)
    target = torch.empty_like(source)
    seconds = interleaved({"copy": lambda: target.copy_(source)}, rounds=7, warm=2)
    return 2 * COPY_BYTES / seconds["copy"]


def operations(generator: Generator, side: int) -> float:
    """Floating-point operations of the plain generator's convolutions for a square window.

    They are torch's own count. The FFTs are left out: they are under 1 %.
    """
    from torch.utils.flop_counter import FlopCounterMode

    small = 256  # the count is proportional to the area
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        generator(torch.zeros(1, 3, small, small), torch.ones(1, 1, small, small))
    return float(counter.get_total_flops()) * (side / small) ** 2


def main() -> Section:
    """Measure the machine."""
    section = Section(title="The machine", note="Direct convolution by oneDNN, 384 to 384 channels, 128x128.")
    for precision, rate in convolution_rates().items():
        section.figure(f"convolution, {precision}", rate / 1e9, "GFLOP/s")
    section.figure("memory, read and written", bandwidth() / 1e9, "GB/s")
    return section
