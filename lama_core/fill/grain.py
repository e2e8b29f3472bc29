"""Giving a fill the grain of its surroundings.

The noise of what is known is measured (`noise.py`), noise of the same strength at each brightness, of the
same spectrum and correlation of channels is made, and as much of it is added as the prediction lacks: its own
high-pass residual counts. Beside the hole, where the fill is blended into the picture, the prediction gets
the picture's own noise, so that the blend of the two has as much as either.

What passes for noise elsewhere in the picture may be texture, and a clear sky beside it is not to get any. So
the calm places around the hole have the last word: the fill gets no more than they have.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lama_core.fill.noise import BLOCK, BOX, Noise, box, find_noise, highpass_response, lowpass
from lama_core.image.pixels import Floats, Mask

AROUND = 24
"""How far around the hole, in pixels, the prediction gets the picture's own noise: no automatic feather is
wider."""

TILES = (256, 512)
"""Sides of the square of noise that is made, pixels; beyond it it repeats. The second one is for holes of
more than four times the first."""

NEAR = 7
"""Side of the squares, pixels, in which the residual of the prediction is measured; odd."""

LEAST_OF_FOUR = 1.25
"""The least of four estimates of the same energy is this much too small, about."""

STRIP = 192
"""Rows that are worked on at a time, so that a large hole takes no more memory than its pixels."""

CALM = 0.3
"""This quantile of what is around the hole is taken for its calm places."""

CALM_OF_NOISE = 0.9
"""What that quantile is of the energy of noise that is everywhere alike, about: it scatters."""

HARDLY = 0.2
"""With less than this share of the noise's energy around the hole the fill gets none."""

OWN = 3.0
"""What the picture has more than this many standard deviations of its noise is not noise."""


def match_grain(prediction: Floats, colour: Floats, unknown: Mask, seed: int) -> Floats:
    """Add the grain of the known region to a prediction.

    Args:
        prediction: (3, H, W) float32, 1 is white.
        colour: (3, H, W) float32 in 0..1, 0 where nothing is known.
        unknown: (H, W), True where nothing is known.
        seed: the same one makes the same grain.

    Returns:
        (3, H, W) float32; the same array where the picture has no grain.
    """
    noise = find_noise(colour, ~unknown) if unknown.any() else None
    if noise is None:
        return prediction
    rows, columns = _around(unknown, 1), _around(unknown, 0)
    part, known, hole = prediction[:, rows, columns], colour[:, rows, columns], unknown[rows, columns]
    share = _share_around(np.where(hole, part, known), hole, noise)
    if share < HARDLY:
        return prediction
    noise = replace(noise, energies=noise.energies * share)
    tile = make_grain(noise, TILES[max(hole.shape) > 4 * TILES[0]], seed)
    grained: Floats = prediction.copy()
    for top in range(0, len(hole), STRIP):
        # What is seen at a pixel reaches as far as the low-pass and the squares.
        strip = slice(max(0, top - 2 * BOX - NEAR), top + STRIP + 2 * BOX + NEAR)
        added = _added(part[:, strip], known[:, strip], hole[strip], noise, tile, strip.start)
        middle = slice(top - strip.start, top - strip.start + STRIP)
        grained[:, rows, columns][:, top : top + STRIP] += added[:, middle]
    return grained


