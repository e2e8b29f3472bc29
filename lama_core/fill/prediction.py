"""One call of the network: planes of numpy in, planes of numpy out."""

from __future__ import annotations

import numpy as np
import torch

from lama_core.fill.common.errors import PredictionError
from lama_core.fill.memory_limit import within_memory
from lama_core.image.pixels import Floats, Mask
from lama_core.model.predictor import Predictor


def predict(predictor: Predictor, colour: Floats, hole: Mask, *, memory: int | None = None) -> Floats:
    """Call the network once.

    Args:
        predictor: the network.
        colour: (3, H, W) in 0..1, 0 where the hole is.
        hole: (H, W), True in the hole.
        memory: bytes that the call may take; None: as many as it needs.

    Returns:
        (3, H, W) float32, not clipped.

    Raises:
        PredictionError: what came back is not a picture of that size, or has values that are not finite in
            it.
    """
    with torch.inference_mode():
        image = torch.from_numpy(colour)[None].to(predictor.device)
        holes = torch.from_numpy(hole.astype(np.float32))[None, None].to(predictor.device)
        prediction = within_memory(predictor, memory)(image, holes)
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
