"""Photographs with a hole each, to judge fills by."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lama_core.errors import LamaFillError
from lama_core.evaluation.metrics import Hole, Picture
from lama_core.training.data import SUFFIXES
from lama_core.training.masks import JUDGED_KINDS, random_hole

SMALLEST = 16
"""Sides of a photo, pixels, below which no hole is drawn into it."""


class EvaluationError(LamaFillError):
    """A folder cannot be evaluated on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A photograph and its hole."""

    name: str
    kind: str
    photo: Picture
    hole: Hole


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The photos of a folder and the kinds of holes that each of them gets.

    A folder with `photos/` and `masks/KIND/` has a mask for each photo, of its name, white in the hole. Any
    other folder of photos gets LaMa's random holes, the same ones every time.
    """

    photos: tuple[Path, ...]
    masks: tuple[Path, ...]

    @classmethod
    def open(cls, folder: Path) -> EvaluationSet:
        """Look at a folder.

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
        masks = folder / "masks"
        found = tuple(sorted(path for path in masks.iterdir() if path.is_dir())) if masks.is_dir() else ()
        return cls(photos, tuple(sorted(found, key=lambda path: _order(path.name))))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds of holes, thin first."""
        return tuple(path.name for path in self.masks) or JUDGED_KINDS

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
                # A photo's hole depends on its own name, not on what else lies in the folder.
                seed = (zlib.crc32(path.name.encode()), JUDGED_KINDS.index(kind))
                hole = random_hole(kind, photo.shape[0], photo.shape[1], np.random.default_rng(seed))
            else:
                mask = folder / f"{path.stem}.png"
                hole = _read(mask, "L") > 127
                if hole.shape != photo.shape[:2]:
                    raise EvaluationError(f"{mask} has another size than {path}: they must match")
                if not hole.any():
                    raise EvaluationError(f"{mask} has no white pixel: nothing to fill")
            yield Case(name=path.stem, kind=kind, photo=photo, hole=hole)


def _order(kind: str) -> tuple[int, str]:
    known = list(JUDGED_KINDS)
    return (known.index(kind) if kind in known else len(known), kind)


def _read(path: Path, mode: str) -> Picture:
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert(mode))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror or error})") from error
