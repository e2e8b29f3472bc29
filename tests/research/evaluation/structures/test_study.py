from __future__ import annotations

from pathlib import Path

import torch

from lama_core.model import Generator, GeneratorConfig
from lama_core.research.evaluation.experiments import Bench
from lama_core.research.evaluation.knowing import KINDS
from lama_core.research.evaluation.structures.study import knowing, structures


def test_structures_are_measured_as_a_whole_and_by_kind(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(width=8, blocks=1, output="residual")).eval()
    table = structures(Bench(generator=generator, name="mine", photos=tmp_path, small=64, most=1))
    for method in ("mine alone", "mine balanced", "original"):
        assert f"\n| {method} | " in table
    assert "\n| lines | " in table


def test_all_generators_are_in_the_table(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(width=8, blocks=1, output="residual")).eval()
    table = knowing(Bench(generator=generator, name="mine", photos=tmp_path, large=64, most=1))
    for name in KINDS:
        assert f"\n| {name} alone | " in table
        assert f"\n| {name} balanced | " in table
