"""What the kernels are used for: decided by times, the same way each time, and right in any way."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from lama_core import kernels
from lama_core.inference import choosing, compile_generator
from lama_core.inference.choosing import TOLERANCE, choose, choose_kernel_use
from lama_core.inference.compile import _backend
from lama_core.inference.fold import fold
from lama_core.inference.kernel_use import NO_KERNELS, SIDES, KernelUse, size_class
from lama_core.model import GeneratorConfig

CONFIG = GeneratorConfig(width=8, blocks=2)
CPU = torch.device("cpu")

needs_kernels = pytest.mark.skipif(not kernels.available(), reason="the kernels are not installed")


@pytest.mark.parametrize(
    ("ratio", "worth_it"), [(0.5, True), (1.0, True), (1.04, True), (1.06, False), (3.0, False)]
)
def test_kernels_that_take_longer_are_not_used(ratio: float, worth_it: bool) -> None:
    assert choose({True: lambda: ratio, False: lambda: 1.0}) is worth_it


@pytest.mark.parametrize(
    ("times", "chosen"),
    [
        ((1, 3, 2), "first"),
        ((1.04, 1, 2), "first"),
        ((2, 1, 3), "second"),
        ((2, 1.04, 1), "second"),
        ((1.04, 1.1, 1), "first"),
        ((2, 1.1, 1), "third"),
    ],
)
def test_the_first_that_is_as_fast_as_any_is_chosen(times: tuple[float, ...], chosen: str) -> None:
    candidates = zip(("first", "second", "third"), times, strict=True)
    assert choose({name: partial(float, seconds) for name, seconds in candidates}) == chosen


def test_a_busy_machine_hardly_ever_costs_more_than_the_tolerance() -> None:
    """Half of the runs are held up, by up to three times as long."""
    randoms = random.Random(1)

    def seconds(true: float) -> float:
        return true * (randoms.uniform(1, 3) if randoms.random() < 0.5 else randoms.uniform(1, 1.03))

    for ratio in (0.5, 0.8, 1.25, 2.0):
        chosen = [choose({True: partial(seconds, ratio), False: partial(seconds, 1)}) for _ in range(300)]
        wrong = sum(one != (ratio <= TOLERANCE) for one in chosen)
        assert wrong <= 15, ratio  # one turn alone: 70


def test_near_things_are_measured_again() -> None:
    runs = itertools.count()

    def library() -> float:
        next(runs)
        return 1.0

    choose({"kernels": lambda: 0.1, "library": library})
    few = next(runs)
    choose({"kernels": lambda: 1.06, "library": library})
    assert next(runs) - few > 2 * few


@pytest.mark.parametrize(
    ("size", "side"),
    [((1, 1), 32), ((32, 32), 32), ((45, 45), 32), ((46, 46), 64), ((90, 90), 64), ((91, 91), 128)],
)
def test_the_nearest_size_stands_for_a_map(size: tuple[int, int], side: int) -> None:
    assert SIDES[size_class(*size)] == side


@needs_kernels
def test_each_part_and_size_is_decided_by_its_own_times(
    make_generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = make_generator(CONFIG)
    monkeypatch.setattr(kernels, "has_matrix_unit", lambda precision: False)
    # For each size kernels and library: first the convolutions, then the transforms.
    times: Iterator[float] = iter([1, 2, 1, 2, 2, 1, 2, 1, 1, 2, 1, 2])
    monkeypatch.setattr(choosing, "_timed", lambda work: (work(), partial(float, next(times)))[1])
    chosen = choose_kernel_use(fold(generator), generator.config, lambda use: _backend(CPU, "fp32", use))
    assert chosen == KernelUse(convolutions=("winograd", "winograd", "library"), fourier=(False, True, True))


def test_without_kernels_nothing_is_measured(make_generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "available", lambda precision="fp32": False)
    monkeypatch.setattr(choosing, "_timed", lambda work: pytest.fail("there is nothing to choose from"))
    generator = make_generator(CONFIG)
    backend_of = partial(_backend, CPU, "fp32")
    assert choose_kernel_use(fold(generator), generator.config, backend_of) == KernelUse()


@needs_kernels
@pytest.mark.parametrize(
    "use",
    [
        NO_KERNELS,
        KernelUse(convolutions=NO_KERNELS.convolutions),
        KernelUse(fourier=NO_KERNELS.fourier),
        KernelUse(convolutions=("winograd", "library", "winograd"), fourier=(False, True, False)),
        KernelUse(convolutions=("direct",) * 3),  # which there is in bf16 alone
        KernelUse(convolutions=("library", "winograd", "library"), fourier=(True, False, True)),
    ],
)
@pytest.mark.parametrize("side", [64, 392])  # maps of 8 and of 49
def test_the_prediction_is_the_same_however_it_is_computed(
    make_generator, picture, use: KernelUse, side: int
) -> None:
    generator = make_generator(CONFIG)
    image, hole = picture(side, side)
    with torch.no_grad():
        expected = generator(image, hole)
    fast = compile_generator(generator, precision="fp32", kernel_use=use)
    assert torch.allclose(fast(image, hole), expected, atol=5e-5)


@pytest.mark.skipif(not kernels.has_matrix_unit("bf16"), reason="this CPU has no matrix unit for bf16")
@pytest.mark.parametrize("side", [64, 392])
def test_a_matrix_unit_is_as_exact_as_the_library(make_generator, picture, side: int) -> None:
    generator = make_generator(CONFIG)
    image, hole = picture(side, side)
    with torch.no_grad():
        expected = generator(image, hole)

    def error(use: KernelUse) -> float:
        fast = compile_generator(generator, precision="bf16", kernel_use=use)
        return float((fast(image, hole) - expected).abs().mean())

    assert error(KernelUse(convolutions=("direct",) * 3)) < 1.2 * error(NO_KERNELS)
