"""Whether a thing that stands beside the hole was copied into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from lama_core.research.evaluation.metrics import Hole, Picture

Floats = npt.NDArray[np.float64]

LIKENESS = 0.8
"""From this normalised cross-correlation on a part of the hole is taken for a thing."""

SHARE = 0.5
"""The least share of a thing that must be in the hole."""

GAIN = 0.5
"""The least contrast of a copy, as a share of the thing's own."""

MARGIN = 3
"""Pixels of the ground around a thing that belong to its look: by them its outline counts."""


@dataclass(frozen=True, slots=True)
class Thing:
    """How something looks: (h, w, 3) uint8, and which of these pixels it takes up, (h, w) bool."""

    look: Picture
    mask: Hole


def things_of(picture: Picture, where: Hole) -> tuple[Thing, ...]:
    """The things of a picture, with a little of the ground around each.

    Args:
        picture: (H, W, 3) uint8.
        where: (H, W) bool, things; those that touch are one.
    """
    around = cv2.dilate(where.astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8))
    count, labels, boxes, _middles = cv2.connectedComponentsWithStats(around)
    found = []
    for label in range(1, count):
        left, top, width, height, _area = boxes[label]
        part = slice(top, top + height), slice(left, left + width)
        found.append(Thing(picture[part], labels[part] == label))
    return tuple(found)


def is_copied(things: Sequence[Thing], filled: Picture, hole: Hole) -> bool:
    """Whether any of the things, or its mirror image, is in the hole, at its own size, for the most part.

    Args:
        things: to look for.
        filled: (H, W, 3) uint8.
        hole: (H, W) bool.
    """
    mirrored = [Thing(thing.look[:, ::-1], thing.mask[:, ::-1]) for thing in things]
    return any(likeness(thing, filled, hole) >= LIKENESS for thing in (*things, *mirrored))


def likeness(thing: Thing, filled: Picture, hole: Hole) -> float:
    """How like a thing the most similar part of a fill is.

    The normalised cross-correlation of all places at which at least `SHARE` of the thing is in the hole, over
    those of its pixels that are (masked as by Padfield, "Masked object registration in the Fourier domain",
    IEEE TIP 2012), where its contrast there is `GAIN` of the thing's or more.

    Args:
        thing: to look for.
        filled: (H, W, 3) uint8.
        hole: (H, W) bool.

    Returns:
        -1 to 1; -1 where the hole has no place for it.
    """
    inside = hole.astype(np.float64)
    mask = thing.mask.astype(np.float64)
    count = _correlate(inside, mask)
    covariance, own, its = (np.zeros(hole.shape) for _ in range(3))
    for channel in range(3):
        values = (filled[:, :, channel] / 255.0 - 0.5) * inside
        look = (thing.look[:, :, channel] / 255.0 - 0.5) * mask
        sums, looks = _correlate(values, mask), _correlate(inside, look)
        total = np.maximum(count, 1)
        covariance += _correlate(values, look) - sums * looks / total
        own += _correlate(values * values, mask) - sums * sums / total
        its += _correlate(inside, look * look) - looks * looks / total
    # Where little of the thing's own variation is in the hole anything would be like it.
    whole = np.square((thing.look[thing.mask] / 255.0) - (thing.look[thing.mask] / 255.0).mean(axis=0)).sum()
    there = (count >= SHARE * mask.sum()) & (its >= SHARE * SHARE * whole) & (covariance >= GAIN * its)
    if not there.any():
        return -1.0
    return float((covariance[there] / np.sqrt(its[there] * np.maximum(own[there], 1e-9))).max())


def _correlate(plane: Floats, kernel: Floats) -> Floats:
    return np.asarray(cv2.filter2D(plane, cv2.CV_64F, kernel, borderType=cv2.BORDER_CONSTANT))
