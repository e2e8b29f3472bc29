"""Training pictures: a folder of photos, cut into crops with a random hole each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lama_core.client.errors import LamaFillError
from lama_core.research.holes.masks import random_hole
from lama_core.research.training.config import TrainingConfig

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
MEMORY = 4 << 30
"""Bytes of decoded photos that are kept; beyond them a photo is decoded each time it is needed."""


class DataError(LamaFillError):
    """The photos to train with cannot be used."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from: image (B, 3, S, S) uint8, hole (B, 1, S, S) uint8, 1 in the hole."""

    image: Tensor
    hole: Tensor

    def pin_memory(self) -> Batch:
        """The same in memory that a GPU can copy from while others compute; torch's loader calls it."""
        return Batch(self.image.pin_memory(), self.hole.pin_memory())


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which pictures of a batch one of several processes takes: every `of`-th, from number `part` on."""

    part: int = 0
    of: int = 1


class Photos:
    """The photos of a folder and its sub-folders, decoded when first needed and kept while memory allows.

    Crops are drawn by chance alone from the generator that is given, so the same seed gives the same crops.
    """

    def __init__(self, folder: Path, *, side: int = 512, memory: int = MEMORY) -> None:
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder: give a folder of photos to train with")
        self.paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not self.paths:
            raise DataError(f"no photos in {folder}: it needs JPEG, PNG, WebP or TIFF files")
        self._side = side
        self._free = memory
        self._cache: dict[int, npt.NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getstate__(self) -> dict[str, object]:
        # A process that is started afresh decodes for itself: sending it gigabytes would take longer.
        kept = sum(pixels.nbytes for pixels in self._cache.values())
        return self.__dict__ | {"_cache": {}, "_free": self._free + kept}

    def photo(self, index: int) -> npt.NDArray[np.uint8]:
        """Photo number `index`: (H, W, 3) uint8, its shorter side `side` pixels or less.

        Raises:
            DataError: the file cannot be decoded.
        """
        cached = self._cache.get(index)
        if cached is not None:
            return cached
        try:
            with Image.open(self.paths[index]) as file:
                file.draft(
                    "RGB", (self._side, self._side)
                )  # a large JPEG is decoded at half the size or less
                picture = ImageOps.exif_transpose(file).convert("RGB")
        except OSError as error:
            raise DataError(f"{self.paths[index]} cannot be read ({error}): remove it or mend it") from error
        scale = self._side / min(picture.size)
        if scale < 1:
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(size, Image.Resampling.LANCZOS)
        pixels = np.asarray(picture)
        if pixels.nbytes <= self._free:
            self._free -= pixels.nbytes
            self._cache[index] = pixels
        return pixels

    def decode(self, threads: int) -> None:
        """Decode what there is memory for, now: processes that are forked later share it.

        Raises:
            DataError: a file cannot be decoded.
        """
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(self._decode, range(len(self.paths))):
                pass

    def _decode(self, index: int) -> None:
        if self._free > 0:
            self.photo(index)

    def crop(self, size: int, config: TrainingConfig, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """A random square of a random photo, mirrored half of the time.

        Args:
            size: side of the crop, pixels.
            config: says how large a part of the photo it shows, and how much colours change.
            rng: the only source of chance.

        Returns:
            (3, size, size) uint8.
        """
        pixels = self.photo(int(rng.integers(len(self.paths))))
        height, width = pixels.shape[:2]
        longest = min(height, width)
        smallest = min(size, longest)
        side = float(smallest)
        if config.crops == "any-scale":
            # Structures of all sizes occur: the part that is seen is chosen evenly between its size's logs.
            side = float(np.exp(rng.uniform(np.log(smallest), np.log(longest))))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        picture = Image.fromarray(pixels).resize(
            (size, size),
            Image.Resampling.BICUBIC,
            box=(x, y, x + side, y + side),
            reducing_gap=2.0,
        )
        crop: npt.NDArray[np.uint8] = np.asarray(picture)
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if config.colour:
            crop = _change_colours(crop, config.colour, rng)
        return np.ascontiguousarray(crop.transpose(2, 0, 1))


def _change_colours(
    crop: npt.NDArray[np.uint8], strength: float, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Change exposure, contrast and tint: (H, W, 3) uint8 to the same."""
    gain = np.exp(rng.normal(0, strength) + rng.normal(0, strength / 4, 3))
    gamma = np.exp(rng.normal(0, strength))
    levels = np.clip((np.arange(256)[:, None] / 255) ** gamma * gain, 0, 1)  # (256, 3)
    table = (levels * 255).round().astype(np.uint8)
    return np.stack([table[:, channel][crop[:, :, channel]] for channel in range(3)], axis=2)


