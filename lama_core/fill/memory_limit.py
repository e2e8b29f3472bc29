"""Keeping a prediction within the memory that a fill may take."""

from __future__ import annotations

from functools import partial

from torch import Tensor
from torch.nn import functional as F

from lama_core.client.geometry import MIN_CONTEXT, Rect
from lama_core.fill.common.pyramid import downsample_window
from lama_core.image.mask_ops import bounds_of
from lama_core.model.predictor import Predict, Predictor


def within_memory(predictor: Predictor, memory: int | None) -> Predict:
    """The prediction from less of a window where all of it would take more than `memory` bytes.

    It sees as much around the hole as fits. Where not even the least context fits, it sees the window at half
    its size. A predictor that does not know what it takes always sees the whole window.
    """
    return predictor if memory is None else partial(_predict, predictor, memory)


def _predict(predictor: Predictor, memory: int, image: Tensor, hole: Tensor) -> Tensor:
    height, width = image.shape[2:]
    canvas = Rect(0, 0, width, height)
    if _fits(predictor, memory, canvas):
        return predictor(image, hole)
    rect = _largest_fit(predictor, memory, bounds_of(hole[0, 0].cpu().numpy() > 0), canvas)
    if rect is None:
        return _predict_downsampled(predictor, memory, image, hole)
    rows, columns = slice(rect.y, rect.bottom), slice(rect.x, rect.right)
    prediction = image.clone()
    prediction[:, :, rows, columns] = predictor(image[:, :, rows, columns], hole[:, :, rows, columns])
    return prediction


def _fits(predictor: Predictor, memory: int, rect: Rect) -> bool:
    needed = predictor.peak_bytes(rect.height, rect.width)
    return needed is None or needed <= memory


def _largest_fit(predictor: Predictor, memory: int, hole: Rect, canvas: Rect) -> Rect | None:
    """The largest part of the canvas around the hole that fits; None where not even the smallest does."""
    low, high = MIN_CONTEXT, max(canvas.width, canvas.height)
    if not _fits(predictor, memory, hole.grow(low).clipped(canvas)):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        fits = _fits(predictor, memory, hole.grow(middle).clipped(canvas))
        low, high = (middle, high) if fits else (low, middle)
    return hole.grow(low).clipped(canvas)


def _predict_downsampled(predictor: Predictor, memory: int, image: Tensor, hole: Tensor) -> Tensor:
    if min(image.shape[2:]) < 2 * MIN_CONTEXT:
        return predictor(image, hole)  # there is nothing left to save
    prediction = _predict(predictor, memory, *downsample_window(image, hole))
    return F.interpolate(prediction, image.shape[2:], mode="bilinear", align_corners=False)
