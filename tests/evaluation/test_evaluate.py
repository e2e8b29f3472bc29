from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_core.evaluation.dataset import EvaluationSet
from lama_core.evaluation.evaluate import Comparison, evaluate, markdown, methods
from lama_core.model import Generator, GeneratorConfig


@pytest.fixture
def data(tmp_path: Path) -> EvaluationSet:
    y, x = np.mgrid[0:48, 0:64]
    photo = np.stack([x * 3, y * 4, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    return EvaluationSet.open(tmp_path)


def test_every_method_fills_every_case_and_only_its_hole(data: EvaluationSet) -> None:
    seen: list[Comparison] = []
    generator = Generator(GeneratorConfig(width=8, blocks=1, output="residual")).eval()
    table = evaluate(data, methods(generator, "mine"), on_comparison=seen.append)
    assert list(table) == ["thin", "medium", "thick", "object"]
    assert all(list(row) == ["push-pull", "OpenCV Telea", "mine"] for row in table.values())
    assert len(seen) == 8
    for one in seen:
        for filled in one.fills.values():
            assert np.array_equal(filled[~one.case.hole], one.case.photo[~one.case.hole])
        # An untrained residual generator adds nothing to its smooth start.
        assert one.scores["mine"].hole_l1 < 255 / 4
    by_hand = np.mean([one.scores["mine"].hole_l1 for one in seen if one.case.kind == "thin"])
    assert table["thin"]["mine"].score.hole_l1 == pytest.approx(by_hand)


def test_the_table_has_a_row_for_each_kind(data: EvaluationSet) -> None:
    generator = Generator(GeneratorConfig(width=8, blocks=1, output="residual")).eval()
    lines = markdown(evaluate(data, methods(generator, "mine"), on_comparison=lambda _one: None)).splitlines()
    assert lines[0] == "| holes | push-pull | OpenCV Telea | mine |"
    assert [line.split(" ")[1] for line in lines[2:]] == ["thin", "medium", "thick", "object"]
