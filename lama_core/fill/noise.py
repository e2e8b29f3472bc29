"""The noise of a picture, found in its flat parts: its strength by brightness, and its spectrum.

Blocks that are flat in all but noise are told apart by these signs: nothing in them is clipped, their
residual is distributed as noise is (edges and drawings have a high kurtosis), among blocks of their
brightness they vary least at a coarse scale, where texture has most of its energy and noise little, and they
have no direction, as hair and grass have. What they hold at each spatial frequency, and how the channels go
together there, is averaged. Strengths are energies (mean squares) of the high-pass residual, that is of what
the low-pass of `grain.py` takes away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import Floats, Mask

BLOCK = 16
"""Side of a block, pixels."""

MAX_BLOCKS = 1200
"""At most this many blocks of a window are measured, evenly spread over it."""

MIN_BLOCKS = 8
"""With fewer flat blocks than this the noise cannot be measured, and none is assumed."""

LEVELS = 5
"""Steps of brightness in which the noise is measured."""

FLATTEST, FLAT = 0.05, 0.5
"""Shares of the blocks of a step of brightness that are surely flat, and that may be; three at least."""

QUANTILE = 0.3
"""Of the energies of surely flat blocks this one is the first guess: the larger ones have texture in them."""

MAX_ENERGY_RATIO = 1.6
"""Of the blocks that may be flat those count whose energy is at most this multiple of the first guess."""

MAX_COARSE_RATIO = 2.5
"""... and at a coarse scale at most this times what the surely flat ones have."""

MAX_STEEPNESS = 2.0
"""The logarithm of the deviation changes by at most this from black to white; what rises more is texture."""

MAX_DIRECTION = 0.3
"""Flat blocks with more of a direction than this are hair, grass or wood: noise has 0.05 to 0.2."""

SCATTER = 1.2
"""Energies of two levels may differ by this factor by chance."""

MAX_CLIPPED = 0.02
"""A block with more than this share of its values black or white is not used: clipping hides noise."""

BLACK, WHITE = 1 / 512, 1 - 1 / 512

KURTOSIS = (2.2, 4.5)
"""Of a block's Laplacian; noise has 3."""

ROUNDING = (0.35 / 255) ** 2
"""The energy that rounding to 8 bits makes, and a little more: the fill gets it too when it is rounded."""

MIN_ENERGY = (0.3 / 255) ** 2
"""Noise of less energy than this at every brightness cannot be seen."""

BOX = 5
"""Two boxes of this side make a low-pass that is nearly a Gaussian with a standard deviation of 2 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of a picture.

    Attributes:
        levels: (3, k) brightness, rising, 1 is white.
        energies: (3, k), the energy of the high-pass residual at each of them; constant beyond the ends.
        spectrum: (BLOCK, BLOCK, 3, 3) real, the covariances of the channels at each spatial frequency, in the
            order of `numpy.fft`; for each channel the energy behind the high-pass is 1.
    """

    levels: NDArray[np.float64]
    energies: NDArray[np.float64]
    spectrum: NDArray[np.float64]

    def table(self) -> Floats:
        """(3, 256): the energy of noise at each brightness of 8 bits."""
        steps = np.linspace(0, 1, 256)
        rows = [
            np.interp(steps, levels, energies)
            for levels, energies in zip(self.levels, self.energies, strict=True)
        ]
        return np.stack(rows).astype(np.float32)


