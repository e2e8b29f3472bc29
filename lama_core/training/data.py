"""Training pictures: a folder of photos, cut into crops with a random hole each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from lama_core.errors import LamaFillError
from lama_core.training.config import TrainingConfig
from lama_core.training.masks import MASK_KINDS, random_hole

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})


class DataError(LamaFillError):
    """The photos to train with cannot be used."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from: image (B, 3, S, S) float32 in 0..1, hole (B, 1, S, S) float32, 0 or 1."""

    image: Tensor
    hole: Tensor


class Photos:
    """The photos of a folder and its sub-folders, decoded when first needed and kept in memory.

    Crops are drawn by chance alone from the generator that is given, so the same seed gives the same crops.
    """

    def __init__(self, folder: Path, *, side: int = 512) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder: give a folder of photos to train with")
        self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise DataError(f"no photos in {folder}: it needs JPEG, PNG, WebP or TIFF files")
        self._side = side
        self._cache: list[npt.NDArray[np.uint8] | None] = [None] * len(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def photo(self, index: int) -> npt.NDArray[np.uint8]:
        """Photo number `index`: (H, W, 3) uint8, its shorter side `side` pixels or less.

        Raises:
            DataError: the file cannot be decoded.
        """
        cached = self._cache[index]
        if cached is not None:
            return cached
        try:
            with Image.open(self.paths[index]) as file:
                picture = file.convert("RGB")
        except OSError as error:
            raise DataError(f"{self.paths[index]} cannot be read ({error}): remove it or mend it") from error
        scale = self._side / min(picture.size)
        if scale < 1:
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(picture)
        self._cache[index] = pixels
        return pixels

    def crop(self, size: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """A random square of a random photo, at a random scale, mirrored half of the time.

        Between the whole short side and `size` pixels of it are seen in the crop, so that structures of all
        sizes occur.

        Returns:
            (3, size, size) float32 in 0..1.
        """
        pixels = self.photo(int(rng.integers(len(self.paths))))
        height, width = pixels.shape[:2]
        longest = min(height, width)
        side = float(np.exp(rng.uniform(np.log(min(size, longest)), np.log(longest))))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        picture = Image.fromarray(pixels).resize(
            (size, size),
            Image.Resampling.BICUBIC,
            box=(x, y, x + side, y + side),
            reducing_gap=2.0,
        )
        crop: npt.NDArray[np.float32] = np.asarray(picture, np.float32).transpose(2, 0, 1) / np.float32(255)
        return crop[:, :, ::-1] if rng.random() < 0.5 else crop


def make_batch(photos: Photos, step: int, config: TrainingConfig) -> Batch:
    """The batch of one step.

    It follows from its arguments alone, so a resumed run sees what an unbroken one sees.
    """
    rng = np.random.default_rng((config.seed, step))
    kinds = tuple(MASK_KINDS)
    size = int(rng.choice(config.sizes))
    count = max(1, config.step_pixels // size**2)
    crops = np.stack([photos.crop(size, rng) for _ in range(count)])
    holes = np.stack([random_hole(kinds[rng.integers(len(kinds))], size, size, rng) for _ in range(count)])
    return Batch(torch.from_numpy(crops), torch.from_numpy(holes[:, None].astype(np.float32)))


def batches(
    photos: Photos, steps: Sequence[int], config: TrainingConfig, *, workers: int = 1
) -> Iterator[Batch]:
    """The batches of `steps` in order, made ahead of time in `workers` threads."""
    ahead = 2 * workers
    with ThreadPoolExecutor(workers, thread_name_prefix="batch") as pool:
        waiting: list[Future[Batch]] = []
        try:
            for step in steps:
                waiting.append(pool.submit(make_batch, photos, step, config))
                if len(waiting) > ahead:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)
