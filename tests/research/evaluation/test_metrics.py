from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
import torch

from lama_core.research.evaluation.artifact_metrics import boundary_step, grain_ratio
from lama_core.research.evaluation.metrics import Judge, Score, hole_l1, hole_psnr, mean_score, ssim
from lama_core.research.networks.perceptual import PerceptualNetwork


@pytest.fixture(scope="module")
def network() -> PerceptualNetwork:
    return PerceptualNetwork.pretrained()


def test_hole_l1_and_psnr_by_hand() -> None:
    truth = np.full((2, 2, 3), 100, np.uint8)
    filled = truth.copy()
    filled[0, 0] = (110, 90, 100)
    filled[1, 1] = 255  # outside the hole
    hole = np.array([[True, True], [False, False]])
    assert hole_l1(filled, truth, hole) == pytest.approx(20 / 6)
    assert hole_psnr(filled, truth, hole) == pytest.approx(10 * math.log10(255**2 / (200 / 6)))


def test_an_exact_fill_has_no_distance(network: PerceptualNetwork) -> None:
    truth = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    hole = np.zeros((40, 56), bool)
    hole[10:30, 10:30] = True
    judge = Judge(truth, hole, network)
    assert asdict(judge.score(truth)) == pytest.approx(asdict(judge.original()))
    assert judge.original() == Score(
        hole_l1=0.0,
        psnr=math.inf,
        ssim=1.0,
        feature_distance=0.0,
        boundary_step=boundary_step(truth, hole),
        grain_ratio=grain_ratio(truth, hole),
    )


def test_without_a_network_there_is_no_feature_distance(network: PerceptualNetwork) -> None:
    truth = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    hole = np.zeros((40, 56), bool)
    hole[10:30, 10:30] = True
    filled = np.where(hole[:, :, None], np.uint8(90), truth)
    full, partly = (asdict(Judge(truth, hole, one).score(filled)) for one in (network, None))
    assert math.isnan(partly.pop("feature_distance"))
    assert full.pop("feature_distance") > 0
    assert full == partly


def test_a_worse_picture_has_a_larger_feature_distance(network: PerceptualNetwork) -> None:
    y, x = np.mgrid[0:64, 0:64]
    truth = np.stack([x * 4, y * 4, (x // 8 + y // 8) % 2 * 255], axis=2).astype(np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:44, 20:44] = True
    near, far = truth.copy(), truth.copy()
    near[hole] = (truth[hole].astype(int) * 0.9).astype(np.uint8)
    far[hole] = (255, 0, 255)
    judge = Judge(truth, hole, network)
    distances = [judge.score(picture).feature_distance for picture in (near, far)]
    assert 0 < distances[0] * 2 < distances[1]


def test_the_mean_is_taken_of_each_figure() -> None:
    a = Score(hole_l1=1.0, psnr=20.0, ssim=0.5, feature_distance=0.2, boundary_step=0.5, grain_ratio=1.0)
    b = Score(hole_l1=3.0, psnr=30.0, ssim=0.7, feature_distance=0.4, boundary_step=2.0, grain_ratio=0.25)
    assert mean_score([a, b]) == Score(
        hole_l1=2.0,
        psnr=25.0,
        ssim=pytest.approx(0.6),
        feature_distance=pytest.approx(0.3),
        boundary_step=pytest.approx(1.0),
        grain_ratio=pytest.approx(0.5),
    )


def test_features_are_those_of_an_independent_computation(network: PerceptualNetwork) -> None:
    """The first layer, worked out with plain loops over TensorFlow's SAME padding of an even size."""
    torch.manual_seed(1)
    image = torch.rand(1, 3, 8, 8)
    x = np.pad((image[0].numpy() * 2 - 1), ((0, 0), (0, 1), (0, 1)))
    weight, bias = network.stem.weight.numpy(), network.stem.bias
    assert bias is not None
    wanted = np.zeros((16, 4, 4))
    for i in range(4):
        for j in range(4):
            patch = x[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            wanted[:, i, j] = np.clip((weight * patch).sum(axis=(1, 2, 3)) + bias.numpy(), 0, 6)
    seen: list[torch.Tensor] = []
    handle = network.blocks[0].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    features = network(image)
    handle.remove()
    assert np.allclose(seen[0][0].numpy(), wanted, atol=1e-5)
    assert [feature.shape[2] for feature in features] == [4, 2, 2] + [1] * 14


def test_ssim_is_the_formula_of_its_paper() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (24, 30, 3), dtype=np.uint8) for _ in range(2))
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(3):
        x, y = a[:, :, channel].astype(float), b[:, :, channel].astype(float)
        # Only where the window lies inside, as in the paper's own program.
        for i in range(5, 19):
            for j in range(5, 25):
                p, q = x[i - 5 : i + 6, j - 5 : j + 6], y[i - 5 : i + 6, j - 5 : j + 6]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
                cov = (window * p * q).sum() - mp * mq
                values.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(values), abs=1e-6)
    assert ssim(a, a) == pytest.approx(1.0)
