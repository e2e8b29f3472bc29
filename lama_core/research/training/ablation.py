"""The generators that the paper compares LaMa's with: plain or dilated convolutions, no FFC (section 3.2).

They are trained as LaMa's are and fill the same way, but are for research alone: they are not imported as
models. Layers are numbered as in the official code, so a state dict has its names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save
from torch import Tensor, nn

from lama_core.client.files import write_atomically
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import ArchitectureError, SaveError, WeightsError, write_safetensors
from lama_core.model.checkpoint.detect import open_weights
from lama_core.model.checkpoint.keys import is_batchnorm_counter
from lama_core.model.generator import pad_symmetric, padded_size
from lama_core.research.training.config import Architecture

DILATIONS = (1, 2, 4, 8)
"""Of the multi-dilated convolutions; each works on its own quarter of the channels."""

_KINDS = ("pix2pixhd_global", "pix2pixhd_multidilated")
_BLOCK = re.compile(r"(?:^|\.)(model\.(\d+)\.conv_block\.)", re.ASCII)


class PlainBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        out: Tensor = x + self.conv_block(x)
        return out


class MultidilatedConv(nn.Module):
    """3x3 convolutions of several dilations, each from its own share of the channels to all, added up."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        share = channels // len(DILATIONS)
        self.convs = nn.ModuleList(
            nn.Conv2d(share, channels, 3, padding=dilation, dilation=dilation, padding_mode="reflect")
            for dilation in DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape; H and W are more than the largest dilation."""
        parts = x.chunk(len(DILATIONS), dim=1)
        return torch.stack([conv(part) for conv, part in zip(self.convs, parts, strict=True)]).sum(dim=0)


class MultidilatedBlock(nn.Module):
    """Two multi-dilated convolutions with BatchNorm around a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            MultidilatedConv(channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            MultidilatedConv(channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        out: Tensor = x + self.conv_block(x)
        return out


class AblationGenerator(nn.Module):
    """pix2pixHD's generator (Wang et al., 2018), with plain or with multi-dilated residual blocks.

    `config.global_ratio` and `local_fourier_unit` mean nothing here.
    """

    def __init__(self, kind: Literal["plain", "multidilated"], config: GeneratorConfig) -> None:
        super().__init__()
        if config.output == "residual":
            raise ValueError("the paper's generators end in sigmoid or tanh, not in residual")
        if kind == "multidilated" and config.channels(config.downsamplings) % len(DILATIONS):
            raise ValueError(f"the bottleneck's channels must be a multiple of {len(DILATIONS)}")
        self.kind = kind
        self.config = config
        depth = config.downsamplings
        # The layers are numbered by their place here: the official names count those without weights too.
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(4, config.width, 7)]
        layers += [nn.BatchNorm2d(config.width), nn.ReLU()]
        for level in range(depth):
            wider = config.channels(level + 1)
            # Unlike LaMa's own, these pad with zeros.
            layers += [nn.Conv2d(config.channels(level), wider, 3, stride=2, padding=1)]
            layers += [nn.BatchNorm2d(wider), nn.ReLU()]
        block = PlainBlock if kind == "plain" else MultidilatedBlock
        layers += [block(config.channels(depth)) for _ in range(config.blocks)]
        for level in range(depth, 0, -1):
            narrower = config.channels(level - 1)
            layers += [
                nn.ConvTranspose2d(config.channels(level), narrower, 3, stride=2, padding=1, output_padding=1)
            ]
            layers += [nn.BatchNorm2d(narrower), nn.ReLU()]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(config.width, 3, 7)]
        layers += [nn.Sigmoid() if config.output == "sigmoid" else nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """Predict the whole picture.

        Args:
            image: (B, 3, H, W) float in 0..1. The multi-dilated one needs more than its largest dilation in
                cells of the bottleneck: H and W of 72 or more.
            hole: (B, 1, H, W), 1 in the hole; bool or float.

        Returns:
            (B, 3, H, W).
        """
        height, width = image.shape[2:]
        # As the official pipeline: picture and hole are mirrored, edge pixels included, before they join.
        size = padded_size(self.config, height, width)
        image, hole = pad_symmetric(image, *size), pad_symmetric(hole.to(image.dtype), *size)
        x = torch.cat((image * (1 - hole), hole), dim=1)
        out: Tensor = self.model(x)[:, :, :height, :width]
        return out


def new_generator(architecture: Architecture, config: GeneratorConfig) -> Generator | AblationGenerator:
    """An untrained generator of any architecture."""
    if architecture == "ffc":
        return Generator(config)
    return AblationGenerator(architecture, config)


def write_generator(generator: Generator | AblationGenerator, path: Path, *, origin: str) -> None:
    """Write a generator in half precision: LaMa's own as a model, another under its official names.

    Raises:
        SaveError: the file cannot be written.
    """
    if isinstance(generator, Generator):
        write_safetensors(generator, path, metadata={"origin": origin}, dtype=torch.float16)
        return
    tensors = {
        f"generator.{name}": value.detach().to("cpu", torch.float16).contiguous()
        for name, value in generator.state_dict().items()
        if not is_batchnorm_counter(name)
    }
    try:
        write_atomically(path, save(tensors, metadata={"origin": origin}), fsync=True)
    except OSError as error:
        raise SaveError(f"{path} could not be written: {error.strerror or error}") from error


def load_ablation(path: Path, *, output: Literal["sigmoid", "tanh"] = "sigmoid") -> AblationGenerator:
    """Load a plain or multi-dilated generator, from an official checkpoint or from what was trained here.

    Nothing in the file is executed.

    Args:
        path: the official folder, its zip, the .ckpt alone, or a .safetensors.
        output: the activation at the end, where no config.yaml beside the weights says it.

    Returns:
        The generator in eval mode, in float32.

    Raises:
        CheckpointError: the file cannot be read, or holds something else.
    """
    with open_weights(path, kinds=_KINDS) as opened:
        tensors = opened.file.tensors
        found = [match for match in map(_BLOCK.search, tensors) if match]
        if not found:
            raise ArchitectureError(f"{path}: none of its tensors is of a plain or multi-dilated generator")
        # A training checkpoint may hold an average too: the one that is called generator counts.
        prefix = max((m.string[: m.start(1)] for m in found), key=lambda p: (p == "generator.", p))
        blocks = {int(match[2]) for match in found if match.string[: match.start(1)] == prefix}
        multidilated = f"{prefix}model.{min(blocks)}.conv_block.0.convs.0.weight" in tensors
        # Before the blocks come four layers of the stem and three for each downsampling.
        depth = (min(blocks) - 4) // 3
        stem = tensors.get(f"{prefix}model.1.weight")
        inner = tensors.get(
            f"{prefix}model.{min(blocks)}.conv_block.{'0.convs.0' if multidilated else '1'}.weight"
        )
        if stem is None or inner is None or len(stem.shape) != 4 or len(inner.shape) != 4:
            raise WeightsError(f"{path}: its stem or its first block is missing")
        width, channels = stem.shape[0], inner.shape[0]
        try:
            config = GeneratorConfig(
                width=width,
                blocks=len(blocks),
                downsamplings=depth,
                max_channels=channels if channels < width * 2**depth else max(1024, channels),
                output="tanh" if (opened.output or output) == "tanh" else "sigmoid",
            )
            with torch.device("meta"):
                generator = AblationGenerator("multidilated" if multidilated else "plain", config)
        except ValueError as error:
            raise ArchitectureError(f"{path}: its architecture is not supported: {error}") from error
        state: dict[str, Tensor] = {}
        for name, value in generator.state_dict().items():
            if is_batchnorm_counter(name):
                state[name] = torch.tensor(0)
                continue
            stored = tensors.get(prefix + name)
            if stored is None or stored.shape != tuple(value.shape):
                raise WeightsError(f"{path}: tensor {prefix}{name} is missing or has another shape")
            state[name] = opened.file.read(prefix + name).float().clone()
    generator.load_state_dict(state, assign=True)
    return generator.eval()
