"""Only what belongs to the generator is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.model import files
from tests.model.reference_official import FFCResNetGenerator, random_official

MEASURE = """
import resource, sys
import torch
from lama_core.model.installed.load import load_generator
load_generator(sys.argv[2])   # what the first load imports does not count
def io():
    return {k: int(v) for k, v in (line.split(": ") for line in open("/proc/self/io"))}["rchar"]
read, peak = io(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
load_generator(sys.argv[1])
print(io() - read, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) * 1024)
"""


def cost(path: Path, small: Path) -> tuple[int, int]:
    """Bytes read, and growth of the peak of resident memory, while a file is loaded in a fresh process."""
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), str(small)], capture_output=True, text=True, check=True
    )
    read, grown = found.stdout.split()
    return int(read), int(grown)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("legacy", [False, True])
def test_a_large_discriminator_stays_on_the_disk(
    tmp_path: Path, official: FFCResNetGenerator, legacy: bool
) -> None:
    small = files.save_lightning(tmp_path / "small.ckpt", official, legacy=legacy)
    extra = {"optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(12 << 20)}}}]}
    state = files.training_state(official) | {"discriminator.big": torch.zeros(12 << 20)}
    large = files.save_lightning(
        tmp_path / "large.ckpt", official, legacy=legacy, extra={**extra, "state_dict": state}
    )
    assert large.stat().st_size > 96 << 20
    read, grown = cost(large, small)
    weights = sum(value.nbytes for value in official.state_dict().values())
    assert read < 3 * weights
    assert grown < 16 << 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("legacy", [False, True])
def test_weights_are_read_once_and_kept_once(
    tmp_path: Path, official: FFCResNetGenerator, legacy: bool
) -> None:
    small = files.save_lightning(tmp_path / "small.ckpt", official, legacy=legacy)
    other = random_official(ngf=32, n_blocks=12)
    large = files.save_lightning(tmp_path / "large.ckpt", other, legacy=legacy)
    read, grown = cost(large, small)
    weights = sum(value.nbytes for value in other.state_dict().values())
    assert weights > 32 << 20
    assert read < 1.1 * weights
    assert grown < 1.3 * weights
