"""Synthetic grain, as of sensors and of film, whose strength is known."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from lama_core.research.evaluation.dataset import Case, CaseSet
from lama_core.research.evaluation.metrics import Picture

GrainKind = Literal["sensor", "film"]

FILM_SIGMA = 0.8
"""Of the Gaussian that film grain is correlated by, pixels."""

COMMON = 0.8
"""The share of the variance that the three channels have in common."""

STRENGTHS = (3.0, 12.0)
"""The weakest and the strongest grain that a set gets, of 255."""


def add_grain(picture: Picture, kind: GrainKind, strength: float, rng: np.random.Generator) -> Picture:
    """The picture with grain over all of it.

    Args:
        picture: (H, W, 3) uint8.
        kind: "sensor" has independent pixels and a variance that rises with brightness (shot noise over read
            noise); "film" is correlated over neighbours and strongest in the mid-tones.
        strength: the standard deviation at middle gray, of 255.
        rng: the only source of chance.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = picture.shape[:2]
    field = np.sqrt(COMMON) * rng.standard_normal((height, width, 1)) + np.sqrt(
        1 - COMMON
    ) * rng.standard_normal((height, width, 3))
    light = picture / 255.0
    if kind == "film":
        field = cv2.GaussianBlur(field, (0, 0), FILM_SIGMA)
        field /= field.std()
        amount = 0.3 + 0.7 * 2 * np.sqrt(light * (1 - light))
    else:
        amount = np.sqrt(0.2 + 0.8 * 2 * light)
    return np.asarray((picture + strength * amount * field).round().clip(0, 255), np.uint8)


def grain_of(picture: Picture, name: str) -> Picture:
    """The picture with grain whose kind and strength depend on its name alone: (H, W, 3) uint8."""
    number = zlib.crc32(name.encode())
    rng = np.random.default_rng((number, 1))
    kind: GrainKind = "film" if number % 2 else "sensor"
    return add_grain(picture, kind, float(rng.uniform(*STRENGTHS)), rng)


@dataclass(frozen=True, slots=True)
class WithGrain:
    """Another set, with grain on every picture."""

    clean: CaseSet

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of holes, thin first."""
        return self.clean.kinds

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return self.clean.count

    @property
    def remark(self) -> str:
        """What was done to the pictures."""
        low, high = STRENGTHS
        return f"{self.clean.remark}; synthetic grain of {low:.0f} to {high:.0f} of 255 added to each"

    def cases(self, kind: str) -> Iterator[Case]:
        """Every picture with its hole of a kind; grain is there in the truth too."""
        for case in self.clean.cases(kind):
            yield replace(case, photo=grain_of(case.photo, case.name))
