"""The generator is the official one: same weights, same picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.installed.load import load_generator
from tests.model.files import config_yaml
from tests.model.reference_official import FFCResNetGenerator, official_prediction, random_official


def save(official: FFCResNetGenerator, folder: Path, *, output: str) -> Path:
    (folder / "models").mkdir()
    torch.save(
        {"state_dict": {f"generator.{k}": v for k, v in official.state_dict().items()}},
        folder / "models/best.ckpt",
    )
    (folder / "config.yaml").write_text(config_yaml(output=output))
    return folder


def largest_error(
    official: FFCResNetGenerator, generator: Generator, height: int, width: int, multiple: int
) -> float:
    torch.manual_seed(height * 1000 + width)
    image = torch.rand(2, 3, height, width)
    hole = (torch.rand(2, 1, height, width) > 0.6).float()
    expected = official_prediction(official, image, hole, multiple=multiple)
    with torch.no_grad():
        found = generator(image, hole)
    assert found.shape == image.shape
    return float((found - expected).abs().max())


SIZES = [(64, 64), (37, 50), (1, 1), (1, 90), (8, 8), (15, 17), (16, 16), (9, 16), (33, 24), (71, 5)]


@pytest.mark.parametrize("output", ["sigmoid", "tanh"])
@pytest.mark.parametrize(
    ("ngf", "blocks", "downs", "cap", "ratio"),
    [
        (8, 2, 3, 1024, 0.75),
        (16, 9, 3, 1024, 0.75),
        (8, 18, 3, 1024, 0.75),
        (8, 3, 2, 1024, 0.5),
        (16, 2, 3, 48, 0.75),
    ],
)
def test_equals_the_official_generator(
    tmp_path: Path, ngf: int, blocks: int, downs: int, cap: int, ratio: float, output: str
) -> None:
    official = random_official(
        ngf=ngf, n_blocks=blocks, n_downsampling=downs, max_features=cap, ratio=ratio, add_out_act=output
    )
    generator = load_generator(save(official, tmp_path, output=output))
    for size in SIZES if blocks == 2 else SIZES[:3]:
        assert largest_error(official, generator, *size, multiple=8) < 1e-4


@pytest.mark.parametrize("output", ["sigmoid", "tanh"])
@pytest.mark.parametrize("blocks", [2, 9])
def test_equals_the_official_generator_with_a_local_fourier_unit(
    tmp_path: Path, blocks: int, output: str
) -> None:
    official = random_official(ngf=8, n_blocks=blocks, enable_lfu=True, add_out_act=output)
    generator = load_generator(save(official, tmp_path, output=output))
    assert generator.config.local_fourier_unit
    for side in (64, 32, 16, 41, 1):
        assert largest_error(official, generator, side, side, multiple=16) < 1e-4


def test_the_reference_is_no_constant(official: FFCResNetGenerator) -> None:
    # Parity would mean nothing if the activation at the end were saturated, or the middle dead.
    torch.manual_seed(0)
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 16:48, 16:48] = 1
    prediction = official_prediction(official, torch.rand(1, 3, 64, 64), hole)
    assert prediction.std() > 0.01
    assert 0.05 < prediction.mean() < 0.95


def test_big_lama_in_full_width(tmp_path: Path) -> None:
    official = random_official()
    torch.save(official.state_dict(), tmp_path / "big.pth")
    generator = load_generator(tmp_path / "big.pth")
    assert generator.config == GeneratorConfig.big_lama()
    assert sum(value.numel() for value in generator.parameters()) == 50_975_875
    assert largest_error(official, generator, 61, 83, multiple=8) < 1e-4
