"""At which scales the network looks at a window."""

from __future__ import annotations

from collections.abc import Callable

from lama_core.fill.network import GeneratorLike, predict
from lama_core.fill.options import Cancelled, FillOptions
from lama_core.image.pixels import Floats, Mask


def predict_window(
    generator: GeneratorLike,
    colour: Floats,
    unknown: Mask,
    options: FillOptions,
    *,
    progress: Callable[[float], None],
    cancelled: Cancelled | None,
) -> Floats:
    """Predict what a window looks like where it is not known.

    Args:
        generator: what predicts.
        colour: (3, H, W) float32 in 0..1, 0 where nothing is known.
        unknown: (H, W), True where nothing is known.
        options: how.
        progress: told which fraction of this is done, 0 to 1.
        cancelled: asked whether to go on.

    Returns:
        (3, H, W) float32, not clipped.

    Raises:
        PredictionError: the generator returned no picture.
        FillCancelled: `cancelled` said so.
    """
    return predict(generator, colour, unknown)
