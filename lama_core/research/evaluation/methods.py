"""The ways to fill that are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from lama_core.client.options import Quality
from lama_core.fill import FillOptions, fill
from lama_core.model.predictor import Predict
from lama_core.research.evaluation.baselines import navier_stokes, telea
from lama_core.research.evaluation.metrics import Hole, Picture

Method = Callable[[Picture, Hole], Picture]
Feature = Literal["seam", "grain"]

ALONE = FillOptions(context="whole", grow=0, feather=0, quality="fast", seam=False, grain=False)
"""One pass over the whole picture and nothing else: the figures of the network itself."""

PRODUCT = FillOptions(grow=0)
"""What an artist gets by default, but for the grow: these holes are exact, and growing them would only throw
away what is known."""


def baselines() -> dict[str, Method]:
    """The fills without a network."""
    return {"OpenCV Telea": telea, "OpenCV Navier-Stokes": navier_stokes}


def model_methods(
    generator: Predict,
    name: str,
    *,
    qualities: Sequence[Quality] = ("balanced",),
    without: Sequence[Feature] = (),
) -> dict[str, Method]:
    """The fills of a model, under its name.

    Args:
        generator: the model.
        name: of the model.
        qualities: those to fill with, each a method.
        without: features to switch off; for each of them every quality is a method once more.

    Returns:
        The network alone first, then quality by quality, then those without something.
    """
    options = {f"{name} alone": ALONE}
    options |= {f"{name} {quality}": replace(PRODUCT, quality=quality) for quality in qualities}
    for feature in without:
        for quality in qualities:
            full = replace(PRODUCT, quality=quality)
            less = replace(full, seam=False) if feature == "seam" else replace(full, grain=False)
            options[f"{name} {quality}, no {feature}"] = less
    return {method: with_options(generator, chosen) for method, chosen in options.items()}


def with_options(generator: Predict, options: FillOptions) -> Method:
    """The fill of a model with these options, as a method."""

    def method(photo: Picture, hole: Hole) -> Picture:
        return np.asarray(fill(photo, hole, generator, options), np.uint8)

    return method
