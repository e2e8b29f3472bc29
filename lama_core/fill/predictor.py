"""The one place of a fill where torch is touched: planes in, planes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lama_core.fill.options import PredictionError
from lama_core.image.pixels import Floats, Mask

if TYPE_CHECKING:
    import torch


class GeneratorLike(Protocol):
    """A `lama_core.model.Generator`, or whatever is called the same way.

    Its tensors are sent to its `device` where it has one, else to that of its first parameter, else they
    stay on the CPU.
    """

    def __call__(self, image: torch.Tensor, hole: torch.Tensor, /) -> torch.Tensor:
        """(1, 3, H, W) float32 in 0..1 and (1, 1, H, W) float32, 1 in the hole, to (1, 3, H, W)."""
        ...


def predict(generator: GeneratorLike, colour: Floats, hole: Mask) -> Floats:
    """Call the network once.

    Args:
        generator: what predicts.
        colour: (3, H, W) in 0..1, 0 where the hole is.
        hole: (H, W).

    Returns:
        (3, H, W) float32, not clipped.

    Raises:
        PredictionError: what came back is not a picture of that size, or has values that are not finite in
            it.
    """
    import torch

    device = _device(generator)
    with torch.inference_mode():
        image = torch.from_numpy(colour)[None].to(device)
        holes = torch.from_numpy(hole.astype(np.float32))[None, None].to(device)
        prediction = generator(image, holes)
        if prediction.shape != image.shape:
            raise PredictionError(
                f"the model returned {tuple(prediction.shape)} for a window of {tuple(image.shape)}: "
                "it is not one that fills holes"
            )
        planes: Floats = prediction[0].to("cpu", torch.float32).numpy()
    if not np.isfinite(planes).all():
        raise PredictionError(
            "the model returned values that are not numbers: check its file (`lama-fill models verify`) "
            "or try another device or precision"
        )
    return planes


def _device(generator: GeneratorLike) -> torch.device:
    import torch

    named = getattr(generator, "device", None)
    if named is not None:
        return torch.device(named)
    if isinstance(generator, torch.nn.Module):
        for parameter in generator.parameters():
            return parameter.device
    return torch.device("cpu")
