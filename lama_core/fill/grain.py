"""Giving a fill the grain of its surroundings.

The noise of what is known is measured (`noise.py`), noise of the same strength at each brightness, of the
same spectrum and correlation of channels is made, and as much of it is added as the prediction lacks: its own
high-pass residual counts. Beside the hole, where the fill is blended into the picture, the prediction gets
the picture's own noise, so that the blend of the two has as much as either.

What looks like noise elsewhere in the picture may be texture, and a clear sky beside it must not get any. So
the fill gets no more noise than the calm places around the hole have.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import box_sum
from lama_core.fill.noise import BLOCK, BOX, Noise, find_noise, highpass_response
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats, Mask

AROUND = 24
"""How far around the hole, in pixels, the prediction gets the picture's own noise: no automatic feather is
wider."""

TILES = (256, 512)
"""Sides of the square of noise that is made, pixels; beyond it it repeats. The second one is for holes of
more than four times the first."""

NEAR = 7
"""Side of the squares, pixels, in which the residual of the prediction is measured; odd."""

MIN_OF_FOUR = 1.25
"""The least of four estimates of the same energy is too small by about this factor."""

STRIP = 192
"""Rows that are worked on at a time, so that a large hole takes no more memory than its pixels."""

CALM = 0.3
"""This quantile of the energies around the hole stands for its calm places."""

CALM_OF_NOISE = 0.9
"""For uniform noise that quantile is about this share of the mean energy, because estimates scatter."""

MIN_SHARE = 0.2
"""With less than this share of the noise's energy around the hole the fill gets none."""

MAX_DEVIATIONS = 3.0
"""A residual of more than this many standard deviations of the noise is not noise."""


def match_grain(
    prediction: Floats, colour: Floats, unknown: Mask, seed: int, frame: int | None = None
) -> Floats:
    """Add the grain of the known region to a prediction.

    Args:
        prediction: (3, H, W) float32, 1 is white.
        colour: (3, H, W) float32 in 0..1, 0 where nothing is known.
        unknown: (H, W), True where nothing is known.
        seed, frame: as in `FillOptions`; the same ones make the same grain.

    Returns:
        (3, H, W) float32; the same array where the picture has no grain.
    """
    noise = find_noise(colour, ~unknown) if unknown.any() else None
    if noise is None:
        return prediction
    rows, columns = bounding_slices(unknown, AROUND)
    part, known = (torch.from_numpy(planes[:, rows, columns]) for planes in (prediction, colour))
    hole = torch.from_numpy(unknown[rows, columns])
    energies = torch.from_numpy(noise.table())
    share = _share_around(part, known, hole, energies)
    if share < MIN_SHARE:
        return prediction
    energies *= share
    tile = torch.from_numpy(make_grain(noise, TILES[max(hole.shape) > 4 * TILES[0]], seed, frame))
    grained: Floats = prediction.copy()
    target = torch.from_numpy(grained)[:, rows, columns]
    for strip, middle in _strips(len(hole)):
        added = _added(part[:, strip], known[:, strip], hole[strip], energies, tile, strip.start)
        target[:, strip][:, middle] += added[:, middle]
    return grained


