"""Keeping a prediction within the memory that a fill may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from lama_core.client.geometry import LEAST_CONTEXT, Rect
from lama_core.fill.predictor import GeneratorLike

if TYPE_CHECKING:
    import torch


class Measured(Protocol):
    """A generator that knows what it takes."""

    @property
    def plain(self) -> GeneratorLike:
        """What refinement uses."""
        ...

    @property
    def device(self) -> torch.device: ...

    def peak_bytes(self, height: int, width: int) -> int:
        """Bytes that a prediction of this size takes."""
        ...

    def __call__(self, image: torch.Tensor, hole: torch.Tensor, /) -> torch.Tensor: ...


def within_memory(generator: GeneratorLike, memory: int | None) -> GeneratorLike:
    """The generator, looking at less of a window where all of it would take more than `memory` bytes.

    One that cannot say what it takes is left as it is.
    """
    # Not by isinstance, which would ask for `plain`, and that takes long to load.
    if memory is None or not hasattr(generator, "peak_bytes"):
        return generator
    return _WithinMemory(cast(Measured, generator), memory)


class _WithinMemory:
    """Predicts what is around the hole with as much context as fits; where none does, at half the size."""

    def __init__(self, generator: Measured, memory: int) -> None:
        self._generator = generator
        self._memory = memory
        self.device = generator.device

    @property
    def plain(self) -> GeneratorLike:
        return self._generator.plain

    def __call__(self, image: torch.Tensor, hole: torch.Tensor, /) -> torch.Tensor:
        height, width = image.shape[2:]
        canvas = Rect(0, 0, width, height)
        if self._fits(canvas):
            return self._generator(image, hole)
        rect = self._around(_bounds(hole), canvas)
        if rect is None:
            return self._halved(image, hole)
        rows, columns = slice(rect.y, rect.bottom), slice(rect.x, rect.right)
        prediction = image.clone()
        prediction[:, :, rows, columns] = self._generator(
            image[:, :, rows, columns], hole[:, :, rows, columns]
        )
        return prediction

    def _fits(self, rect: Rect) -> bool:
        return self._generator.peak_bytes(rect.height, rect.width) <= self._memory

    def _around(self, hole: Rect, canvas: Rect) -> Rect | None:
        """The largest part of the canvas around the hole that fits; None where not even the least does."""
        low, high = LEAST_CONTEXT, max(canvas.width, canvas.height)
        if not self._fits(hole.grow(low).clipped(canvas)):
            return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(hole.grow(middle).clipped(canvas)) else (low, middle)
        return hole.grow(low).clipped(canvas)

    def _halved(self, image: torch.Tensor, hole: torch.Tensor) -> torch.Tensor:
        # Not before: who plans a fill waits for no torch.
        from torch.nn import functional as F

        from lama_core.fill.filters import halved_hole
        from lama_core.model.prefill import halved

        if min(image.shape[2:]) < 2 * LEAST_CONTEXT:
            return self._generator(image, hole)  # there is nothing left to save
        prediction = self(halved(image), halved_hole(hole))
        return F.interpolate(prediction, image.shape[2:], mode="bilinear", align_corners=False)


def _bounds(hole: torch.Tensor) -> Rect:
    rows = hole.amax(dim=(0, 1, 3)).nonzero().flatten().tolist()
    columns = hole.amax(dim=(0, 1, 2)).nonzero().flatten().tolist()
    if not rows:
        return Rect(0, 0, 0, 0)
    return Rect(columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
