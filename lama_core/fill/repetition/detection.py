"""Which translations of which plane explain where patches look alike.

If a picture shows something that repeats on a plane, the pairs of similar patches are a few steps apart on
that plane. The vanishing line is looked for by trying: with the right one most pairs agree on few steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lama_core.fill.common.matches import Matches
from lama_core.fill.common.patch_search import descriptors
from lama_core.fill.common.sampling import Reals
from lama_core.fill.repetition.plane import Frame, depths, rectified, translated

LARGEST, TRIED = 1.4, 9
"""Vanishing lines are tried with both coefficients up to the first, so many of each; 0, 0 is a plane seen
straight on."""

REFINEMENTS = 3
"""Around the best one others are tried, each time at half the distance."""

TILT_COST = 0.01
"""Of two vanishing lines that explain as much the one is better that is further away: what a coefficient of
1 costs, as a share of all pairs."""

PLAIN = 0.3
"""This share of the patches, those of the least contrast, says nothing."""

BIN = 3.0
"""Steps are counted in bins of so many pixels, of the picture's middle."""

TOLERANCE = 2.0
"""A step explains a pair that it misses by at most this, pixels."""

MOST_STEPS = 10
MIN_COUNT = 6
"""Steps that are looked for with one vanishing line, and pairs that one has to have."""

MAX_BINS = 1_000_000
MIN_DEPTH = 0.2
"""With lines so near to what is matched that either does not hold, nothing is tried."""

MIN_EXPLAINED = 0.15
"""The best steps explain at least this share of the pairs, or nothing repeats. Of rendered tiles, facades,
bricks, railings, planks and slats it is .2 to .65, of shores, regions and single things up to .1; what the
steps show decides then."""

MIN_CROWDED = 0.15
KEPT = 6
"""Of the first vanishing lines so many are looked at closely, if with one of them at least this share of the
pairs has a step that many have."""

MIN_SHARE = 0.02
"""Each step explains at least this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What repeats.

    Attributes:
        vanishing: (2,), the plane's vanishing line.
        steps: (K, 2), along the plane.
    """

    vanishing: Reals
    steps: Reals


def detect_steps(matches: Matches, image: Tensor) -> Steps | None:
    """Look for a plane on which the picture repeats.

    Args:
        matches: of patches of the picture.
        image: (3, H, W) float32, the picture.

    Returns:
        None where nothing repeats.
    """
    frame = Frame(height=image.shape[1], width=image.shape[2])
    pairs = _Pairs(frame, *(frame.places(at.numpy()) for at in _structured(matches, image)))
    if not len(pairs.first):
        return None
    line = np.linspace(-LARGEST, LARGEST, TRIED)
    tried = sorted(((pairs.crowded(np.array((a, b))), a, b) for a in line for b in line), reverse=True)
    if tried[0][0] < MIN_CROWDED:
        return None
    worth, best, steps = max((pairs.explained(np.array(at)) for _, *at in tried[:KEPT]), key=itemgetter(0))
    distance = line[1] - line[0]
    for _ in range(REFINEMENTS):
        distance /= 2
        around = (-distance, 0.0, distance)
        found = max(
            (pairs.explained(best + np.array((a, b))) for a in around for b in around), key=itemgetter(0)
        )
        if found[0] > worth:
            worth, best, steps = found
    if worth < MIN_EXPLAINED or not len(steps):
        return None
    return Steps(vanishing=best, steps=steps)


def _structured(matches: Matches, image: Tensor) -> tuple[Tensor, Tensor]:
    """Both ends of the pairs that show more than a plain surface, (N, 2) each."""
    width = image.shape[2]
    described = descriptors(image)[matches.asked[:, 0] * width + matches.asked[:, 1]]
    contrast = described[:, 1:].square().sum(dim=1)
    kept = contrast > torch.quantile(contrast, PLAIN)
    return matches.asked[kept], matches.found[kept]


class _Pairs:
    """Places that look alike, (N, 2) each, and what steps of a plane lie between them."""

    def __init__(self, frame: Frame, first: Reals, second: Reals) -> None:
        self.frame, self.first, self.second = frame, first, second

    def crowded(self, vanishing: Reals) -> float:
        """Which share of the pairs has a step that many have, less what the tilt costs; below 0 for none."""
        found = self._counted(vanishing)
        if found is None:
            return -np.inf
        *_, bins, counts = found
        least = max(MIN_COUNT, MIN_SHARE * len(self.first))
        share = np.count_nonzero(counts[bins[:, 0] + 1, bins[:, 1] + 1] >= least) / len(self.first)
        return share - TILT_COST * float(np.linalg.norm(vanishing))

    def explained(self, vanishing: Reals) -> tuple[float, Reals, Reals]:
        """The steps that explain most pairs.

        Returns:
            Which share they explain, less what the tilt costs; the vanishing line; and those that explain
            some by themselves, (K, 2).
        """
        found = self._counted(vanishing)
        if found is None:
            return -np.inf, vanishing, np.empty((0, 2))
        steps, turned, bins, counts = found
        begin = np.where(turned, self.second, self.first)
        end = np.where(turned, self.first, self.second)
        left = np.ones(len(steps), np.bool_)
        explaining = []
        for _ in range(MOST_STEPS):
            row, column = divmod(int(counts.argmax()), counts.shape[1])
            if counts[row, column] < MIN_COUNT:
                break
            near = (np.abs(bins + 1 - (row, column)) <= 1).all(axis=1)
            step = np.median(steps[near], axis=0)
            missed = np.linalg.norm(translated(begin, vanishing, step) - end, axis=1) * self.frame.side
            mine = left & (missed < TOLERANCE)
            left &= ~mine
            if np.count_nonzero(mine) >= MIN_SHARE * len(steps):
                explaining.append(step)
            counts[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = 0
        share = np.count_nonzero(~left) / len(steps)
        worth = share - TILT_COST * float(np.linalg.norm(vanishing))
        return worth, vanishing, np.array(explaining).reshape(-1, 2)

    def _counted(
        self, vanishing: Reals
    ) -> tuple[Reals, NDArray[np.bool_], NDArray[np.intp], NDArray[np.int64]] | None:
        """Count the steps with a vanishing line.

        Returns:
            The steps, (N, 2); which of them are turned round, so that each has one of two opposite
            directions, (N, 1); their bins, (N, 2); and how many steps are in each bin and those around it.
            Counts have one bin more on every side. None where the line is too near.
        """
        if min(depths(places, vanishing).min() for places in (self.first, self.second)) < MIN_DEPTH:
            return None
        steps = rectified(self.second, vanishing) - rectified(self.first, vanishing)
        turned = ((steps[:, 0] < 0) | ((steps[:, 0] == 0) & (steps[:, 1] < 0)))[:, None]
        steps = np.where(turned, -steps, steps)
        bins = ((steps - steps.min(axis=0)) * (self.frame.side / BIN)).astype(np.intp)
        rows, columns = (int(most) + 3 for most in bins.max(axis=0))
        if rows * columns > MAX_BINS:
            return None
        flat = (bins[:, 0] + 1) * columns + bins[:, 1] + 1
        single = np.bincount(flat, minlength=rows * columns).reshape(rows, columns)
        counts = single.copy()
        counts[1:] += single[:-1]
        counts[:-1] += single[1:]
        several = counts.copy()
        several[:, 1:] += counts[:, :-1]
        several[:, :-1] += counts[:, 1:]
        return steps, turned, bins, several
