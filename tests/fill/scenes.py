"""Backgrounds that a still camera sees, with known shifts, exposures and noise."""

from __future__ import annotations

import numpy as np


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) float64 in 0..1: texture at all scales, as of a photograph."""
    generator = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    planes = []
    for _ in range(3):
        spectrum = np.fft.rfft2(generator.normal(size=(height, width))) / (1 + (40 * frequency) ** 1.3)
        plane = np.fft.irfft2(spectrum, (height, width))
        planes.append((plane - plane.mean()) / plane.std() * 0.12 + 0.45)
    return np.stack(planes, axis=2).clip(0.02, 0.98)
