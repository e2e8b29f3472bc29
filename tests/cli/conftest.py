"""What the tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors


@pytest.fixture(autouse=True)
def _one_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one that happens to be faster while other programs run; the server inherits it."""
    monkeypatch.setenv("LAMA_FILL_PRECISION", "fp32")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a model with random weights."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    generator = Generator(GeneratorConfig(width=8, blocks=1)).eval()
    write_safetensors(generator, path, metadata={"name": "tiny"})
    return path
