"""Half precision is used where it is faster and hardly shows, and nowhere else."""

from __future__ import annotations

import random
import time
from functools import partial

import pytest
import torch
from torch import Tensor

from lama_core.inference import FastError, compile, compile_generator, precision, precision_of
from lama_core.inference.precision import MAX_ERROR, PROBE_SIDE, Trial, probe, try_precision
from lama_core.model import GeneratorConfig


def _predict(value: float, seconds: float = 0.0):
    def predict(image: Tensor, hole: Tensor) -> Tensor:
        time.sleep(seconds)
        return torch.full_like(image, value)

    return predict


def test_trial_measures_error_inside_the_hole() -> None:
    _, hole = probe()

    def wrong_outside(image: Tensor, hole: Tensor) -> Tensor:
        return torch.full_like(image, 0.5) + (1 - hole)

    cpu = torch.device("cpu")
    assert try_precision(wrong_outside, _predict(0.5), cpu).error == 0
    assert try_precision(_predict(0.51), _predict(0.5), cpu).error == pytest.approx(0.01, rel=1e-4)
    assert 0.1 < hole.mean() < 0.5


def test_trial_measures_speed() -> None:
    trial = try_precision(_predict(0.5, 0.01), _predict(0.5, 0.05), torch.device("cpu"))
    assert trial.gain > 2
    assert try_precision(_predict(0.5, 0.02), _predict(0.5), torch.device("cpu")).gain < 1


@pytest.mark.parametrize(
    ("gain", "error", "passed"),
    [
        (2.0, 0.001, True),
        (2.0, MAX_ERROR * 1.01, False),
        (1.05, 0.0, False),
        (2.0, float("nan"), False),
    ],
)
def test_what_passes(gain: float, error: float, passed: bool) -> None:
    assert Trial(gain=gain, error=error).passed is passed


def test_probe_is_a_picture() -> None:
    image, hole = probe()
    assert image.shape == (1, 3, PROBE_SIDE, PROBE_SIDE)
    assert image.min() >= 0
    assert image.max() <= 1
    assert image.std() > 0.1
    assert set(hole.unique().tolist()) == {0.0, 1.0}


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this CPU has no bfloat16")
@pytest.mark.parametrize(("passed", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_automatic_choice(make_generator, monkeypatch: pytest.MonkeyPatch, passed: bool, chosen: str) -> None:
    if not compile._candidates(torch.device("cpu")):
        pytest.skip("this CPU has no half precision")
    monkeypatch.setattr(precision, "PROBE_SIDE", 32)
    asked: list[Trial] = []

    def tried(*args: object) -> Trial:
        trial = try_precision(*args)  # type: ignore[arg-type]
        asked.append(trial)
        return Trial(gain=2.0, error=trial.error if passed else 1.0)

    monkeypatch.setattr(compile, "try_precision", tried)
    fast = compile_generator(make_generator(GeneratorConfig(width=8, blocks=2)))
    assert fast.precision == chosen
    assert 0 < asked[0].error < 10 * MAX_ERROR


def test_weights_that_overflow_are_not_for_half_precision(make_generator) -> None:
    exact = _predict(0.5)
    assert not try_precision(_predict(float("inf")), exact, torch.device("cpu")).passed


@pytest.mark.parametrize("name", ["auto", "fp32", "bf16", "fp16"])
def test_precisions_have_names(name: str) -> None:
    assert precision_of(name) == name


@pytest.mark.parametrize("name", ["", "fp23", "FP32", "half"])
def test_a_name_of_no_precision_is_refused(name: str) -> None:
    with pytest.raises(FastError, match=f"auto, fp32, bf16, fp16, not '{name}'"):
        precision_of(name)


def test_a_busy_machine_hardly_changes_the_choice() -> None:
    """Half of the runs are held up, by up to three times as long; the same machine has to choose the same."""

    randoms = random.Random(1)

    def seconds(true: float) -> float:
        return true * (randoms.uniform(1, 3) if randoms.random() < 0.5 else randoms.uniform(1, 1.03))

    for gain in (0.8, 1.0, 1.4, 2.0):
        chosen = [precision._gain(partial(seconds, 1 / gain), partial(seconds, 1)) for _ in range(300)]
        wrong = sum((one >= precision.MIN_GAIN) != (gain >= precision.MIN_GAIN) for one in chosen)
        assert wrong <= 24, gain  # two turns alone: 50
