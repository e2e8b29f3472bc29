"""The background behind holes that move, from the frames of a still camera in which it is seen.

Samples of each pixel are collected over the sequence, laid onto the first frame (`frame_alignment.py`). Their
median is the clean plate, which has neither what moved in front unmarked nor noise. A frame gets it back with
its own shift and exposure. With grain it gets one of the samples in place of the median, another one in each
frame, which is that camera's grain; a sample that differs from the median by more than noise is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lama_core.client.geometry import Rect, Window
from lama_core.client.options import Transfer
from lama_core.fill.frame_alignment import (
    MAX_SHIFT,
    Alignment,
    find_gains,
    find_shift,
    resampled,
    shifted,
)
from lama_core.fill.plan import FillPlan
from lama_core.image.blend import blend_into
from lama_core.image.mask_ops import feather, grow
from lama_core.image.pixels import Floats, Mask, PixelFormat, Pixels, to_values
from lama_core.image.transfer import decode, encode

MARGIN = MAX_SHIFT + 48
"""How far around the holes frames are looked at, pixels: what they are aligned by."""

MAX_BYTES = 1 << 29
MIN_SAMPLES, MAX_SAMPLES = 3, 25
"""Of each pixel as many samples are kept as these bytes hold, within these limits; 25 leave a quarter of the
noise in the median."""

MAX_DEVIATIONS = 4.0
"""A sample that differs from the median by more of the noise's standard deviations is not noise."""

STRIP_BYTES = 1 << 25

SAMPLING_SEED = 20
"""Of the choice of samples where there are more than are kept (Vitter's algorithm R)."""


def known_pixels(plan: FillPlan) -> Mask:
    """(H, W): where a frame shows its background: outside of the grown hole, opaque, all numbers."""
    picture, pixel = plan.picture, plan.pixel
    known = np.ones(picture.shape[:2], np.bool_)
    if pixel.has_alpha:
        known &= picture[:, :, -1] >= pixel.white
    if pixel.is_float:
        known &= np.isfinite(picture).all(axis=2)
    for window, hole in _grown_holes(plan):
        known[_slices(window.written)] &= hole == 0
    return known


