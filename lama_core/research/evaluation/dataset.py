"""Pictures with a hole each, to judge fills by."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image

from lama_core.client.errors import LamaFillError
from lama_core.research.evaluation.metrics import Hole, Picture
from lama_core.research.holes.masks import JUDGED_KINDS, random_hole
from lama_core.research.training.data import SUFFIXES

SMALLEST = 16
"""Sides of a photo, pixels, below which no hole is drawn into it."""


class EvaluationError(LamaFillError):
    """A folder cannot be evaluated on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A picture and its hole."""

    name: str
    kind: str
    photo: Picture
    hole: Hole


class CaseSet(Protocol):
    """Pictures, each with a hole of every kind."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of holes, thin first."""

    @property
    def count(self) -> int:
        """How many pictures there are."""

    @property
    def remark(self) -> str:
        """What a reader of the figures has to know of the pictures, in one line."""

    def cases(self, kind: str) -> Iterator[Case]:
        """Every picture with its hole of a kind.

        Raises:
            EvaluationError: a file is missing, cannot be read, or does not fit.
        """


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The photos of a folder and the kinds of holes that each of them gets.

    A folder with `photos/` and `masks/KIND/` has a mask for each photo, of its name, white in the hole. Any
    other folder of photos gets LaMa's random holes, the same ones every time.

    With a `size` every photo is scaled to that short side, and its hole with it: shrunk by area, which leaves
    real detail down to the pixel; or enlarged by Lanczos, which invents none, so that figures for it tell how
    a fill copes with a hole of many pixels, not how it restores fine detail. Nothing is cropped.
    """

    photos: tuple[Path, ...]
    masks: tuple[Path, ...]
    size: int | None = None

    @classmethod
    def open(cls, folder: Path, *, size: int | None = None, most: int | None = None) -> EvaluationSet:
        """Look at a folder.

        Args:
            folder: of photos.
            size: the short side that photos are scaled to, pixels; None: they stay as they are.
            most: so many photos at most, spread evenly over the names; None: all.

        Raises:
            EvaluationError: there is nothing to evaluate on.
        """
        if not folder.is_dir():
            raise EvaluationError(f"{folder} is not a folder: give a folder of photos")
        inner = folder / "photos"
        source = inner if inner.is_dir() else folder
        photos = tuple(sorted(path for path in source.iterdir() if path.suffix.lower() in SUFFIXES))
        if not photos:
            raise EvaluationError(f"no photos in {source}: it needs JPEG, PNG, WebP or TIFF files")
        if most is not None and most < len(photos):
            photos = tuple(photos[number * len(photos) // most] for number in range(most))
        masks = folder / "masks"
        found = tuple(sorted(path for path in masks.iterdir() if path.is_dir())) if masks.is_dir() else ()
        return cls(photos, tuple(sorted(found, key=lambda path: _order(path.name))), size)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of holes, thin first."""
        return tuple(path.name for path in self.masks) or JUDGED_KINDS

    @property
    def count(self) -> int:
        """How many photos there are."""
        return len(self.photos)

    @property
    def remark(self) -> str:
        """What was done to the photos.

        Raises:
            EvaluationError: a file is no photo.
        """
        photos = f"{self.count} photo{'s' if self.count > 1 else ''}"
        if self.size is None:
            return f"{photos} as they are"
        sides = [_short_side(path) for path in self.photos]
        enlarged = [side for side in sides if side < self.size]
        shrunk = sum(side > self.size for side in sides)
        done = []
        if enlarged:
            finest = self.size / min(enlarged)
            done.append(
                f"{len(enlarged)} enlarged from {_span(enlarged)} pixels by Lanczos, so that no detail finer "
                f"than {finest:.3g} pixels is in them"
            )
        if shrunk:
            done.append(f"{shrunk} shrunk by area")
        return f"{photos}, short side {self.size}: " + ("; ".join(done) or "as they are")

    def cases(self, kind: str) -> Iterator[Case]:
        """Every photo with its hole of a kind.

        Raises:
            EvaluationError: a file is missing, cannot be read, or does not fit.
        """
        folder = next((path for path in self.masks if path.name == kind), None)
        for path in self.photos:
            photo = _read(path, "RGB")
            if min(photo.shape[:2]) < SMALLEST:
                raise EvaluationError(f"{path} is smaller than {SMALLEST} pixels: remove it from the folder")
            if folder is None:
                photo = _scaled(photo, self.size)
                hole = hole_for(path.name, kind, photo.shape[0], photo.shape[1])
            else:
                mask = folder / f"{path.stem}.png"
                hole = _read(mask, "L") > 127
                if hole.shape != photo.shape[:2]:
                    raise EvaluationError(f"{mask} has another size than {path}: they must match")
                if not hole.any():
                    raise EvaluationError(f"{mask} has no white pixel: nothing to fill")
                photo, hole = _scaled(photo, self.size), _scaled_hole(hole, self.size)
            yield Case(name=path.stem, kind=kind, photo=photo, hole=hole)


def hole_for(name: str, kind: str, height: int, width: int) -> Hole:
    """A random hole that depends on the picture's own name, not on what else is in its set.

    Args:
        name: of the picture.
        kind: of the hole, one of `JUDGED_KINDS`.
        height, width: of the picture, pixels.

    Returns:
        (height, width) bool; of the same shape at every size.
    """
    seed = (zlib.crc32(name.encode()), JUDGED_KINDS.index(kind))
    return random_hole(kind, height, width, np.random.default_rng(seed))


def _order(kind: str) -> tuple[int, str]:
    known = list(JUDGED_KINDS)
    return (known.index(kind) if kind in known else len(known), kind)


def _span(sides: list[int]) -> str:
    low, high = min(sides), max(sides)
    return str(low) if low == high else f"{low} to {high}"


def _scaled(photo: Picture, size: int | None) -> Picture:
    height, width = photo.shape[:2]
    if size is None or min(height, width) == size:
        return photo
    wanted = _wanted(height, width, size)
    method = cv2.INTER_AREA if size < min(height, width) else cv2.INTER_LANCZOS4
    return np.asarray(cv2.resize(photo, wanted, interpolation=method), np.uint8)


def _scaled_hole(hole: Hole, size: int | None) -> Hole:
    height, width = hole.shape
    if size is None or min(height, width) == size:
        return hole
    wanted = _wanted(height, width, size)
    shrinks = size < min(height, width)
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    share = cv2.resize(hole.astype(np.float32), wanted, interpolation=method)
    scaled = share > 0.5
    # A scratch may be thinner than half a pixel now: then whatever it touches is the hole.
    return np.asarray(scaled if scaled.any() else share > 0)


def _wanted(height: int, width: int, size: int) -> tuple[int, int]:
    """Width and height, as OpenCV wants them, with the shorter one `size`."""
    scale = size / min(height, width)
    return round(width * scale), round(height * scale)


def _short_side(path: Path) -> int:
    try:
        with Image.open(path) as file:
            return int(min(file.size))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror or error})") from error


def _read(path: Path, mode: str) -> Picture:
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert(mode))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror or error})") from error
