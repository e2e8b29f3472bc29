"""The compiled generator on a GPU: time, memory, and how far it is from the plain one and from the floor."""

from __future__ import annotations

import time
from functools import partial

import torch
from torch.nn import functional as F

from lama_core.inference import compile_generator
from lama_core.inference.generator import Precision
from lama_core.model import Generator
from lama_core.model.predictor import Predict
from tests.bench.floor import CHANNELS, operations
from tests.bench.models import CONFIGS, picture, random_generator
from tests.bench.report import Section
from tests.bench.timing import interleaved

DEVICE = torch.device("cuda")

#: Width and height, and the most milliseconds, of an H200.
CASES = (((512, 512), None), ((1280, 1280), 15.0), ((3840, 2160), 120.0))
MEMORY_TARGET = 1.0
"""GB on the device in all, at 1280x1280."""
SPEED_UP_TARGET = 5.0
ROUNDS = 9


def main() -> Section:
    """Time big-lama's size, where there is a CUDA device."""
    section = Section(
        title="On a GPU",
        columns=(
            "size",
            "variant",
            "ms",
            "speed-up",
            "of the floor",
            "max error",
            "mean error",
            "memory, GB",
        ),
    )
    if not torch.cuda.is_available():
        section.note = "There is no CUDA device on this machine, so nothing was measured."
        return section
    section.note = (
        f"{torch.cuda.get_device_name()}. Medians, in turn; pictures stay on the device. Plain: eager "
        "float32, as torch is set by default. Of the floor: the time that convolutions alone would "
        "take at the best rate of half precision, over the time taken. Memory: the most that torch took of "
        "the device, weights included."
    )
    plain = random_generator(CONFIGS["big-lama"])
    each_pixel = operations(plain, 256) / 256**2
    plain.to(DEVICE)
    rate = _convolution_rate()
    section.figure("convolution, fp16", rate / 1e12, "TFLOP/s")
    for (width, height), most in CASES:
        _compare(section, plain, each_pixel / rate, width, height, most)
    return section


def _compare(
    section: Section,
    plain: Generator,
    floor: float,
    width: int,
    height: int,
    most: float | None,
) -> None:
    """`floor`: the least seconds a pixel. `most`: milliseconds."""
    size = f"{width}x{height}"
    image, hole = (part.to(DEVICE) for part in picture(height, width))
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    memory: dict[str, float] = {one: _peak(plain, one, image, hole) for one in precisions}
    variants: dict[str, Predict] = {"plain": plain}
    variants |= {one: compile_generator(plain, device=DEVICE, precision=one) for one in precisions}
    with torch.inference_mode():
        truth = plain(image, hole)
        errors = {name: (work(image, hole) - truth).abs() for name, work in variants.items()}
        timed = {name: partial(_seconds, work, image, hole) for name, work in variants.items()}
        seconds = interleaved(timed, rounds=ROUNDS, warm=3)
    for name, error in errors.items():
        section.row(
            size,
            name,
            seconds[name] * 1e3,
            seconds["plain"] / seconds[name],
            floor * width * height / seconds[name],
            float(error.max()),
            float(error.mean()),
            memory.get(name),
        )
    if most is not None:
        section.figure(f"{size}, fp16", seconds["fp16"] * 1e3, "ms", target=most)
    if size == "1280x1280":
        ratio = seconds["plain"] / seconds["fp16"]
        section.figure(f"{size}, fp16: against plain", ratio, "x", target=SPEED_UP_TARGET, at_least=True)
        section.figure(f"{size}, fp16: memory in all", memory["fp16"], "GB", target=MEMORY_TARGET)


def _seconds(work: Predict, image: torch.Tensor, hole: torch.Tensor) -> float:
    torch.accelerator.synchronize(DEVICE)
    begin = time.perf_counter()
    work(image, hole)
    torch.accelerator.synchronize(DEVICE)
    return time.perf_counter() - begin


def _peak(plain: Generator, precision: Precision, image: torch.Tensor, hole: torch.Tensor) -> float:
    """GB that torch takes of the device for three calls, less the plain generator, which lies beside."""
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved(DEVICE)
    torch.cuda.reset_peak_memory_stats(DEVICE)
    work = compile_generator(plain, device=DEVICE, precision=precision)
    for _ in range(3):
        work(image, hole)
    return (torch.cuda.max_memory_reserved(DEVICE) - before) / 1e9


def _convolution_rate() -> float:
    """Floating-point operations a second of a 3x3 convolution in half precision, channels last."""
    side = 256
    x = torch.rand(4, CHANNELS, side, side, device=DEVICE).half().to(memory_format=torch.channels_last)
    weight = torch.rand(CHANNELS, CHANNELS, 3, 3, device=DEVICE).half()
    weight = weight.to(memory_format=torch.channels_last)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    with torch.inference_mode():
        for _ in range(3):
            F.conv2d(x, weight, padding=1)
        begin.record()
        for _ in range(20):
            F.conv2d(x, weight, padding=1)
        end.record()
    torch.cuda.synchronize()
    return 20 * 2 * 4 * side**2 * CHANNELS**2 * 9 / (begin.elapsed_time(end) / 1e3)
