"""By how much two frames of a still camera differ: a shake of a few pixels, and the exposure.

The shake is found by Gauss-Newton from coarse to fine (Baker and Matthews, 2004, "Lucas-Kanade 20 Years On"),
among what both frames show outside of their holes; what moves there unmarked counts little. The exposure is
the median ratio of light then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import Floats, Mask

Reals = NDArray[np.float64]
Value = TypeVar("Value", bound=np.generic)

MAX_SHIFT = 16
"""A camera that moved by more pixels is not still."""

LEVELS = 4
"""Scales, each half of the one before."""

MIN_SIDE = 12
MIN_KNOWN = 64
"""Sides and pixels below which a scale says nothing."""

ENOUGH = 200_000
"""Pixels that are compared, about."""

ITERATIONS = 12
CONVERGED = 1e-3
"""Pixels."""

MIN_SCALE = 0.004
"""The smallest difference, of white, beyond which a pixel counts less (Geman and McClure)."""

WHOLE = 1 / 16
"""A shift so near to whole pixels is whole: resampling would cost more than it mends."""

OTHER_VIEW = 0.5
MIN_CONTRAST = 0.02
"""Frames of one view differ by less than this share of their contrast at half of the scales or more. A
contrast below this share of white at the coarsest says nothing."""

SAME_GAIN = 0.002
"""Exposures that differ by less are the same: half a level of 255."""

CLIPPED = 0.98
"""Light above this share of white may have been more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How a frame lies to the reference.

    Attributes:
        dx, dy: what is at (x, y) in the reference is at (x + dx, y + dy) in the frame; pixels.
        gains: for each colour, the reference's light divided by the frame's.
        same_view: whether it shows what the reference shows; if not, the others mean nothing.
    """

    dx: float
    dy: float
    gains: tuple[float, ...]
    same_view: bool = True


def find_shift(
    reference: Floats, frame: Floats, known_reference: Mask, known_frame: Mask
) -> tuple[float, float, bool]:
    """How far a frame has moved.

    Args:
        reference, frame: (H, W) float32 in about 0..1, perceptual.
        known_reference, known_frame: (H, W), where they show the background.

    Returns:
        dx, dy and `same_view` as of `Alignment`. Where there is nothing to compare, or only flat colour:
        (0, 0, True).
    """
    scales = [(reference, frame, known_reference, known_frame)]
    while len(scales) < LEVELS and min(scales[-1][0].shape) >= 2 * MIN_SIDE:
        one, other, of_one, of_other = scales[-1]
        (one, of_one), (other, of_other) = _halved(one, of_one), _halved(other, of_other)
        if np.count_nonzero(of_one & of_other) < MIN_KNOWN:
            break
        scales.append((one, other, of_one, of_other))
    last = len(scales) - 1
    shift, deviations = _searched(*scales[last], math.ceil(MAX_SHIFT / 2**last)), np.zeros(2)
    compared = []
    for number in range(last, -1, -1):
        shift, deviations, difference, contrast = _refined(*scales[number], shift, MAX_SHIFT / 2**number)
        if contrast > 0:
            compared.append((contrast, difference <= OTHER_VIEW * contrast))
        if number:
            shift = 2 * shift
    if not compared:
        return 0.0, 0.0, True
    if 2 * sum(alike for _, alike in compared) < len(compared):
        # Noise hides it at fine scales at most, and few pixels look alike by chance at the coarsest. So this
        # is another view, unless there is nothing but noise to see.
        return 0.0, 0.0, compared[0][0] <= MIN_CONTRAST
    whole = np.rint(shift)
    shift = np.where(np.abs(shift - whole) <= np.maximum(WHOLE, 3 * deviations), whole, shift)
    return float(shift[1]), float(shift[0]), bool((np.abs(shift) <= MAX_SHIFT).all())


def find_gains(reference: Floats, frame: Floats, known: Mask, *, white: float | None) -> tuple[float, ...]:
    """How the exposures of two aligned frames differ.

    Args:
        reference, frame: (H, W, C) float32, light.
        known: (H, W), where both show the background.
        white: the most light that they can hold; None: any.

    Returns:
        `gains` as of `Alignment`.
    """
    gains = []
    for channel in range(reference.shape[2]):
        one, other = reference[known, channel], frame[known, channel]
        usable = (one > 0) & (other > 0)
        if white is not None:
            usable &= np.maximum(one, other) < CLIPPED * white
        one, other = one[usable], other[usable]
        if one.size < MIN_KNOWN:
            gains.append(1.0)
            continue
        # Chosen by both, so that noise of one of them does not decide.
        both = one + other
        bright = both >= np.median(both)
        gain = float(np.median(one[bright] / other[bright]))
        gains.append(1.0 if abs(gain - 1) < SAME_GAIN else gain)
    return tuple(gains)


def shifted(values: NDArray[Value], dx: int, dy: int) -> NDArray[Value]:
    """What is at (x + dx, y + dy) in (H, W, ...); 0 where that is outside."""
    moved = np.zeros_like(values)
    height, width = values.shape[:2]
    rows, columns = max(0, height - abs(dy)), max(0, width - abs(dx))
    to_y, to_x, from_y, from_x = max(0, -dy), max(0, -dx), max(0, dy), max(0, dx)
    moved[to_y : to_y + rows, to_x : to_x + columns] = values[
        from_y : from_y + rows, from_x : from_x + columns
    ]
    return moved


def resampled(values: Floats, known: Mask, dx: float, dy: float) -> tuple[Floats, Mask]:
    """What is at (x + dx, y + dy), between pixels by Catmull and Rom's cubic, and where that is known.

    Args:
        values: (H, W, C) float32.
        known: (H, W).
        dx, dy: pixels.
    """
    whole_x, whole_y = math.floor(dx), math.floor(dy)
    values, known = shifted(values, whole_x, whole_y), shifted(known, whole_x, whole_y)
    for axis, fraction in ((1, dx - whole_x), (0, dy - whole_y)):
        if fraction:
            total, seen = np.zeros_like(values), np.ones_like(known)
            for tap, weight in zip((-1, 0, 1, 2), _cubic(fraction), strict=True):
                move = (tap, 0) if axis else (0, tap)
                total += np.float32(weight) * shifted(values, *move)
                seen &= shifted(known, *move)
            values, known = total, seen
    return values, known


def _cubic(t: float) -> tuple[float, float, float, float]:
    return (
        t * (t * (2 - t) - 1) / 2,
        (t * t * (3 * t - 5) + 2) / 2,
        t * (t * (4 - 3 * t) + 1) / 2,
        t * t * (t - 1) / 2,
    )


def _halved(values: Floats, known: Mask) -> tuple[Floats, Mask]:
    """Half the size: means of four pixels, known where all four are."""
    height, width = (side // 2 * 2 for side in values.shape)
    corners = [(slice(y, height, 2), slice(x, width, 2)) for y in (0, 1) for x in (0, 1)]
    total = values[corners[0]] + values[corners[1]] + values[corners[2]] + values[corners[3]]
    return total / np.float32(4), np.logical_and.reduce([known[corner] for corner in corners])


def _searched(
    reference: Floats, frame: Floats, known_reference: Mask, known_frame: Mask, reach: int
) -> Reals:
    """The shift (y, x) of whole pixels that leaves the smallest difference."""
    best, found = math.inf, np.zeros(2)
    # The nearest first: of equal ones it is taken.
    moves = [(dy, dx) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)]
    for dy, dx in sorted(moves, key=lambda move: math.hypot(*move)):
        known = known_reference & shifted(known_frame, dx, dy)
        if np.count_nonzero(known) < MIN_KNOWN:
            continue
        one, other = reference[known].astype(np.float64), shifted(frame, dx, dy)[known].astype(np.float64)
        one, other = one - np.median(one), other - np.median(other)
        gain = float((one * other).sum() / max(1e-12, np.square(one).sum()))
        difference = _deviation(other - max(gain, 0.0) * one)
        if difference < best:
            best, found = difference, np.array([dy, dx], np.float64)
    return found


def _refined(
    reference: Floats, frame: Floats, known_reference: Mask, known_frame: Mask, shift: Reals, most: float
) -> tuple[Reals, Reals, float, float]:
    """A better shift (y, x), its standard deviations, how much the frames differ then, and the contrast."""
    slopes = np.gradient(reference)
    # A slope is known where the pixels beside are.
    inner = known_reference.copy()
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        inner &= shifted(known_reference, dx, dy)
    deviations, difference, contrast = np.zeros(2), 0.0, 0.0
    for _ in range(ITERATIONS):
        seen, known = resampled(frame[:, :, None], known_frame, float(shift[1]), float(shift[0]))
        known &= inner
        known = _thinned(known)
        if np.count_nonzero(known) < MIN_KNOWN:
            break
        value = reference[known].astype(np.float64)
        residual = seen[known, 0] - value
        # frame(x + shift) - reference = slope . error of the shift + brightness
        columns = np.stack([slopes[0][known], slopes[1][known], value, np.ones_like(value)], axis=1)
        scale = max(MIN_SCALE, 2 * _deviation(residual))
        weight = 1 / (1 + np.square((residual - np.median(residual)) / scale)) ** 2
        weighted = columns * weight[:, None]
        # Not by BLAS, whose threads wait for each other where other programs run.
        normal = np.einsum("ni,nj->ij", weighted, columns) + 1e-9 * len(value) * np.eye(4)
        step = np.linalg.solve(normal, np.einsum("ni,n->i", weighted, residual))
        difference = _deviation(residual - np.einsum("ni,i->n", columns, step))
        # Of the frame as it was resampled, which leaves less of noise.
        contrast = _deviation(residual + value)
        deviations = difference * np.sqrt(np.diag(np.linalg.inv(normal))[:2])
        shift = np.clip(shift - np.clip(step[:2], -2, 2), -most - 1, most + 1)
        if np.abs(step[:2]).max() < CONVERGED:
            break
    return shift, deviations, difference, contrast


def _thinned(known: Mask) -> Mask:
    """Every so many rows of what is known: more pixels than enough only take time."""
    every = max(1, np.count_nonzero(known) // ENOUGH)
    if every > 1:
        rows = np.arange(len(known)) % every == 0
        known = known & rows[:, None]
    return known


def _deviation(values: Reals) -> float:
    """The standard deviation, of which a few outliers change little."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))