class CleanPlate:
    """Samples of the background, and what is made of them. All frames have one size and format."""

    def __init__(self, holes: Rect, pixel: PixelFormat, transfer: Transfer, *, frames: int) -> None:
        """Prepare.

        Args:
            holes: what all grown holes of all frames lie in.
            pixel: the format of the frames.
            transfer: how their numbers stand for light.
            frames: how many there are.
        """
        self._rect = holes.grow(MARGIN)
        self._pixel, self._transfer = pixel, transfer
        size = (self._rect.height, self._rect.width)
        room = MAX_BYTES // max(1, self._rect.area * pixel.colours * pixel.dtype.itemsize)
        kept = min(frames, max(MIN_SAMPLES, min(MAX_SAMPLES, room)))
        self._samples = np.zeros((kept, *size, pixel.colours), pixel.dtype)
        self._counts = np.zeros(size, np.int32)
        self._wanted = np.zeros(size, np.bool_)
        self._reference: tuple[Floats, Floats, Mask] | None = None
        self._chances = np.random.default_rng(SAMPLING_SEED)
        self._median = np.zeros((*size, pixel.colours), np.float32)
        self._deviations = np.zeros(pixel.colours, np.float32)

    def add(self, plan: FillPlan) -> Alignment:
        """Take what a frame shows. Returns how it lies to the first one that was added."""
        known = known_pixels(plan)
        values = self._framed(plan.picture[:, :, : self._pixel.colours])
        shown, hole = self._framed(known), self._framed(~known)
        values[~shown] = 0
        alignment = self._align(values, shown)
        if alignment.same_view:
            self._keep(*self._moved(values, shown, alignment.dx, alignment.dy, alignment.gains))
            self._wanted |= shifted(hole, round(alignment.dx), round(alignment.dy))
        return alignment

    def finish(self) -> tuple[int, int]:
        """Make the median. Returns how many pixels of all holes there are, and how many no frame shows."""
        width = self._rect.width * self._pixel.colours * 8 * len(self._samples)
        rows = max(1, STRIP_BYTES // width)
        spreads = []
        for top in range(0, self._rect.height, rows):
            strip = slice(top, top + rows)
            samples, counts = self._samples[:, strip], np.minimum(self._counts[strip], len(self._samples))
            there = np.arange(len(samples))[:, None, None] < counts
            highest = np.inf if self._pixel.is_float else self._pixel.white
            ordered = np.sort(np.where(there[..., None], samples, np.array(highest, samples.dtype)), axis=0)
            low, high = (
                np.take_along_axis(ordered, np.maximum(middle, 0)[None, :, :, None], axis=0)[0]
                for middle in ((counts - 1) // 2, counts // 2)
            )
            median = low.astype(np.float32) / 2 + high.astype(np.float32) / 2
            self._median[strip] = np.where(counts[:, :, None] > 0, median, 0)
            several = counts >= 3
            away = np.abs(samples.astype(np.float32) - self._median[strip])
            spreads.append(away[:, several][there[:, several]])
        spread = np.concatenate(spreads)
        if len(spread):
            self._deviations = (1.4826 * np.median(spread, axis=0)).astype(np.float32)
        unseen = self._wanted & (self._counts == 0)
        return int(np.count_nonzero(self._wanted)), int(np.count_nonzero(unseen))

    def put_into(self, plan: FillPlan, alignment: Alignment, *, grain: int | None) -> Floats | None:
        """Put the background into the holes of a frame, in place, grown and feathered as the plan says.

        Args:
            plan: of the frame.
            alignment: what `add` returned for it.
            grain: which of the samples to take where they are noisy; None: the median.

        Returns:
            (H, W) float32: the hole that is left, or None.
        """
        gains = tuple(1 / gain for gain in alignment.gains)
        shown, seen = self._moved(self._shown(grain), self._counts > 0, -alignment.dx, -alignment.dy, gains)
        left = np.zeros(plan.picture.shape[:2], np.float32)
        for window, hole in _grown_holes(plan):
            written = window.written
            place = _slices(written.shifted(-self._rect.x, -self._rect.y))
            blend = feather(hole, window.feather)
            there = seen[place]
            part = plan.picture[_slices(written)]
            fill = np.full_like(part, self._pixel.white)
            fill[:, :, : self._pixel.colours] = shown[place]
            left[_slices(written)] = np.where(there, 0, hole)
            blend_into(part, fill, np.where(there, blend, np.float32(0)))
        return left if left.any() else None

    def _align(self, values: Pixels, shown: Mask) -> Alignment:
        colour = self._fractions(values)
        gray = np.where(shown, colour.mean(axis=2), np.float32(0))
        if self._reference is None:
            self._reference = (gray, colour, shown)
            return Alignment(dx=0.0, dy=0.0, gains=(1.0,) * self._pixel.colours)
        reference, of_reference, known = self._reference
        dx, dy, same_view = find_shift(reference, gray, known, shown)
        moved, seen = resampled(colour, shown, dx, dy)
        white = None if self._pixel.is_float else 1.0
        gains = find_gains(decode(of_reference), decode(moved), known & seen, white=white)
        return Alignment(dx=dx, dy=dy, gains=gains, same_view=same_view)

    def _keep(self, values: Pixels, seen: Mask) -> None:
        """Take the pixels of an aligned frame: into a free place, or by chance instead of one that is there.

        The chance is one for the whole frame, so that neighbours are mostly of the same frame, as grain
        hangs together.
        """
        kept = len(self._samples)
        place = np.where(
            self._counts < kept, self._counts, (self._chances.random() * (self._counts + 1)).astype(np.int32)
        )
        for number in range(kept):
            taken = seen & (place == number)
            self._samples[number][taken] = values[taken]
        self._counts += seen

    def _shown(self, grain: int | None) -> Floats:
        """(H, W, C) float32: the median, or one of the samples where it is not too far from it."""
        if grain is None or not self._deviations.any():
            return self._median
        number = grain % np.clip(self._counts, 1, len(self._samples))
        shown = np.take_along_axis(self._samples, number[None, :, :, None], axis=0)[0].astype(np.float32)
        far = (np.abs(shown - self._median) > MAX_DEVIATIONS * self._deviations).any(axis=2)
        return np.where(far[:, :, None], self._median, shown)

    def _moved(
        self, values: NDArray[Any], known: Mask, dx: float, dy: float, gains: tuple[float, ...]
    ) -> tuple[Pixels, Mask]:
        """What is at (x + dx, y + dy), exposed anew, in the frames' format; bit for bit if it just moves."""
        if dx.is_integer() and dy.is_integer() and set(gains) == {1.0}:
            moved, seen = shifted(values, int(dx), int(dy)), shifted(known, int(dx), int(dy))
            return self._rounded(moved), seen
        clean = np.where(known[:, :, None], values, values.dtype.type(0))
        colour, seen = resampled(self._fractions(clean), known, dx, dy)
        colour = encode(decode(colour) * np.asarray(gains, np.float32))
        if self._transfer == "linear":
            colour = decode(colour)
        return to_values(colour, self._pixel), seen

    def _rounded(self, values: NDArray[Any]) -> Pixels:
        if values.dtype == self._pixel.dtype:
            return values
        return (values if self._pixel.is_float else np.rint(values)).astype(self._pixel.dtype)

    def _fractions(self, values: NDArray[Any]) -> Floats:
        """Perceptual fractions of white."""
        colour: Floats = values.astype(np.float32) / np.float32(self._pixel.white)
        if self._transfer == "linear":
            colour = encode(colour)
        return colour

    def _framed(self, values: NDArray[Any]) -> NDArray[Any]:
        """The plate's rectangle of a frame's (H, W, ...); 0 outside of the frame."""
        framed = np.zeros((self._rect.height, self._rect.width, *values.shape[2:]), values.dtype)
        inside = self._rect.clipped(Rect(0, 0, values.shape[1], values.shape[0]))
        framed[_slices(inside.shifted(-self._rect.x, -self._rect.y))] = values[_slices(inside)]
        return framed


def _grown_holes(plan: FillPlan) -> Iterator[tuple[Window, Floats]]:
    """Each window with the grown hole in what it writes."""
    for window in plan.windows:
        yield window, _cut(grow(plan.mask.window(window.rect), window.grow), _inside(window))


def _inside(window: Window) -> Rect:
    return window.written.shifted(-window.rect.x, -window.rect.y)


def _cut(values: Floats, rect: Rect) -> Floats:
    return values[_slices(rect)]


def _slices(rect: Rect) -> tuple[slice, slice]:
    return slice(rect.y, rect.bottom), slice(rect.x, rect.right)
