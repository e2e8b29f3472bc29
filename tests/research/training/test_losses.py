from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lama_core.research.networks.discriminator import Discriminator
from lama_core.research.networks.perceptual import PerceptualNetwork, direction_difference
from lama_core.research.training.losses import (
    discriminator_loss,
    feature_difference,
    generator_adversarial_loss,
    gradient_penalty,
    region_l1,
    touched_patches,
)


def test_region_l1_is_the_mean_over_the_region_by_hand() -> None:
    image = torch.zeros(1, 3, 2, 2)
    prediction = torch.zeros(1, 3, 2, 2)
    prediction[0, :, 0, 0] = torch.tensor([0.3, 0.6, 0.0])
    prediction[0, :, 1, 1] = 9.0  # outside the region
    region = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert torch.isclose(region_l1(prediction, image, region), torch.tensor((0.3 + 0.6) / 6))


def test_region_l1_of_nothing_is_nothing() -> None:
    assert region_l1(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)) == 0


def test_feature_difference_is_the_mean_of_layer_means_by_hand() -> None:
    have = [torch.zeros(1, 3, 1, 2), torch.zeros(1, 1, 1, 2)]
    have[0][0, 0, 0, 0] = 3.0
    have[1][0, 0, 0, 0] = 6.0
    want = [torch.zeros_like(layer) for layer in have]
    # Layer 1: 9 over 6 values; layer 2: 36 over 2 values.
    assert torch.isclose(feature_difference(have, want), torch.tensor((9 / 6 + 36 / 2) / 2))


def test_the_perceptual_loss_leads_back_to_the_picture() -> None:
    torch.manual_seed(0)
    network = PerceptualNetwork.pretrained()
    image = torch.rand(1, 3, 48, 48)
    prediction = (image + 0.2 * torch.rand_like(image)).requires_grad_()
    before = feature_difference(network(prediction), network(image))
    (gradient,) = torch.autograd.grad(before, prediction)
    after = feature_difference(network(prediction - 0.001 * gradient / gradient.norm()), network(image))
    assert 0 < after < before
    assert feature_difference(network(image), network(image)) == 0


def test_direction_difference_by_hand() -> None:
    have = [torch.tensor([3.0, 4.0]).view(1, 2, 1, 1), torch.tensor([[2.0, 0.0]]).view(1, 1, 1, 2)]
    want = [torch.tensor([0.0, 2.0]).view(1, 2, 1, 1), torch.tensor([[-5.0, 0.0]]).view(1, 1, 1, 2)]
    # Layer 1: (.6, .8) and (0, 1): .36 + .04; layer 2: 1 and -1 at one of two places: 4 / 2.
    assert torch.allclose(direction_difference(have, want), torch.tensor([(0.4 + 2.0) / 2]))


def test_a_floor_bounds_the_gradient_of_features_that_are_next_to_nothing() -> None:
    have = torch.full((1, 4, 1, 1), 1e-9, requires_grad=True)
    loss = direction_difference([have], [torch.ones(1, 4, 1, 1)], floor=0.1).sum()
    (gradient,) = torch.autograd.grad(loss, have)
    assert gradient.abs().max() < 100


def test_a_patch_is_touched_when_any_pixel_of_its_cell_is_in_the_hole() -> None:
    hole = torch.zeros(1, 1, 8, 8)
    hole[0, 0, 3, 4] = 1  # alone in the cell of rows 2-3, columns 4-5 of a grid of 4
    touched = touched_patches(hole, 4, 4)
    assert touched.shape == (1, 1, 4, 4)
    assert touched[0, 0, 1, 2] == 1
    assert touched.sum() == 1
    # A grid that does not divide the picture: cells overlap, and every one that has the pixel counts.
    odd = touched_patches(hole, 3, 3)
    cells = [(math.floor(i * 8 / 3), math.ceil((i + 1) * 8 / 3)) for i in range(3)]
    wanted = [[float(top <= 3 < end and left <= 4 < right) for left, right in cells] for top, end in cells]
    assert odd[0, 0].tolist() == wanted


def test_the_generator_s_adversarial_loss_by_hand() -> None:
    scores = torch.tensor([[[[0.0, 2.0], [-1.0, 5.0]]]])
    wanted = np.mean([-math.log(1 / (1 + math.exp(-s))) for s in (0.0, 2.0, -1.0, 5.0)])
    assert float(generator_adversarial_loss(scores)) == pytest.approx(wanted, rel=1e-6)


def test_the_discriminator_s_loss_is_cross_entropy_with_the_touched_patches_as_fake() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 1, 3, 3), torch.randn(2, 1, 3, 3)
    touched = (torch.rand(2, 1, 3, 3) > 0.5).float()
    wanted = F.binary_cross_entropy(torch.sigmoid(real), torch.ones_like(real)) + F.binary_cross_entropy(
        torch.sigmoid(fake), 1 - touched
    )
    assert torch.isclose(discriminator_loss(real, fake, touched), wanted)


def test_the_gradient_penalty_of_a_linear_judge_is_the_square_of_its_weights() -> None:
    judge = nn.Conv2d(3, 1, 2, stride=2)
    image = torch.rand(2, 3, 4, 4, requires_grad=True)
    penalty = gradient_penalty(judge(image), image)
    # Each weight meets the four patches of a picture once.
    assert torch.isclose(penalty, 4 * judge.weight.square().sum())
    penalty.backward()
    assert judge.weight.grad is not None
    assert torch.allclose(judge.weight.grad, 8 * judge.weight)


def test_the_gradient_penalty_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3)).double()
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)

    def total(pixels: Tensor) -> float:
        return float(judge(pixels).sum().detach())

    gradient = 0.0
    for y in range(6):
        for x in range(6):
            step = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
            step[0, 0, y, x] = 1e-5
            gradient += ((total(image + step) - total(image - step)) / 2e-5) ** 2
    # The scores are added up in float32, whatever the network computes in.
    assert float(gradient_penalty(judge(image), image).detach()) == pytest.approx(gradient, rel=1e-4)


def test_a_score_of_the_discriminator_sees_a_patch_of_142_pixels() -> None:
    discriminator = Discriminator(width=4).eval()
    image = torch.rand(1, 3, 320, 320, requires_grad=True)
    scores, features = discriminator(image)
    assert scores.shape == (1, 1, 23, 23)
    assert [feature.shape[1] for feature in features] == [4, 8, 16, 32, 64]
    (gradient,) = torch.autograd.grad(scores[0, 0, 11, 11], image)
    seen = gradient.abs().sum(dim=(0, 1)) > 0
    assert int(seen.any(dim=1).sum()) == 142
    assert int(seen.any(dim=0).sum()) == 142
