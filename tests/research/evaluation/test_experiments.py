from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from lama_core.model import Generator, GeneratorConfig
from lama_core.research.evaluation import experiments, invariants
from lama_core.research.evaluation.experiments import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[0:64, 0:64]
    photo = np.stack([x * 3, y * 4, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    Image.fromarray(photo).save(folder / "a.png")
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(width=8, blocks=1, output="residual")).eval()
    return Bench(generator=generator, name="mine", photos=folder, small=64, large=96, most=1)


def rows(table: str) -> list[list[str]]:
    """The cells of a table's body."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    "study",
    [experiments.photos_small, experiments.periodic_small, experiments.qualities, experiments.photos_large],
)
def test_every_method_is_in_the_tables(bench: Bench, study: Callable[[Bench], str]) -> None:
    table = study(bench)
    for method in ("mine alone", "mine balanced", "original"):
        assert f"| {method} |" in table


def test_contexts_see_more_and_more(bench: Bench) -> None:
    table = rows(experiments.context(bench))
    assert [row[1] for row in table[:6]] == [
        *(f"{pixels} pixels" for pixels in (32, 64, 128, 192)),
        "auto",
        "whole",
    ]
    seen = [float(row[2]) for row in table[:6]]
    assert seen[:4] == sorted(seen[:4])
    assert seen[5] == max(seen)


def test_steps_and_grain_are_there_for_every_set(bench: Bench) -> None:
    assert {row[0] for row in rows(experiments.seams(bench))} == {"photos", "drawings"}
    assert len(rows(experiments.grain(bench))) == 4 * 2


def test_by_default_less_of_a_thing_shows(bench: Bench) -> None:
    hard_none, hard, _soft_none, _soft = rows(invariants.soft_selections(bench))
    assert int(hard[3]) < int(hard_none[3])
    for row in rows(invariants.soft_selections(bench)):
        assert row[4].startswith("0 of ")


def test_bands_are_counted_along_the_middle_row() -> None:
    picture = np.zeros((3, 8, 1), np.uint8)
    picture[1, :, 0] = [1, 1, 1, 2, 2, 3, 3, 3]
    hole = np.zeros((3, 8), bool)
    hole[1, 1:7] = True
    assert invariants._widest_band(picture, hole) == 2


def test_a_fill_in_8_bit_has_wider_bands_than_in_16(bench: Bench) -> None:
    table = {row[0]: row for row in rows(invariants.depth(bench))}
    assert int(table["uint16"][2]) < int(table["uint8"][2])
    assert int(table["uint16"][3]) > int(table["uint8"][3])


def test_srgb_goes_to_linear_light_and_back() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    linear = invariants._to_linear(ramp)
    assert linear[0, 0, 0] == 0
    assert linear[-1, -1, 0] == pytest.approx(1)
    assert linear[8, 0, 0] == pytest.approx(0.2159, abs=1e-4)  # 128, by the standard's formula
    assert np.array_equal(invariants._from_linear(linear), ramp)


def test_light_and_seeds_have_their_figures(bench: Bench) -> None:
    assert [row[0] for row in rows(invariants.light(bench))] == [
        "taken for perceptual",
        "taken for linear",
    ]
    assert [row[0] for row in rows(invariants.bright(bench))] == ["clipped to white", "as it is"]
    (row,) = rows(invariants.again(bench))
    assert row[0] == "0"
    assert float(row[3]) <= float(row[2])