def make_batch(photos: Photos, step: int, config: TrainingConfig, share: Share = Share()) -> Batch:
    """The batch of one step, or one process's share of it.

    It follows from its arguments alone, so a resumed run sees what an unbroken one sees, and so do several
    processes what one alone sees.

    Raises:
        DataError: a photo cannot be read, or there are more processes than pictures in the batch.
    """
    size = int(np.random.default_rng((config.seed, step)).choice(config.sizes))
    count = max(1, config.step_pixels // size**2)
    if count < share.of:
        raise DataError(f"{count} pictures cannot be shared by {share.of} processes: set step_pixels higher")
    crops: list[npt.NDArray[np.uint8]] = []
    holes: list[npt.NDArray[np.bool_]] = []
    for item in range(share.part, count, share.of):
        rng = np.random.default_rng((config.seed, step, item))
        kind = config.holes[rng.integers(len(config.holes))]
        crops.append(photos.crop(size, config, rng))
        holes.append(random_hole(kind, size, size, rng))
    return Batch(
        torch.from_numpy(np.stack(crops)), torch.from_numpy(np.stack(holes)[:, None].astype(np.uint8))
    )


class _Steps(Dataset[Batch]):
    """The batches of a run for torch's loader: item i is the batch of the i-th step to do."""

    def __init__(self, photos: Photos, steps: Sequence[int], config: TrainingConfig, share: Share) -> None:
        self._photos, self._steps, self._config, self._share = photos, steps, config, share

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> Batch:
        return make_batch(self._photos, self._steps[index], self._config, self._share)


def batches(
    photos: Photos,
    steps: Sequence[int],
    config: TrainingConfig,
    *,
    processes: int = 0,
    share: Share = Share(),
    pin: bool = False,
) -> Iterator[Batch]:
    """The batches of `steps` in order, made ahead of time.

    Args:
        photos: to cut crops from.
        steps: numbers of the steps to make batches for.
        config: the run's settings.
        processes: that cut crops: a GPU needs about as many as there are cores. With 0 one thread of this
            process does, which is enough for training on the CPU.
        share: which pictures of each batch to make.
        pin: whether to put batches where a GPU copies from fast.

    Raises:
        DataError: a photo cannot be read.
    """
    if processes == 0:
        yield from _in_a_thread(photos, steps, config, share)
        return
    photos.decode(os.cpu_count() or 1)
    loader = DataLoader(
        _Steps(photos, steps, config, share),
        batch_size=None,
        num_workers=processes,
        prefetch_factor=2,
        pin_memory=pin,
    )
    try:
        yield from loader
    except DataError as error:
        # From another process comes the whole traceback as text; its last line says what is wrong.
        message = str(error).strip().rpartition("\n")[2].rpartition("DataError: ")[2]
        raise DataError(message) from error


def _in_a_thread(
    photos: Photos, steps: Sequence[int], config: TrainingConfig, share: Share
) -> Iterator[Batch]:
    with ThreadPoolExecutor(1, thread_name_prefix="batch") as pool:
        waiting: list[Future[Batch]] = []
        try:
            for step in steps:
                waiting.append(pool.submit(make_batch, photos, step, config, share))
                if len(waiting) > 2:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)
