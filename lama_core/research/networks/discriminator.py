"""The patch discriminator that LaMa trains against (pix2pixHD; Wang et al., 2018)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

MAX_CHANNELS = 512


class Judgement(NamedTuple):
    """What the discriminator says of a picture."""

    scores: Tensor
    """(B, 1, h, w) logits, one for each patch: positive means real."""
    features: list[Tensor]
    """What its layers but the last see, (B, C_i, H_i, W_i) each."""


class Discriminator(nn.Module):
    """Convolutions 4x4 with LeakyReLU, BatchNorm on all but the first; each score judges a patch.

    With four strided layers a 256-pixel picture has 19x19 scores, each of which sees 142 pixels across.
    """

    def __init__(self, *, width: int = 64, strided: int = 4) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, width, 4, stride=2, padding=2), nn.LeakyReLU(0.2))]
        )
        channels = width
        for layer in range(1, strided + 1):
            wider = min(MAX_CHANNELS, channels * 2)
            stride = 2 if layer < strided else 1
            self.layers.append(
                nn.Sequential(
                    nn.Conv2d(channels, wider, 4, stride=stride, padding=2),
                    nn.BatchNorm2d(wider),
                    nn.LeakyReLU(0.2),
                )
            )
            channels = wider
        self.score = nn.Conv2d(channels, 1, 4, padding=2)

    def forward(self, image: Tensor) -> Judgement:
        """(B, 3, H, W) float in 0..1; H and W from 32 up."""
        features = []
        x = image
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return Judgement(self.score(x), features)
