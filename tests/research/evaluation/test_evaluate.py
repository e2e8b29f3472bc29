from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_core.fill.prediction import predict
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.predictor import as_predictor
from lama_core.research.evaluation.dataset import EvaluationSet
from lama_core.research.evaluation.evaluate import ORIGINAL, Comparison, evaluate
from lama_core.research.evaluation.methods import ALONE, baselines, model_methods, with_options


@pytest.fixture
def data(tmp_path: Path) -> EvaluationSet:
    y, x = np.mgrid[0:48, 0:64]
    photo = np.stack([x * 3, y * 4, (x // 8 + y // 8) % 2 * 200], axis=2).astype(np.uint8)
    for name in ("a", "b"):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    return EvaluationSet.open(tmp_path)


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(GeneratorConfig(width=8, blocks=1, output="residual")).eval()


def test_every_method_fills_every_case_and_only_its_hole(data: EvaluationSet, generator: Generator) -> None:
    seen: list[Comparison] = []
    methods = baselines() | {"mine": with_options(generator, ALONE)}
    table = evaluate(data, methods, on_comparison=seen.append)
    assert list(table) == ["thin", "medium", "thick", "object"]
    names = ["OpenCV Telea", "OpenCV Navier-Stokes", "mine", ORIGINAL]
    assert all(list(row) == names for row in table.values())
    assert len(seen) == 8
    for one in seen:
        for filled in one.fills.values():
            assert np.array_equal(filled[~one.case.hole], one.case.photo[~one.case.hole])
        # An untrained residual generator adds nothing to its smooth start.
        assert one.scores["mine"].hole_l1 < 255 / 4
        assert one.scores[ORIGINAL].hole_l1 == 0
    by_hand = [one.scores["mine"].hole_l1 for one in seen if one.case.kind == "thin"]
    thin = table["thin"]["mine"]
    assert thin.score.hole_l1 == pytest.approx(np.mean(by_hand))
    assert [score.hole_l1 for score in thin.scores] == by_hand
    assert thin.seconds > 0


def test_only_the_kinds_that_are_wanted_are_filled(data: EvaluationSet) -> None:
    table = evaluate(data, baselines(), on_comparison=lambda _one: None, kinds=("object",))
    assert list(table) == ["object"]


def test_the_network_alone_is_one_pass_over_the_whole_picture(
    data: EvaluationSet, generator: Generator
) -> None:
    case = next(data.cases("thick"))
    colour = np.ascontiguousarray(case.photo.transpose(2, 0, 1), dtype=np.float32) / 255
    colour[:, case.hole] = 0
    wanted = predict(as_predictor(generator), colour, case.hole).transpose(1, 2, 0)
    filled = model_methods(generator, "mine")["mine alone"](case.photo, case.hole)
    assert np.array_equal(filled[case.hole], np.rint(wanted * 255).clip(0, 255)[case.hole])


def test_every_quality_and_what_is_switched_off_is_a_method(generator: Generator) -> None:
    methods = model_methods(generator, "m", qualities=("fast", "best"), without=("seam", "grain"))
    assert list(methods) == [
        "m alone",
        "m fast",
        "m best",
        "m fast, no seam",
        "m best, no seam",
        "m fast, no grain",
        "m best, no grain",
    ]
