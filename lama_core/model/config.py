"""What decides the shape of a generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Output = Literal["sigmoid", "tanh", "residual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorConfig:
    """The architecture of a LaMa generator (Suvorov et al., 2021, section 2.1).

    The defaults are big-lama's. Every value except `output` can be told from the weights of a checkpoint.

    Raises:
        ValueError: a value is outside its range, or leaves a branch without a channel.
    """

    width: int = 64
    """Channels after the stem; each downsampling doubles them. 4 or more, even."""
    blocks: int = 18
    """FFC residual blocks in the bottleneck. 1 or more."""
    downsamplings: int = 3
    """Stride-2 convolutions before the blocks, and as many transposed ones after them. 1 to 6."""
    max_channels: int = 1024
    """No layer has more channels than this."""
    global_ratio: float = 0.75
    """Share of the bottleneck's channels in the global branch, between 0 and 1, both excluded."""
    local_fourier_unit: bool = False
    """Whether the spectral transforms also have a Fourier unit over the four quadrants of the map."""
    output: Output = "sigmoid"
    """How the head's value becomes the prediction. `sigmoid` and `tanh` are LaMa's. `residual` is for compact
    models that cannot afford to carry the whole picture through the bottleneck: the network sees the hole
    pre-filled smoothly and predicts what to add to that (see `lama_core.model.prefill`)."""

    def __post_init__(self) -> None:
        if self.width < 4 or self.width % 2:
            raise ValueError(f"width must be an even number from 4 up, not {self.width}")
        if self.blocks < 1:
            raise ValueError(f"blocks must be 1 or more, not {self.blocks}")
        if not 1 <= self.downsamplings <= 6:
            raise ValueError(f"downsamplings must be 1 to 6, not {self.downsamplings}")
        if self.max_channels < self.width:
            raise ValueError(f"max_channels must be at least width, {self.width}, not {self.max_channels}")
        if self.output not in ("sigmoid", "tanh", "residual"):
            raise ValueError(f"output must be sigmoid, tanh or residual, not {self.output!r}")
        if not 0 < self.global_ratio < 1 or self.local_channels < 1 or self.global_channels < 4:
            raise ValueError(f"global_ratio {self.global_ratio} leaves a branch without channels")

    def channels(self, level: int) -> int:
        """Channels after `level` downsamplings: level 0 is the stem, `downsamplings` the bottleneck."""
        return int(min(self.max_channels, self.width * 2**level))

    @property
    def global_channels(self) -> int:
        """Channels of the global branch in the blocks."""
        return int(self.channels(self.downsamplings) * self.global_ratio)

    @property
    def local_channels(self) -> int:
        """Channels of the local branch in the blocks."""
        return self.channels(self.downsamplings) - self.global_channels

    @classmethod
    def big_lama(cls) -> GeneratorConfig:
        """The model that the paper's authors released as big-lama: 51 M parameters."""
        return cls()

    @classmethod
    def lama_fourier(cls) -> GeneratorConfig:
        """LaMa-Fourier, the paper's base model: 27 M parameters."""
        return cls(blocks=9)

    @classmethod
    def compact(cls) -> GeneratorConfig:
        """The model that ships with LaMa Fill: 2.7 M parameters."""
        return cls(width=24, blocks=6, output="residual")
