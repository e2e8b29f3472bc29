"""Loading a generator by the name of an installed model, or by a path."""

from __future__ import annotations

from pathlib import Path

import torch

from lama_core.model.checkpoint import read_generator
from lama_core.model.generator import Generator
from lama_core.model.installed.registry import resolve


def load_generator(path_or_name: str | Path, *, device: str | torch.device = "cpu") -> Generator:
    """Load a generator from any form of weights, or an installed one by its name.

    Args:
        path_or_name: a path, as for `read_generator`, or the name of an installed model.
        device: where the weights go.

    Returns:
        The generator in eval mode, in float32.

    Raises:
        UnknownModelError: a name that is not installed.
        CheckpointError: what is wrong with the file, in one line.
    """
    return read_generator(resolve(path_or_name), device=device)