def lowpass(values: Tensor) -> Tensor:
    """(C, H, W): the mean around each pixel, by two boxes of side `BOX` one after the other."""
    reach = 2 * (BOX // 2)
    values = F.pad(values[None], (reach, reach, reach, reach), mode="replicate")[0]
    for axis in (1, 1, 2, 2):
        values = box_sum(values, BOX, axis)
    return values.mul_(BOX**-4)


def make_grain(noise: Noise, side: int, seed: int, frame: int | None = None) -> Floats:
    """(3, side, side) of noise with that spectrum, that repeats itself without a seam.

    Each channel has an energy of 1 behind the high-pass. `side` is a power of 2, at least `BLOCK`.
    """
    # The square root of each frequency's covariance mixes independent channels into these.
    values, vectors = np.linalg.eigh(noise.spectrum)
    root = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ vectors.swapaxes(-1, -2)
    mixing = _finer(root, side)
    generator = np.random.default_rng(seed if frame is None else (seed, 1 + frame))
    white = generator.standard_normal((side, side // 2 + 1, 6), np.float32).view(np.complex64)
    spectrum = (mixing @ white[..., None])[..., 0]
    response = highpass_response(side)[:, : side // 2 + 1, None].astype(np.float32)
    energy = np.square(np.abs(spectrum) * response).mean(axis=(0, 1))
    spectrum *= side / np.sqrt(np.maximum(energy, np.float32(1e-12)))
    tile = np.fft.irfft2(spectrum, (side, side), axes=(0, 1))
    planes: Floats = np.ascontiguousarray(tile.transpose(2, 0, 1), np.float32)
    return planes


def _strips(rows: int) -> Iterator[tuple[slice, slice]]:
    """Rows to work on at a time, and those of them that come out right.

    What is seen at a pixel reaches as far as the low-pass and the squares.
    """
    for top in range(0, rows, STRIP):
        strip = slice(max(0, top - 2 * BOX - NEAR), top + STRIP + 2 * BOX + NEAR)
        yield strip, slice(top - strip.start, top - strip.start + STRIP)


def _added(part: Tensor, known: Tensor, hole: Tensor, energies: Tensor, tile: Tensor, row: int) -> Tensor:
    """What is added to a part of the prediction; `row`: of the tile, at the part's top."""
    smooth = lowpass(part)
    target = _looked_up(energies, smooth)
    own = _energy_of((part - smooth).square_().mean(dim=0))
    lacking = (1 - own / target.mean(dim=0).clamp_(min=1e-12)).clamp_(min=0).sqrt_()
    deviation = target.sqrt_()
    height, width = hole.shape
    side = tile.shape[1]
    made = tile.index_select(1, (row + torch.arange(height)) % side)
    made = made.index_select(2, torch.arange(width) % side).mul_(lacking).mul_(deviation)
    limit = deviation.mul_(MAX_DEVIATIONS)
    beside = torch.clamp(_residual_beside(known - part, ~hole), -limit, limit)
    return torch.where(hole, made, beside)


def _share_around(part: Tensor, known: Tensor, hole: Tensor, energies: Tensor) -> float:
    """How much of the noise's energy, 0 to 1, there is in the calm places around the hole.

    Args:
        part: (3, H, W), the prediction, of which filters see a little.
        known: (3, H, W), the picture.
        hole: (H, W).
        energies: (3, 256), of the noise that was found in all of the picture, by brightness.
    """
    shares = []
    for strip, middle in _strips(len(hole)):
        filled = torch.where(hole[strip], part[:, strip], known[:, strip])
        smooth = lowpass(filled)
        energy = _energy_of((filled - smooth).square_().mean(dim=0))
        share = energy / _looked_up(energies, smooth).mean(dim=0).clamp_(min=1e-12)
        shares.append(share[middle][~hole[strip][middle]])
    found = torch.cat(shares).numpy()
    return min(1.0, float(np.quantile(found, CALM)) / CALM_OF_NOISE) if found.size else 1.0


def _looked_up(table: Tensor, brightness: Tensor) -> Tensor:
    """(3, H, W): the value of a table, (3, 256), at each brightness."""
    index = (brightness * 255).round_().clamp_(0, 255).to(torch.int32)
    values = [row.index_select(0, plane.flatten()) for row, plane in zip(table, index, strict=True)]
    return torch.stack(values).view(brightness.shape)


def _energy_of(squares: Tensor) -> Tensor:
    """(H, W): the mean square around each pixel, but for edges.

    Of the four squares that have the pixel in a corner the one with the least: an edge is rarely in all.
    """
    half = NEAR // 2
    height, width = squares.shape
    reach = 2 * half
    mode = "reflect" if min(height, width) > reach else "replicate"
    padded = F.pad(squares[None, None], (reach, reach, reach, reach), mode=mode)[0]
    means = box_sum(box_sum(padded, NEAR, 1), NEAR, 2)[0]
    # The mean around a pixel is `half` rows and columns further on in it.
    low, high = slice(0, -reach), slice(reach, None)
    least = torch.minimum(means[low], means[high])
    least = torch.minimum(least[:, low], least[:, high])
    least = torch.minimum(least, means[half:-half, half:-half])
    return least.mul_(MIN_OF_FOUR / NEAR**2)


def _residual_beside(difference: Tensor, known: Tensor) -> Tensor:
    """The high-pass residual of a difference, seeing only what is known; 0 elsewhere."""
    weight = known.float()[None]
    smooth = lowpass(difference * weight).div_(lowpass(weight).clamp_(min=1e-6))
    return (difference - smooth).mul_(weight)


def _finer(values: NDArray[np.float64], side: int) -> NDArray[np.float32]:
    """(side, side // 2 + 1, 3, 3): a spectrum of (BLOCK, BLOCK, 3, 3) at more frequencies, linear between."""
    for axis, length in ((0, side), (1, side // 2 + 1)):
        position = np.arange(length) * (BLOCK / side)
        before = position.astype(np.intp)
        share = (position - before).reshape((-1, 1, 1, 1) if axis == 0 else (-1, 1, 1))
        low, high = values.take(before % BLOCK, axis), values.take((before + 1) % BLOCK, axis)
        values = low + share * (high - low)
    return values.astype(np.float32)
