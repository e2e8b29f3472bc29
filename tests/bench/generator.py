"""The compiled generator against the plain one, size by size, and against what the machine could do."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.pool import Pool
from unittest.mock import patch

import torch

from lama_core.inference import FastGenerator, Precision, compile_generator, convolution
from lama_core.inference.choosing import BackendOf, choose_kernel_use
from lama_core.inference.compile import compile_folded
from lama_core.inference.fold import Folded, fold
from lama_core.inference.kernel_use import KernelUse
from lama_core.model import Generator
from tests.bench.floor import convolution_rates, operations
from tests.bench.models import CONFIGS, picture, random_generator
from tests.bench.report import Section
from tests.bench.timing import interleaved

SIZES = (256, 512, 1024, 1280)
ROUNDS = {256: 9, 512: 5, 1024: 3, 1280: 3}
TARGETS = {(256, "fp32"): 1.0, (256, "bf16"): 1.0, (1024, "fp32"): 4.0, (1024, "bf16"): 6.0}


def main() -> Section:
    """Time both models."""
    section = Section(
        title="The generator",
        note="Medians, all variants in turn. Speed-up: against the plain generator, eager fp32, which has a "
        "process of its own as torch makes it, because the compiled one changes how memory is kept and how "
        "threads wait. Of the floor: "
        "the time that oneDNN's direct convolutions alone would take at their best rate, over the time "
        "taken; Winograd's needs fewer operations and can be above 1. Errors: of values in 0..1, against "
        "the plain generator with the same random weights.",
        columns=(
            "model",
            "size",
            "variant",
            "seconds",
            "speed-up",
            "of the floor",
            "max error",
            "mean error",
        ),
    )
    rates = convolution_rates()
    for name, config in CONFIGS.items():
        plain = random_generator(config)
        fast = {}
        for precision in rates:
            fast[precision], used = _as_measured(plain, precision)
            if used != KernelUse():
                fast[f"{precision}, all by kernels"] = compile_generator(plain, precision=precision)
        with patch.object(convolution, "kernel_precision", lambda dtype: None):
            without = {f"{p}, no kernels": compile_generator(plain, precision=p) for p in rates}
        fast |= without
        with patch.dict("os.environ"):
            os.environ.pop("OMP_WAIT_POLICY", None)
            untouched = multiprocessing.get_context("spawn").Pool(1, _prepare_plain, (name,))
        with untouched:
            for side in SIZES:
                _compare(section, name, plain, untouched, fast, rates, side)
    return section


def _as_measured(plain: Generator, precision: Precision) -> tuple[FastGenerator, KernelUse]:
    """As `load_fast` compiles it, and what it uses the kernels for."""
    used: list[KernelUse] = []

    def use_of(one: Precision, folded: Folded, backend_of: BackendOf) -> KernelUse:
        used.append(choose_kernel_use(folded, plain.config, backend_of))
        return used[-1]

    cpu = torch.device("cpu")
    made = compile_folded(
        fold(plain), plain.config, lambda: plain, device=cpu, precision=precision, use_of=use_of
    )
    return made, used[-1]


_plain: Generator
"""Of the process that times it."""


def _prepare_plain(name: str) -> None:
    global _plain
    _plain = random_generator(CONFIGS[name])


def _run_plain(side: int) -> float:
    image, hole = picture(side, side)
    with torch.inference_mode():
        begin = time.perf_counter()
        _plain(image, hole)
        return time.perf_counter() - begin


def _compare(
    section: Section,
    name: str,
    plain: Generator,
    untouched: Pool,
    fast: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]],
    rates: dict[str, float],
    side: int,
) -> None:
    image, hole = picture(side, side)
    with torch.inference_mode():
        truth = plain(image, hole)
        errors = {precision: (work(image, hole) - truth).abs() for precision, work in fast.items()}
        candidates = {"plain": partial(untouched.apply, _run_plain, (side,))}
        candidates |= {precision: partial(work, image, hole) for precision, work in fast.items()}
        seconds = interleaved(candidates, rounds=ROUNDS[side])
    floor = operations(plain, side)
    for variant in itertools.chain(("plain",), fast):
        rate = rates["bf16" if variant.startswith("bf16") else "fp32"]
        error = errors.get(variant)
        ratio = seconds["plain"] / seconds[variant]
        section.row(
            name,
            side,
            variant,
            seconds[variant],
            ratio,
            floor / rate / seconds[variant],
            None if error is None else float(error.max()),
            None if error is None else float(error.mean()),
        )
        target = TARGETS.get((side, variant))
        if name == "big-lama" and target is not None:
            section.figure(
                f"{name}, {side}x{side}, {variant}: against plain", ratio, "x", target=target, at_least=True
            )
    for precision in rates:
        forms = [seconds[one] for one in seconds if one.startswith(precision)]
        section.figure(
            f"{name}, {side}x{side}, {precision}: as chosen at loading, against the better of all and none",
            seconds[precision] / min(forms),
            "x",
            target=1.05,
        )
        section.figure(
            f"{name}, {side}x{side}, {precision}: without the kernels, as a multiple",
            seconds[f"{precision}, no kernels"] / seconds[precision],
            "x",
            target=1.25 if name == "big-lama" and side == 1024 else None,
        )
