"""At which scales the network looks at a window, and what is made of it, by quality.

fast      one pass at the picture's own scale
balanced  a pass at the scale at which the network sees across the hole, which says what belongs where; a
          pass at the picture's own, which brings the edges; patches of the picture itself for what
          networks draw softly
best      feature refinement over several scales in place of the first pass
"""

from __future__ import annotations

from collections.abc import Callable

from lama_core.fill.options import Cancelled, FillOptions
from lama_core.fill.predictor import GeneratorLike, predict
from lama_core.fill.seeded_view import Variation
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
        generator: what predicts. One that is no `Generator`, nor has one as `plain`, gets "balanced" where
            "best" is asked for.
        colour: (3, H, W) float32 in 0..1, 0 where nothing is known.
        unknown: (H, W), True where nothing is known.
        options: how; of them quality, seed and memory.
        progress: told which fraction of this is done, 0 to 1.
        cancelled: asked whether to go on.

    Returns:
        (3, H, W) float32, not clipped.

    Raises:
        PredictionError: the generator returned no picture.
        FillCancelled: `cancelled` said so.
    """
    variation = Variation.of(unknown, options.seed)
    seen, hole = variation.apply(colour), variation.apply(unknown)
    if options.quality == "fast":
        return variation.undo(predict(generator, seen, hole), colour)

    # Not before: who plans a fill, or has a server do it, waits for no torch.
    from lama_core.fill.multiscale import predict_at_scales

    filled = predict_at_scales(
        generator,
        seen,
        hole,
        options,
        halvings=variation.halvings,
        progress=progress,
        cancelled=cancelled,
    )
    return variation.undo(filled, colour)
