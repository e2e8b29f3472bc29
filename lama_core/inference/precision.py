"""Which precision to compute in: by measurement, on this device and with these weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lama_core.inference.best_of import best_seconds
from lama_core.model.predictor import Predict

PROBE_SIDE = 256
MAX_ERROR = 1 / 255
"""Mean absolute error inside the hole, of values 0..1, that a precision may have."""
MIN_GAIN = 1.15
"""A precision that is not faster by this factor is not worth any error."""
_NEAR = 1.3
"""A gain within this factor of `MIN_GAIN` may come out on the other side of it when it is measured again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How a precision compares with float32.

    gain: times as fast. error: mean absolute error inside the hole, of values 0..1.
    """

    gain: float
    error: float

    @property
    def passed(self) -> bool:
        """Whether the precision is worth using. Values that are not finite do not pass."""
        return self.gain >= MIN_GAIN and self.error <= MAX_ERROR


def try_precision(predict: Predict, exact: Predict, device: torch.device) -> Trial:
    """Compare a precision with float32 on the probe.

    Args:
        predict, exact: the same generator in the precision, and in float32.
        device: where both take their arguments.
    """
    image, hole = (values.to(device) for values in probe())
    error = (predict(image, hole) - exact(image, hole)).abs().mean(dim=1, keepdim=True)
    return Trial(
        gain=_gain(lambda: _seconds(predict, image, hole), lambda: _seconds(exact, image, hole)),
        error=float((error * hole).sum() / hole.sum()),
    )


def _gain(fast: Callable[[], float], slow: Callable[[], float]) -> float:
    """How many times as fast the first is; both give the seconds of one run."""

    def gain(best: Mapping[str, float]) -> float:
        return best["slow"] / best["fast"]

    def is_near(best: Mapping[str, float]) -> bool:
        return 1 / _NEAR < gain(best) / MIN_GAIN < _NEAR

    return gain(best_seconds({"fast": fast, "slow": slow}, is_near=is_near))


def probe() -> tuple[Tensor, Tensor]:
    """A made-up picture with what photographs have: soft shades, stripes, edges and noise; and a hole in it.

    Returns:
        (1, 3, S, S) in 0..1 and (1, 1, S, S), with S of `PROBE_SIDE`.
    """
    side = PROBE_SIDE
    y, x = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    stripes = 0.5 + 0.5 * torch.sin(2 * math.pi * (18 * x + 7 * y))
    noise = torch.rand(side, side, generator=torch.Generator().manual_seed(1))
    disc = ((x - 0.7) ** 2 + (y - 0.3) ** 2 < 0.04).float()
    planes = (
        0.6 * x + 0.2 * stripes + 0.2 * noise,
        0.5 * y + 0.3 * stripes + 0.2 * disc,
        0.7 * (1 - x * y) + 0.2 * noise * (1 - disc),
    )
    hole = (((x - 0.5) / 0.28) ** 2 + ((y - 0.52) / 0.2) ** 2 < 1).float()
    return torch.stack(planes)[None], hole[None, None]


def _seconds(predict: Predict, image: Tensor, hole: Tensor) -> float:
    _wait(image.device)
    begun = time.perf_counter()
    predict(image, hole)
    _wait(image.device)
    return time.perf_counter() - begun


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
