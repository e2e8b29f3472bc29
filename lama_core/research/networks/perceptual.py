"""A dilated segmentation network whose features tell how alike two pictures look.

LaMa's high receptive field perceptual loss (section 2.2.1) wants a network with a fast-growing receptive
field, trained for segmentation. This one is a small one: the MobileNetV2 (depth 0.5) of a DeepLabv3, from the
repository floe/backscrub under Apache-2.0, with its BatchNorm folded away. Training uses it as a loss,
evaluation as a distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

# Of each bottleneck: channels within, channels out, stride, dilation.
_BOTTLENECKS = (
    (16, 8, 1, 1),
    (48, 12, 2, 1),
    (72, 12, 1, 1),
    (72, 16, 2, 1),
    (96, 16, 1, 1),
    (96, 16, 1, 1),
    (96, 32, 1, 1),
    (192, 32, 1, 2),
    (192, 32, 1, 2),
    (192, 32, 1, 2),
    (192, 48, 1, 2),
    (288, 48, 1, 2),
    (288, 48, 1, 2),
    (288, 80, 1, 2),
    (480, 80, 1, 4),
    (480, 80, 1, 4),
    (480, 160, 1, 4),
)


def _same(x: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    """Pad as TensorFlow's SAME does: what is missing, the odd pixel at bottom and right."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        reach = (kernel - 1) * dilation + 1
        missing = max(0, (-(-size // stride) - 1) * stride + reach - size)
        pads += [missing // 2, missing - missing // 2]
    return F.pad(x, pads)


class _Bottleneck(nn.Module):
    """Expand, depthwise 3x3, project linearly; a skip where the shape allows."""

    def __init__(self, channels_in: int, inner: int, channels_out: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(channels_in, inner, 1) if inner != channels_in else None
        self.depthwise = nn.Conv2d(inner, inner, 3, stride=stride, dilation=dilation, groups=inner)
        self.project = nn.Conv2d(inner, channels_out, 1)
        self.stride = stride
        self.dilation = dilation
        self.skip = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = F.relu6(self.depthwise(_same(y, 3, self.stride, self.dilation)))
        projected: Tensor = self.project(y)
        return x + projected if self.skip else projected


class FeatureNetwork(nn.Module):
    """A network whose features tell how alike two pictures are."""

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in 0..1 to maps (B, C_i, H_i, W_i), one for each layer that counts."""
        raise NotImplementedError


class PerceptualNetwork(FeatureNetwork):
    """The features of 17 linear bottlenecks, at 1/2 to 1/8 of the picture's size. Its weights never train."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=2)
        blocks = []
        channels = 16
        for inner, channels_out, stride, dilation in _BOTTLENECKS:
            blocks.append(_Bottleneck(channels, inner, channels_out, stride, dilation))
            channels = channels_out
        self.blocks = nn.ModuleList(blocks)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in 0..1 to 17 maps (B, C_i, H_i, W_i)."""
        x = F.relu6(self.stem(_same(image * 2 - 1, 3, 2, 1)))
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        return features

    @classmethod
    def pretrained(cls) -> PerceptualNetwork:
        """The network with the weights that ship with LaMa Fill, in evaluation mode and frozen."""
        network = cls()
        with resources.as_file(resources.files("lama_core.research.evaluation") / "weights") as folder:
            weights = load_file(Path(folder) / "perceptual.safetensors")
        network.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
        return network.eval().requires_grad_(False)


def direction_difference(have: Sequence[Tensor], want: Sequence[Tensor], *, floor: float = 1e-8) -> Tensor:
    """How far two pictures' features point in different directions.

    The mean over layers of the squared difference of features whose channels are scaled to unit length at
    every place (as LPIPS does), summed over channels and averaged over places.

    Args:
        have: the layers of one picture, (B, C_i, H_i, W_i) each.
        want: the layers of the other, of the same shapes.
        floor: lengths below this count as this; a loss needs a larger one, or places without any feature
            would have endless gradients.

    Returns:
        (B,) float, 0 to 4.
    """
    layers = []
    for left, right in zip(have, want, strict=True):
        difference = F.normalize(left.float(), dim=1, eps=floor) - F.normalize(
            right.float(), dim=1, eps=floor
        )
        layers.append(difference.square().sum(dim=1).mean(dim=(1, 2)))
    return torch.stack(layers).mean(dim=0)
