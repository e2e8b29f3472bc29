from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.model.checkpoint import CheckpointError
from lama_core.research.networks.resnet import DilatedResNet50


def random_weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state = DilatedResNet50().state_dict()
    for name, value in state.items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif name.endswith(("running_mean", "bias")):
            value.normal_(0, 0.1)
        elif value.dim() == 1 and value.is_floating_point():
            value.uniform_(0.3, 0.7)
    return state


def reference(state: dict[str, Tensor], image: Tensor) -> list[Tensor]:
    """The encoder in plain functions, stage by stage: strides 1, 2, 1, 1 and dilations 1, 1, 2, 4, where the
    first block of a stage that lost its stride dilates half as much."""

    def conv_norm(
        x: Tensor, conv: str, norm: str, *, stride: int = 1, pad: int = 0, dilation: int = 1
    ) -> Tensor:
        x = F.conv2d(x, state[f"{conv}.weight"], None, stride, pad, dilation)
        parts = (state[f"{norm}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts)

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    for number in (1, 2, 3):
        x = conv_norm(x, f"conv{number}", f"bn{number}", stride=2 if number == 1 else 1, pad=1).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    features = []
    for stage, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage == 2 and block == 0 else 1
            dilation = {1: 1, 2: 1, 3: 1 if block == 0 else 2, 4: 2 if block == 0 else 4}[stage]
            y = conv_norm(x, f"{name}.conv1", f"{name}.bn1").relu()
            y = conv_norm(
                y, f"{name}.conv2", f"{name}.bn2", stride=stride, pad=dilation, dilation=dilation
            ).relu()
            y = conv_norm(y, f"{name}.conv3", f"{name}.bn3")
            if block == 0:
                x = conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)
            x = (x + y).relu()
        features.append(x)
    return features


def test_the_official_weights_file_gives_the_official_features(tmp_path: Path) -> None:
    state = random_weights()
    path = tmp_path / "encoder_epoch_20.pth"
    # As the official file: an old form of pickle, with a classifier's weights beside the encoder's.
    torch.save(state | {"fc.weight": torch.zeros(3, 3)}, path, _use_new_zipfile_serialization=False)
    network = DilatedResNet50.load(path)
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    image = torch.rand(1, 3, 64, 48)
    with torch.no_grad():
        features = network(image)
        wanted = reference(state, image)
    assert [tuple(feature.shape) for feature in features] == [
        (1, 256, 16, 12),
        (1, 512, 8, 6),
        (1, 1024, 8, 6),
        (1, 2048, 8, 6),
    ]
    for have, want in zip(features, wanted, strict=True):
        assert torch.allclose(have, want, rtol=1e-3, atol=1e-4 * float(want.abs().max()))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(CheckpointError, match=r"no ResNet-50 encoder .* tensor conv1\.weight"):
        DilatedResNet50.load(path)
