from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from torch import Tensor

from lama_core.research.evaluation.evaluate import Result
from lama_core.research.evaluation.learned import LearnedMetric, MetricError, learned_metrics
from lama_core.research.evaluation.metrics import Score
from lama_core.research.evaluation.tables import brief_table


class MeanDifference:
    """Stands for an object of torchmetrics: the mean difference of all that it was given."""

    def __init__(self, **_settings: object) -> None:
        self.seen: list[float] = []

    def update(self, filled: Tensor, truth: Tensor) -> None:
        assert filled.shape == truth.shape == (1, 3, 4, 6)
        assert float(filled.max()) <= 1
        self.seen.append(float((filled - truth).abs().mean()))

    def compute(self) -> Tensor:
        return torch.tensor(self.seen).mean()

    def reset(self) -> None:
        self.seen = []


def pictures(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def test_each_method_has_its_own_set_and_each_kind_begins_anew() -> None:
    metric = LearnedMetric(MeanDifference, lambda one, filled, truth: one.update(filled, truth))
    metric.add("a", pictures(51), pictures(0))
    metric.add("a", pictures(102), pictures(0))
    metric.add("b", pictures(0), pictures(255))
    assert metric.take() == {"a": pytest.approx(0.3), "b": pytest.approx(1.0)}
    metric.add("a", pictures(255), pictures(0))
    metric.add("b", pictures(0), pictures(0))
    assert metric.take() == {"a": pytest.approx(1.0), "b": pytest.approx(0.0)}


def test_a_missing_package_and_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torchmetrics", "torchmetrics.image", "torchmetrics.image.lpip"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    with pytest.raises(MetricError, match=r"torchmetrics.* is missing: pip install 'torchmetrics\[image\]'"):
        learned_metrics(["lpips"])
    package = types.ModuleType("torchmetrics.image.lpip")

    def fails(**_settings: object) -> None:
        raise OSError("<urlopen error no route\nto host>")

    package.LearnedPerceptualImagePatchSimilarity = fails  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchmetrics.image.lpip", package)
    monkeypatch.setitem(sys.modules, "torchmetrics.image", types.ModuleType("torchmetrics.image"))
    monkeypatch.setitem(sys.modules, "torchmetrics", types.ModuleType("torchmetrics"))
    with pytest.raises(MetricError, match="lpips cannot be computed here: <urlopen error no route to host>"):
        learned_metrics(["lpips"])
    package.LearnedPerceptualImagePatchSimilarity = MeanDifference  # type: ignore[attr-defined]
    metrics = learned_metrics(["lpips"])
    metrics["lpips"].add("a", pictures(255), pictures(0))
    assert metrics["lpips"].take() == {"a": pytest.approx(1.0)}


def test_fid_is_that_of_two_known_gaussians() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid", reason="torchmetrics is not installed")

    class Colours(torch.nn.Module):
        num_features = 3

        def forward(self, image: Tensor) -> Tensor:
            return image.double().mean(dim=(2, 3))

    torch.manual_seed(0)
    metric = fid.FrechetInceptionDistance(feature=Colours(), normalize=True, input_img_size=(3, 2, 2))
    real = torch.rand(400, 3, 1, 1).expand(-1, -1, 2, 2)
    metric.update(real * 0.5, real=True)
    metric.update(real * 0.5 + 0.25, real=False)
    # The same spread, the mean moved by a quarter in each channel.
    assert float(metric.compute()) == pytest.approx(3 * 0.25**2, rel=1e-3)


def test_the_table_shows_learned_metrics_after_ours() -> None:
    score = Score(hole_l1=1.0, psnr=20.0, ssim=0.5, feature_distance=0.25, boundary_step=1.0, grain_ratio=1.0)
    result = Result(score=score, learned={"lpips": 0.125})
    assert result.figures()["lpips"] == 0.125
    assert result.figures()["ssim"] == 0.5
    assert brief_table({"thin": {"mine": result}}).splitlines()[2] == "| thin | 1.0 / 20.0 / 0.250 / 0.125 |"
