"""The dilated ResNet-50 of the paper's perceptual loss, for users who have its weights.

The network is the encoder of CSAIL's semantic segmentation models (Zhou et al., 2018), trained on ADE20K:
`ade20k-resnet50dilated-ppm_deepsup/encoder_epoch_20.pth`. Its stem has three convolutions, and its last two
stages dilate instead of striding, so that no feature is coarser than an eighth of the picture.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lama_core.model.checkpoint import WeightsError
from lama_core.model.checkpoint.detect import open_weights
from lama_core.model.checkpoint.keys import is_batchnorm_counter
from lama_core.research.networks.perceptual import FeatureNetwork

# Of each stage: bottlenecks, inner channels, stride of the first, dilation of its first and of the others.
_STAGES = ((3, 64, 1, 1, 1), (4, 128, 2, 1, 1), (6, 256, 1, 1, 2), (3, 512, 1, 2, 4))
_EXPANSION = 4
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class _Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with BatchNorm, around a skip."""

    def __init__(self, channels: int, inner: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        out = inner * _EXPANSION
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(
            inner, inner, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
            if channels != out or stride != 1
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class DilatedResNet50(FeatureNetwork):
    """The features of four stages, at 1/4 and 1/8 of the picture's size. Module names are the file's."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, 128, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(128)
        channels = 128
        for number, (count, inner, stride, first, dilation) in enumerate(_STAGES, start=1):
            stage = nn.Sequential()
            for block in range(count):
                stage.append(
                    _Bottleneck(
                        channels,
                        inner,
                        stride=stride if block == 0 else 1,
                        dilation=first if block == 0 else dilation,
                    )
                )
                channels = inner * _EXPANSION
            self.add_module(f"layer{number}", stage)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in 0..1 to 4 maps of 256, 512, 1024 and 2048 channels."""
        x = (image - self.mean) / self.std
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        features = []
        for number in range(1, len(_STAGES) + 1):
            x = self.get_submodule(f"layer{number}")(x)
            features.append(x)
        return features

    @classmethod
    def load(cls, path: Path) -> DilatedResNet50:
        """The network with the official encoder's weights, in evaluation mode and frozen.

        Nothing in the file is executed.

        Args:
            path: of `encoder_epoch_20.pth`, or of the same tensors as safetensors.

        Raises:
            CheckpointError: the file cannot be read, or holds something else.
        """
        with torch.device("meta"):
            network = cls()
        wanted = network.state_dict()
        state: dict[str, Tensor] = {}
        with open_weights(path) as opened:
            for name, tensor in wanted.items():
                if is_batchnorm_counter(name):
                    state[name] = torch.tensor(0)
                    continue
                stored = opened.file.tensors.get(name)
                if stored is None or stored.shape != tuple(tensor.shape):
                    raise WeightsError(
                        f"{path}: it is no ResNet-50 encoder of the ADE20K models: tensor {name} is missing "
                        "or has another shape"
                    )
                state[name] = opened.file.read(name).float().clone()
        network.load_state_dict(state, assign=True)
        # The pixels' mean and scale are no weights and came to be without values too.
        network.mean = torch.tensor(_MEAN).view(1, 3, 1, 1)
        network.std = torch.tensor(_STD).view(1, 3, 1, 1)
        return network.eval().requires_grad_(False)