def find_noise(colour: Floats, known: Mask) -> Noise | None:
    """Measure the noise of a picture.

    Args:
        colour: (3, H, W) float32 in 0..1.
        known: (H, W): only what is True is looked at.

    Returns:
        None where there is too little to see, or nothing flat to see it in.
    """
    blocks = _known_blocks(colour, known)
    if len(blocks) < MIN_BLOCKS:
        return None
    blocks = blocks[((blocks <= BLACK) | (blocks >= WHITE)).mean(axis=(1, 2, 3)) <= MAX_CLIPPED]
    brightness = blocks.mean(axis=(2, 3))
    blocks = _flattened(blocks)
    like_noise = _is_like_noise(blocks)
    blocks, brightness = blocks[like_noise], brightness[like_noise]
    if len(blocks) < MIN_BLOCKS:
        return None

    order = np.argsort(brightness.mean(axis=1), kind="stable")
    coarse = _coarse_energy(blocks)
    levels, energies, alike = [], [], []
    for step in np.array_split(order, min(LEVELS, len(order) // (MIN_BLOCKS // 2))):
        flat = step[np.argsort(coarse[step], kind="stable")[: max(3, round(FLAT * len(step)))]]
        surely = max(3, round(FLATTEST * len(step)))
        if np.median(_direction(blocks[flat[: 3 * surely]])) > MAX_DIRECTION:
            continue
        spectra = np.fft.fft2(blocks[flat] * _window())
        energy = _highpass_energy(spectra)
        total = energy.sum(axis=1)
        guess = np.quantile(total[:surely], QUANTILE)
        like = total <= MAX_ENERGY_RATIO * guess
        like &= coarse[flat] <= MAX_COARSE_RATIO * np.median(coarse[flat[:surely]])
        levels.append(brightness[flat[like]].mean(axis=0))
        energies.append(energy[like].mean(axis=0))
        # Each block counts as much as the others, however strong the noise of its brightness.
        alike.append(spectra[like] / np.sqrt(np.maximum(energy[like], 1e-12))[:, :, None, None])
    if not levels:
        return None
    return _noise(np.stack(levels, axis=1), np.stack(energies, axis=1), np.concatenate(alike))


def _noise(levels: NDArray[np.float64], energies: NDArray[np.float64], spectra: NDArray[Any]) -> Noise | None:
    """Noise of these energies at these levels, both (3, k), and of the spectra (n, 3, BLOCK, BLOCK)."""
    energies = np.maximum(_not_too_steep(energies, levels) - ROUNDING, 0)
    if energies.max() < MIN_ENERGY:
        return None
    rising = np.argsort(levels, axis=1, kind="stable")
    return Noise(
        levels=np.take_along_axis(levels, rising, axis=1),
        energies=np.take_along_axis(energies, rising, axis=1),
        spectrum=_spectrum(spectra),
    )


def highpass_response(size: int) -> NDArray[np.float64]:
    """(size, size), in the order of `numpy.fft`: what stays of each frequency but for the low-pass."""
    turn = np.pi * np.fft.fftfreq(size)
    box = np.divide(np.sin(BOX * turn), BOX * np.sin(turn), out=np.ones(size), where=turn != 0)
    response: NDArray[np.float64] = 1 - np.outer(box**2, box**2)
    return response


def _known_blocks(colour: Floats, known: Mask) -> Floats:
    """(n, 3, BLOCK, BLOCK): blocks of which every pixel is known."""
    rows, columns = (size // BLOCK for size in known.shape)
    inside = known[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    places = np.flatnonzero(inside.all(axis=(1, 3)))
    places = places[:: max(1, -(-len(places) // MAX_BLOCKS))]
    cut = colour[:, : rows * BLOCK, : columns * BLOCK].reshape(3, rows, BLOCK, columns, BLOCK)
    blocks: Floats = np.ascontiguousarray(
        cut.transpose(1, 3, 0, 2, 4)[places // max(columns, 1), places % max(columns, 1)]
    )
    return blocks


def _flattened(blocks: Floats) -> Floats:
    """Blocks without their mean and slope."""
    along = np.arange(BLOCK, dtype=np.float32) - np.float32((BLOCK - 1) / 2)
    along /= np.sqrt(np.square(along).sum() * BLOCK)
    blocks = blocks - blocks.mean(axis=(2, 3), keepdims=True)
    across = (blocks.sum(axis=2) @ along)[:, :, None, None] * along
    down = ((blocks.sum(axis=3) @ along)[:, :, None] * along)[:, :, :, None]
    flattened: Floats = blocks - across - down
    return flattened


def _is_like_noise(blocks: Floats) -> Mask:
    """Which blocks have the kurtosis of noise, taken over all channels; one without any residual has, too."""
    laplacian = 4 * blocks[:, :, 1:-1, 1:-1] - (
        blocks[:, :, :-2, 1:-1] + blocks[:, :, 2:, 1:-1] + blocks[:, :, 1:-1, :-2] + blocks[:, :, 1:-1, 2:]
    )
    squares = np.square(laplacian)
    energy = squares.mean(axis=(2, 3))
    kurtosis = np.square(squares).mean(axis=(2, 3)) / np.maximum(np.square(energy), 1e-24)
    # A channel that is as good as empty has only crumbs of rounding.
    kurtosis = np.where(energy > 20 * ROUNDING, kurtosis, 3).mean(axis=1)
    like_noise: Mask = (kurtosis >= KURTOSIS[0]) & (kurtosis <= KURTOSIS[1])
    return like_noise


def _coarse_energy(blocks: Floats) -> Floats:
    """(n): how much the means of 4x4 pixels vary in each block."""
    parts = blocks.reshape(len(blocks), 3, BLOCK // 4, 4, BLOCK // 4, 4)
    means: Floats = parts.mean(axis=(3, 5))
    energy: Floats = np.square(means).mean(axis=(1, 2, 3))
    return energy


def _direction(blocks: Floats) -> Floats:
    """(n): 0 where a block changes alike in all directions, 1 where in one alone."""

    def change(rows: int, columns: int) -> Floats:
        """The mean square of the difference of pixels that are so far apart."""
        size = BLOCK - 2
        first = blocks[:, :, max(0, -rows) :, max(0, -columns) :][:, :, :size, :size]
        second = blocks[:, :, max(0, rows) :, max(0, columns) :][:, :, :size, :size]
        energy: Floats = np.square(first - second).mean(axis=(1, 2, 3))
        return energy

    shares = []
    for one, other in (((2, 0), (0, 2)), ((2, 2), (2, -2))):
        first, second = change(*one), change(*other)
        shares.append((first - second) / np.maximum(first + second, np.float32(1e-12)))
    direction: Floats = np.hypot(*shares)
    return direction


def _highpass_energy(spectra: NDArray[Any]) -> NDArray[np.float64]:
    """(n, 3): the energy behind the high-pass of blocks whose transforms these are (Parseval)."""
    power = np.square(np.abs(spectra)) * highpass_response(BLOCK) ** 2
    energy: NDArray[np.float64] = power.sum(axis=(2, 3)) / BLOCK**4
    return energy


def _not_too_steep(energies: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, k) energies, each at most as much above those of other levels as `MAX_STEEPNESS` allows."""
    apart = np.abs(levels[:, :, None] - levels[:, None, :])
    scatter = np.where(apart > 0, SCATTER, 1)
    allowed = energies[:, None, :] * scatter * np.exp(2 * MAX_STEEPNESS * apart)
    least: NDArray[np.float64] = allowed.min(axis=2)
    return least


def _window() -> NDArray[np.float32]:
    """Hann's, so that a block's own edges make no frequencies; its mean square is 1."""
    hann = np.sin(np.pi * (np.arange(BLOCK) + 0.5) / BLOCK) ** 2
    window = np.outer(hann, hann)
    window /= np.sqrt(np.square(window).mean())
    return window.astype(np.float32, copy=False)


def _spectrum(spectra: NDArray[Any]) -> NDArray[np.float64]:
    """`Noise.spectrum` of the transforms of blocks, (n, 3, BLOCK, BLOCK)."""
    covariance = np.einsum("nchw,ndhw->hwcd", spectra, spectra.conj(), optimize=True).real
    # Noise has no direction in time: a frequency and its opposite are the same.
    opposite = -np.arange(BLOCK) % BLOCK
    covariance = (covariance + covariance[opposite][:, opposite]) / 2
    covariance[0, 0] = (covariance[0, 1] + covariance[1, 0]) / 2  # the mean was taken out of every block
    energy = np.einsum("hwcc,hw->c", covariance, highpass_response(BLOCK) ** 2) / BLOCK**2
    scale = 1 / np.sqrt(np.maximum(energy, 1e-12))
    spectrum: NDArray[np.float64] = covariance * scale[:, None] * scale
    return spectrum
