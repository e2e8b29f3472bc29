from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from lama_core.research.evaluation.knowing import KnowingPredictor, Knowledge
from lama_core.research.evaluation.methods import ALONE, PRODUCT, with_options
from lama_core.research.evaluation.metrics import Judge
from lama_core.research.evaluation.structures.scenes import make_scene
from lama_core.research.networks.perceptual import PerceptualNetwork


def test_it_predicts_the_truth_as_far_as_it_knows_it() -> None:
    truth = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    picture = torch.from_numpy(truth.transpose(2, 0, 1) / np.float32(255))[None]
    shown = picture * 0
    assert torch.allclose(KnowingPredictor(truth, Knowledge(side=64))(shown, shown), picture, atol=1e-6)
    coarse = KnowingPredictor(truth, Knowledge(side=16))(shown, shown)
    assert float(coarse.std()) < 0.5 * float(picture.std())
    assert abs(float(coarse.mean() - picture.mean())) < 0.02
    small = shown[:, :, :16, :16]
    noisy = KnowingPredictor(truth, Knowledge(side=16, noise=8))(small, small)
    exact = KnowingPredictor(truth, Knowledge(side=16))(small, small)
    assert 6 < float((noisy - exact).std()) * 255 < 10


def test_a_fill_adds_the_detail_that_a_right_prediction_lacks() -> None:
    scene = make_scene("tiles-0", 512)
    predictor = KnowingPredictor(scene.photo, Knowledge(side=128))
    judge = Judge(scene.photo, scene.hole, PerceptualNetwork.pretrained())
    alone, balanced = (
        judge.score(with_options(predictor, options)(scene.photo, scene.hole)).feature_distance
        for options in (ALONE, replace(PRODUCT, context="whole"))
    )
    assert alone is not None
    assert balanced is not None
    assert balanced < 0.8 * alone
