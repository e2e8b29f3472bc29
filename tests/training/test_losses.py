from __future__ import annotations

import torch
from torch import Tensor, nn

from lama_core.evaluation.perceptual import PerceptualNetwork
from lama_core.training.losses import perceptual_loss, region_l1


def test_region_l1_is_the_mean_over_the_region_by_hand() -> None:
    image = torch.zeros(1, 3, 2, 2)
    prediction = torch.zeros(1, 3, 2, 2)
    prediction[0, :, 0, 0] = torch.tensor([0.3, 0.6, 0.0])
    prediction[0, :, 1, 1] = 9.0  # outside the region
    region = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])
    assert torch.isclose(region_l1(prediction, image, region), torch.tensor((0.3 + 0.6) / 6))


def test_region_l1_of_nothing_is_nothing() -> None:
    assert region_l1(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)) == 0


class TwoLayers(nn.Module):
    """Features that can be worked out by hand: the picture, and its first channel twice over."""

    def forward(self, image: Tensor) -> list[Tensor]:
        return [image, 2 * image[:, :1]]


def test_perceptual_loss_is_the_mean_of_layer_means_by_hand() -> None:
    image = torch.zeros(1, 3, 1, 2)
    prediction = torch.zeros(1, 3, 1, 2)
    prediction[0, 0, 0, 0] = 3.0
    # Layer 1: 9 over 6 values; layer 2: 36 over 2 values.
    loss = perceptual_loss(TwoLayers(), prediction, image)  # type: ignore[arg-type]
    assert torch.isclose(loss, torch.tensor((9 / 6 + 36 / 2) / 2))


def test_perceptual_loss_leads_back_to_the_picture() -> None:
    torch.manual_seed(0)
    network = PerceptualNetwork.pretrained()
    image = torch.rand(1, 3, 48, 48)
    prediction = (image + 0.2 * torch.rand_like(image)).requires_grad_()
    before = perceptual_loss(network, prediction, image)
    (gradient,) = torch.autograd.grad(before, prediction)
    after = perceptual_loss(network, prediction - 0.001 * gradient / gradient.norm(), image)
    assert 0 < after < before
    assert perceptual_loss(network, image, image) == 0
