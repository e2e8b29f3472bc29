"""Generators that know the truth, as far as a scale: what a strong network would predict.

A fill must not take away what such a generator knows, and has to add the detail that it cannot know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill import FillOptions
from lama_core.model.predictor import Predictor
from lama_core.research.evaluation.methods import ALONE, PRODUCT, Method, with_options
from lama_core.research.evaluation.metrics import Hole, Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What a generator knows of a picture.

    Attributes:
        side: of both sides of the picture from which it knows the truth, pixels: what is finer is lost.
        noise: standard deviation of its errors, of 255; they are as coarse as what it knows.
    """

    side: int
    noise: float = 0


KINDS: Mapping[str, Knowledge] = {
    "knows 256 px": Knowledge(side=256),
    "knows 512 px": Knowledge(side=512),
    "knows 512 px, noisy": Knowledge(side=512, noise=8),
}


class KnowingPredictor(Predictor):
    """Predicts a whole picture, at whatever size it is shown, from what it knows of it."""

    def __init__(self, truth: Picture, knowledge: Knowledge) -> None:
        """`truth`: (H, W, 3) uint8, all of the picture that windows will show."""
        picture = torch.from_numpy(truth.transpose(2, 0, 1).astype(np.float32) / 255)[None]
        small = F.interpolate(picture, (knowledge.side, knowledge.side), mode="area")
        generator = torch.Generator().manual_seed(0)
        self._known = small + torch.randn(small.shape, generator=generator) * (knowledge.noise / 255)

    def __call__(self, image: Tensor, hole: Tensor, /) -> Tensor:
        """The truth at the size of `image`, no finer than what is known."""
        size = (image.shape[2], image.shape[3])
        if max(size) <= self._known.shape[2]:
            return F.interpolate(self._known, size, mode="area")
        return F.interpolate(self._known, size, mode="bicubic", align_corners=False).clamp(0, 1)


def knowing_methods() -> dict[str, Method]:
    """For each generator its prediction alone, and what is filled by it by default."""
    return {
        f"{name} {way}": _method(knowledge, options)
        for name, knowledge in KINDS.items()
        for way, options in (("alone", ALONE), ("balanced", replace(PRODUCT, context="whole")))
    }


def _method(knowledge: Knowledge, options: FillOptions) -> Method:
    """The fill of a generator that knows each picture."""

    def method(photo: Picture, hole: Hole) -> Picture:
        return with_options(KnowingPredictor(photo, knowledge), options)(photo, hole)

    return method
