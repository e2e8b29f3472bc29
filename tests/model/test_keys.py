"""The one mapping between the official names and ours."""

from __future__ import annotations

import pytest

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint.keys import (
    KeyMapping,
    find_key_mapping,
    is_batchnorm_counter,
    official_modules,
)
from tests.model.reference_official import FFCResNetGenerator


@pytest.mark.parametrize("lfu", [False, True])
@pytest.mark.parametrize(("downs", "blocks"), [(1, 1), (3, 2), (3, 18), (2, 5)])
def test_names_every_tensor_of_both(downs: int, blocks: int, lfu: bool) -> None:
    ours = Generator(
        GeneratorConfig(width=8, downsamplings=downs, blocks=blocks, local_fourier_unit=lfu)
    ).state_dict()
    official = FFCResNetGenerator(ngf=8, n_downsampling=downs, n_blocks=blocks, enable_lfu=lfu).state_dict()
    naming = KeyMapping(prefix="model.", official=True, downsamplings=downs, blocks=blocks)
    translated, others = naming.to_ours(official)
    assert others == []
    assert set(translated) == set(ours)
    assert {naming.in_file(name) for name in ours} == set(official)
    for name, value in ours.items():
        assert official[translated[name]].shape == value.shape, name


def test_official_numbers() -> None:
    modules = official_modules(downsamplings=3, blocks=18)
    assert modules["stem.ffc.local_to_local"] == "1.ffc.convl2l"
    assert modules["downs.2.norm_global"] == "4.bn_g"
    assert modules["blocks.0.conv1.ffc.global_to_global.conv_in"] == "5.conv1.ffc.convg2g.conv1.0"
    assert modules["blocks.17.conv2.norm_local"] == "22.conv2.bn_l"
    assert modules["ups.0.conv"] == "24"
    assert modules["ups.2.norm"] == "31"
    assert modules["head"] == "34"
    assert len(set(modules.values())) == len(modules)


def test_finds_the_generator_under_its_prefix() -> None:
    official = list(FFCResNetGenerator(ngf=8, n_blocks=2).state_dict())
    for prefix in ("", "generator.", "state_dict.module.generator.", "model.generator.", "1.", "conv1."):
        names = [prefix + name for name in official] + ["discriminator.model.0.weight", "epoch"]
        found = find_key_mapping(names)
        assert found == KeyMapping(prefix=f"{prefix}model.", official=True, downsamplings=3, blocks=2)


def test_finds_our_names() -> None:
    ours = list(Generator(GeneratorConfig(width=8, blocks=12, downsamplings=2)).state_dict())
    for prefix in ("", "module.", "ema.model."):
        found = find_key_mapping([prefix + name for name in ours])
        assert found == KeyMapping(prefix=prefix, official=False, downsamplings=2, blocks=12)


@pytest.mark.parametrize(
    "names", [[], ["weight"], ["model.0.weight", "head.weight", "stem.weight"], ["..", "."]]
)
def test_finds_nothing_in_something_else(names: list[str]) -> None:
    assert find_key_mapping(names) is None


def test_counters() -> None:
    assert is_batchnorm_counter("model.1.bn_l.num_batches_tracked")
    assert not is_batchnorm_counter("model.1.bn_l.running_mean")
