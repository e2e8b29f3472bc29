"""The LaMa generator: a picture and a hole in, a picture of the same size out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lama_core.model.config import GeneratorConfig
from lama_core.model.ffc import FFC, Branches, FFCNormAct, FFCResidualBlock
from lama_core.model.prefill import harmonic_fill


class Generator(nn.Module):
    """The FFC generator of LaMa (Suvorov et al., 2021, section 2.1), plain and in the order of the paper.

    This is the reference that every faster form is compared with.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        depth = config.downsamplings

        self.stem = FFCNormAct(FFC(4, 0, config.width, 0, kernel=7))
        self.downs = nn.ModuleList()
        for level in range(depth):
            # Only the last one leaves a global branch behind: the blocks alone work on both.
            last = level == depth - 1
            ffc = FFC(
                config.channels(level),
                0,
                config.local_channels if last else config.channels(level + 1),
                config.global_channels if last else 0,
                kernel=3,
                stride=2,
            )
            self.downs.append(FFCNormAct(ffc))
        self.blocks = nn.ModuleList(
            FFCResidualBlock(
                config.local_channels,
                config.global_channels,
                local_fourier_unit=config.local_fourier_unit,
            )
            for _ in range(config.blocks)
        )
        self.ups = nn.ModuleList(
            UpNormAct(config.channels(level), config.channels(level - 1)) for level in range(depth, 0, -1)
        )
        self.head = nn.Conv2d(config.width, 3, 7)
        if config.output == "residual":
            # Training starts at the smooth fill itself.
            nn.init.zeros_(self.head.weight)
            if self.head.bias is not None:
                nn.init.zeros_(self.head.bias)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict the whole picture; only what lies in the hole is of interest.

        Args:
            image: (B, 3, H, W) float in 0..1, any H and W from 1 up. What lies in the hole is not looked at.
            hole: (B, 1, H, W), 1 in the hole, 0 in the known region; bool or float.

        Returns:
            (B, 3, H, W) prediction. `sigmoid` keeps it in 0..1; the other outputs may go beyond.

        Raises:
            ValueError: the shapes do not fit each other.
        """
        return predict_with(self.network, self.config, image, hole)

    def network(self, x: Tensor) -> Tensor:
        """The layers alone, without what `GeneratorConfig.output` does to their value.

        (B, 4, H, W), H and W as `padded_size` gives them, to (B, 3, H, W).
        """
        return self.decode(self.encode(x))

    def encode(self, x: Tensor) -> Branches:
        """The layers before the blocks: (B, 4, H, W) to at last (B, C_l, H/8, W/8) and (B, C_g, H/8, W/8)."""
        branches: Branches = self.stem((x, None))  # (B, width, H, W)
        for down in self.downs:
            branches = down(branches)
        return branches

    def decode(self, branches: Branches, *, keep: bool = True) -> Tensor:
        """The layers from the blocks on: what `encode` gives, to (B, 3, H, W).

        Without `keep` a later backward pass works the insides of each part out once more, and so has to keep
        little of them (Chen et al., 2016, "Training Deep Nets with Sublinear Memory Cost").
        """
        y: Branches | Tensor = branches
        for part in self.decoder_parts():
            y = part(y) if keep else checkpoint(part, y, use_reentrant=False)
        assert isinstance(y, Tensor)
        return y

    def decoder_parts(self) -> list[Callable[[Any], Any]]:
        """What `decode` does in turn: the blocks, what joins their branches, the ups, the head."""
        return [*self.blocks, _joined, *self.ups, self._pictured]

    def _pictured(self, y: Tensor) -> Tensor:
        y = F.pad(y, (3, 3, 3, 3), mode="reflect")
        out: Tensor = self.head(y)
        return out

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """The size that the layers work at: whole cells of the bottleneck, and two of them at least."""
        return padded_size(self.config, height, width)


def _joined(branches: tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat(branches, dim=1)  # (B, C_l + C_g, H/8, W/8)


def predict_with(
    network: Callable[[Tensor], Tensor], config: GeneratorConfig, image: Tensor, hole: Tensor
) -> Tensor:
    """What `Generator.forward` does around its layers, for whatever computes the same as `Generator.network`.

    Arguments, result and errors are those of `Generator.forward`.
    """
    if image.dim() != 4 or image.shape[1] != 3:
        raise ValueError(f"image must be (B, 3, H, W), not {tuple(image.shape)}")
    if hole.shape != (image.shape[0], 1, *image.shape[2:]):
        raise ValueError(f"hole must be (B, 1, H, W) like the image, not {tuple(hole.shape)}")
    height, width = image.shape[2:]
    hole = hole.to(image.dtype)
    rows, columns = padded_size(config, height, width)
    image = pad_symmetric(image, rows, columns)
    hole = pad_symmetric(hole, rows, columns)

    if config.output == "residual":
        with torch.no_grad():
            smooth = harmonic_fill(image, hole)
        prediction = smooth + network(torch.cat((smooth, hole), dim=1))
    else:
        prediction = network(torch.cat((image * (1 - hole), hole), dim=1))
        prediction = (torch.sigmoid if config.output == "sigmoid" else torch.tanh)(prediction)
    return prediction[:, :, :height, :width]


def padded_size(config: GeneratorConfig, height: int, width: int) -> tuple[int, int]:
    """The size that the layers work at: whole cells of the bottleneck, and two of them at least."""
    cell: int = 2**config.downsamplings
    if config.local_fourier_unit:
        cell *= 2  # the quadrants must be equal
    cell = max(8, cell)  # as the official pipeline, which pads to 8 whatever the depth
    smallest = max(2 * 2**config.downsamplings, 4)  # reflection needs something to reflect
    return (
        max(smallest, -(-height // cell) * cell),
        max(smallest, -(-width // cell) * cell),
    )


class UpNormAct(nn.Module):
    """A transposed 3x3 convolution that doubles the size, then BatchNorm and ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, 2H, 2W)."""
        return torch.relu(self.norm(self.conv(x)))


def pad_symmetric(x: Tensor, height: int, width: int) -> Tensor:
    """Grow (B, C, H, W) at bottom and right by mirroring, edge pixels included, as often as it takes."""
    for dim, size in ((2, height), (3, width)):
        have = x.shape[dim]
        if have < size:
            position = torch.arange(size, device=x.device) % (2 * have)
            x = x.index_select(dim, torch.minimum(position, 2 * have - 1 - position))
    return x
