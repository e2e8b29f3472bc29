"""A run's state in a third of its bytes, as close as 16-bit numbers are.

Going on from it is going on from nearly the same place, not to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

State = Mapping[str, Any]


def compact_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in half the bytes: 16-bit numbers wherever they hold the values."""
    return {name: _in_half_precision(value) for name, value in weights.items()}


def _in_half_precision(value: Tensor) -> Tensor:
    if value.dtype != torch.float32:
        return value
    half = value.half()
    return half if bool(torch.isfinite(half).all()) else value


def compact_optimizer(state: State) -> dict[str, Any]:
    """Adam's state in a quarter of its bytes.

    The first moments are left out: they remember ten steps, and start anew from zero. The second ones need
    the range of bfloat16 and not its missing digits.
    """
    return {
        "param_groups": state["param_groups"],
        "state": {
            index: {"step": one["step"], "exp_avg_sq": one["exp_avg_sq"].bfloat16()}
            for index, one in state["state"].items()
        },
    }


def expand_optimizer(state: State) -> dict[str, Any]:
    """Adam's state with what `compact_optimizer` left out; a whole one as it is."""
    moments = {}
    for index, one in state["state"].items():
        second = one["exp_avg_sq"].float()
        moments[index] = {
            "step": one["step"],
            "exp_avg": one.get("exp_avg", torch.zeros_like(second)),
            "exp_avg_sq": second,
        }
    return {"param_groups": state["param_groups"], "state": moments}
