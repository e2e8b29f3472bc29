"""Traces by which a fill gives itself away: figures for them that need no truth.

All are ratios, 1 where the fill cannot be told from its surroundings by them; of untouched photographs too
they scatter around 1, because a photograph is not the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Hole = npt.NDArray[np.bool_]

RING = 24
"""How far around the hole, in pixels, the picture is what its inside is compared with."""

SMALLEST_STEP = 0.5
"""Steps and deviations below half a level of 255 count as this: rounding alone makes such."""

GRAIN_SIGMA = 2.0
"""Of the Gaussian, pixels, whose difference from the picture is its high-pass residual."""

FLATTEST = 0.1
"""The share of a picture that is looked at where grain is to be told from texture."""

FLAT_SIGMA = 4.0
"""Of the Gaussian, pixels, that places are compared over when the flattest are looked for."""

GRAIN_PIXELS = 64
"""With fewer pixels than this in the hole or in the ring there is nothing to say about grain."""


def boundary_step(picture: Array, hole: Hole) -> float:
    """How much more neighbours differ across the hole's boundary than around it.

    With d(p, q) = mean over channels of |picture(p) - picture(q)| for pixels p and q that touch by a side:

        ratio = max(B, 1/2) / max(K, 1/2)
        B = mean of d over all pairs with one pixel in the hole and one outside
        K = (n_x K_x + n_y K_y) / (n_x + n_y)

    where K_x and K_y are the means of d over the pairs (beside and above each other) that lie outside the
    hole and at most `RING` pixels from it, and n_x and n_y count the pairs of B of either direction, so that
    a picture with stripes is compared along the same directions.

    A visible seam has a ratio above 1. A fill that is smoother than the picture, and meets it, has one
    below 1: only its own side lacks texture.

    Args:
        picture: (H, W, C) of any real type, from 0 to 255.
        hole: (H, W) bool.

    Returns:
        0 or more; 1 where there is no pair across the boundary or none around it.
    """
    picture, hole = _cut(picture, hole)
    near = _distance(hole) <= RING
    across = around = 0.0
    pairs = 0
    for axis in (0, 1):
        first, second = _pairs(hole, axis)
        step = np.abs(np.diff(picture, axis=axis)).mean(axis=2)
        crossing = first != second
        count = int(crossing.sum())
        beside, behind = _pairs(near & ~hole, axis)
        known = beside & behind
        if count == 0 or not known.any():
            continue
        across += float(step[crossing].sum())
        around += count * float(step[known].mean())
        pairs += count
    if pairs == 0:
        return 1.0
    return max(across / pairs, SMALLEST_STEP) / max(around / pairs, SMALLEST_STEP)


def grain_ratio(picture: Array, hole: Hole) -> float:
    """How strong the grain in the hole is, as a share of that around it.

        ratio = max(s(hole), 1/2) / max(s(ring), 1/2)
        s(M) = mean over channels of 1.4826 * median over M of |r - median over M of r|
        r = picture - (g * (picture M)) / (g * M)

    r is the high-pass residual, with g a Gaussian of `GRAIN_SIGMA` pixels that sees only pixels of the same
    side M, so that no step at the boundary counts as grain. The median absolute deviation, scaled to be the
    standard deviation of a normal distribution, lets edges and single things in the picture count little.
    The ring is what is outside the hole and at most `RING` pixels from it.

    Below 1 the fill is too smooth, above 1 too rough. Fine texture, as of grass, counts as grain does.

    Args:
        picture: (H, W, C) of any real type, from 0 to 255.
        hole: (H, W) bool.

    Returns:
        Above 0; 1 where the hole or the ring has fewer than `GRAIN_PIXELS` pixels.
    """
    return _ratio(picture, hole, grain_deviation)


def flat_grain_ratio(picture: Array, hole: Hole) -> float:
    """The grain ratio where either side is flattest, which tells grain from texture.

        ratio = max(f(hole), 1/2) / max(f(ring), 1/2)
        f(M) = mean over channels of the square root of the `FLATTEST` quantile over M of (h * r²) / (h * M)

    r is as in `grain_ratio`, and h a Gaussian of `FLAT_SIGMA` pixels that sees only the side M too. Grain is
    everywhere; texture is not, and the flattest places of a textured picture have little but grain.

    Arguments and result as of `grain_ratio`.
    """
    return _ratio(picture, hole, _flat_deviation)


def _ratio(picture: Array, hole: Hole, deviation: Callable[[Array, Hole], float]) -> float:
    picture, hole = _cut(picture, hole)
    ring = (_distance(hole) <= RING) & ~hole
    if min(int(hole.sum()), int(ring.sum())) < GRAIN_PIXELS:
        return 1.0
    inside, outside = (max(deviation(picture, side), SMALLEST_STEP) for side in (hole, ring))
    return inside / outside


def _flat_deviation(picture: Array, where: Hole) -> float:
    """The f(M) of `flat_grain_ratio`."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), FLAT_SIGMA)[where]
    deviations = []
    for residual in _residuals(picture, where):
        squares = np.zeros(where.shape, np.float32)
        squares[where] = np.square(residual)
        local = cv2.GaussianBlur(squares, (0, 0), FLAT_SIGMA)[where] / weight
        deviations.append(float(np.sqrt(max(0.0, float(np.quantile(local, FLATTEST))))))
    return float(np.mean(deviations))


def grain_deviation(picture: Array, where: Hole) -> float:
    """The s(M) of `grain_ratio`: how strong the grain of a part of a picture is, of 255.

    Args:
        picture: (H, W, C) of any real type, from 0 to 255.
        where: (H, W) bool, at least one pixel.
    """
    residuals = _residuals(picture, where)
    return float(np.mean([1.4826 * np.median(np.abs(one - np.median(one))) for one in residuals]))


def _residuals(picture: Array, where: Hole) -> Iterator[npt.NDArray[np.float32]]:
    """The high-pass residual of `grain_ratio` at the pixels of one side, (N,) for each channel."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), GRAIN_SIGMA)[where]
    for channel in range(picture.shape[2]):
        plane = picture[:, :, channel].astype(np.float32)
        smooth = cv2.GaussianBlur(np.where(where, plane, np.float32(0)), (0, 0), GRAIN_SIGMA)[where] / weight
        yield np.asarray(plane[where] - smooth, np.float32)


def _cut(picture: Array, hole: Hole) -> tuple[Array, Hole]:
    """Only what the figures look at: they cost what the hole costs, not what the picture does."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    if rows.size == 0:
        return picture[:0].astype(np.float32), hole[:0]
    part = tuple(
        slice(max(0, int(index[0]) - RING - 1), int(index[-1]) + RING + 2) for index in (rows, columns)
    )
    return picture[part].astype(np.float32), hole[part]


def _distance(hole: Hole) -> npt.NDArray[np.float32]:
    """How far each pixel's centre is from the nearest of the hole."""
    if hole.size == 0:
        return np.zeros(hole.shape, np.float32)
    return np.asarray(
        cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32
    )


def _pairs(mask: Hole, axis: int) -> tuple[Hole, Hole]:
    """The mask at both pixels of every pair of neighbours along an axis."""
    return (mask[:-1], mask[1:]) if axis == 0 else (mask[:, :-1], mask[:, 1:])