def make_grain(noise: Noise, side: int, seed: int) -> Floats:
    """(3, side, side) of noise with that spectrum, that repeats itself without a seam.

    Each channel has an energy of 1 behind the high-pass. `side` is a power of 2, at least `BLOCK`.
    """
    # The square root of each frequency's covariance mixes independent channels into these.
    values, vectors = np.linalg.eigh(noise.spectrum)
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.swapaxes(-1, -2)
    mixing = _finer(root, side)
    generator = np.random.default_rng(seed)
    white = generator.standard_normal((side, side // 2 + 1, 6), np.float32).view(np.complex64)
    spectrum = (mixing @ white[..., None])[..., 0]
    response = highpass_response(side)[:, : side // 2 + 1, None].astype(np.float32)
    energy = np.square(np.abs(spectrum) * response).mean(axis=(0, 1))
    spectrum *= side / np.sqrt(np.maximum(energy, np.float32(1e-12)))
    tile = np.fft.irfft2(spectrum, (side, side), axes=(0, 1))
    planes: Floats = np.ascontiguousarray(tile.transpose(2, 0, 1), np.float32)
    return planes


def _added(part: Floats, known: Floats, hole: Mask, noise: Noise, tile: Floats, row: int) -> Floats:
    """What is added to a part of the prediction; `row`: of the tile, at the part's top."""
    smooth = lowpass(part)
    deviation = np.sqrt(noise.energy(smooth))
    own_energy = _energy_of(np.square(part - smooth).mean(axis=0))
    wanted = np.square(deviation).mean(axis=0)
    lacking = np.sqrt(np.maximum(1 - own_energy / np.maximum(wanted, np.float32(1e-12)), 0))
    height, width = hole.shape
    side = tile.shape[1]
    made = tile[:, (row + np.arange(height))[:, None] % side, np.arange(width) % side]
    made *= lacking
    made *= deviation
    limit = np.float32(OWN) * deviation
    beside = _residual_beside(known - part, ~hole).clip(-limit, limit)
    added: Floats = np.where(hole, made, beside)
    return added


def _share_around(filled: Floats, hole: Mask, noise: Noise) -> float:
    """How much of the noise's energy, 0 to 1, there is in the calm places around the hole.

    Args:
        filled: (3, H, W), a picture with something in its hole that a filter may see.
        hole: (H, W).
        noise: as it was found in all of the picture.
    """
    shares = []
    for top in range(0, len(hole), STRIP):
        strip = slice(max(0, top - 2 * BOX - NEAR), top + STRIP + 2 * BOX + NEAR)
        part, middle = filled[:, strip], slice(top - strip.start, top - strip.start + STRIP)
        smooth = lowpass(part)
        energy = _energy_of(np.square(part - smooth).mean(axis=0))
        wanted = noise.energy(smooth).mean(axis=0)
        share = (energy / np.maximum(wanted, np.float32(1e-12)))[middle]
        shares.append(share[~hole[top : top + STRIP]])
    around = np.concatenate(shares)
    return min(1.0, float(np.quantile(around, CALM)) / CALM_OF_NOISE) if around.size else 1.0


def _around(unknown: Mask, axis: int) -> slice:
    """From the first row or column with something unknown to the last, and `AROUND` more; all but `axis`."""
    index = np.flatnonzero(unknown.any(axis=axis))
    return slice(max(0, int(index[0]) - AROUND), int(index[-1]) + 1 + AROUND)


def _energy_of(squares: Floats) -> Floats:
    """(H, W): the mean square around each pixel, but for edges.

    Of the four squares that have the pixel in a corner the one with the least: an edge is rarely in all.
    """
    half = NEAR // 2
    height, width = squares.shape
    padded = np.pad(squares, 2 * half, mode="symmetric" if min(height, width) > 2 * half else "edge")
    means = box(box(padded, NEAR, -2), NEAR, -1)
    low, high, middle = half, 3 * half, 2 * half
    least = np.minimum(means[low : low + height], means[high : high + height])
    least = np.minimum(least[:, low : low + width], least[:, high : high + width])
    least = np.minimum(least, means[middle : middle + height, middle : middle + width])
    energy: Floats = least * np.float32(LEAST_OF_FOUR)
    return energy


def _residual_beside(difference: Floats, known: Mask) -> Floats:
    """The high-pass residual of a difference, seeing only what is known; 0 elsewhere."""
    weight = known.astype(np.float32)
    smooth = lowpass(difference * weight) / np.maximum(lowpass(weight), np.float32(1e-6))
    residual: Floats = (difference - smooth) * weight
    return residual


def _finer(values: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """(side, side // 2 + 1, 3, 3): a spectrum of (BLOCK, BLOCK, 3, 3) at more frequencies, linear between."""
    for axis, length in ((0, side), (1, side // 2 + 1)):
        position = np.arange(length) * (BLOCK / side)
        before = position.astype(np.intp)
        share = (position - before).reshape((-1, 1, 1, 1) if axis == 0 else (-1, 1, 1))
        low, high = values.take(before % BLOCK, axis), values.take((before + 1) % BLOCK, axis)
        values = low + share * (high - low)
    return values.astype(np.float32)
