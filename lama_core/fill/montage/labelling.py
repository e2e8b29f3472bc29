"""Labels from scale to scale: a first guess, offsets to the pixel, seams that move."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from lama_core.fill.common.filters import dilate
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.scale import Pieces, Scale
from lama_core.fill.montage.cut import Numbers
from lama_core.fill.montage.expansion import (
    NEVER,
    SEAM_FEATURES,
    UNLABELLED,
    Energy,
    Labelling,
    Places,
    expand,
)
from lama_core.image.pixels import Mask

#: Seams may move by so many pixels at each finer scale.
BAND = 3

#: Offsets are told apart by the known pixels so near to where they are used, pixels; by so many of them.
BESIDE = 8
LEAST_BESIDE, MOST_BESIDE = 16, 1000

#: A pixel is no worse than this, so that what happens to stand beside a hole does not decide; square of a
#: difference, of 255.
WORST = 8000


def first_labelling(scale: Scale, painters: int) -> Labelling:
    """(H, W): the last painter's label everywhere in the hole, and the picture's around it."""
    chosen = _around(scale)
    chosen[scale.unknown.numpy()] = painters
    return chosen


def finer_labelling(
    coarse: Labelling, scale: Scale, pieces: Pieces | None, labels: Numbers, painters: int
) -> Labelling:
    """(H, W): labels that were found at half the size; the last painter's where such a one does not exist."""
    unknown: Mask = scale.unknown.numpy()
    height, width = unknown.shape
    chosen = _around(scale)
    twice = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    chosen[unknown] = twice[unknown]
    row, column = np.nonzero(unknown)
    plane, down, across = labels[chosen[unknown], :3].T
    down, across = row + down, column + across
    there = (down >= 0) & (down < height) & (across >= 0) & (across < width)
    down, across = down.clip(0, height - 1), across.clip(0, width - 1)
    there &= np.where(plane > 0, True, scale.allowed.numpy()[down, across])
    if pieces is not None:
        number = plane - 1 - painters
        piece = number >= 0
        usable = (pieces.seen & pieces.costs.isfinite()).numpy()
        there[piece] &= usable[number[piece], row[piece], column[piece]]
    chosen[row[~there], column[~there]] = painters
    return chosen


def settle(energy: Energy, chosen: Labelling, progress: Progress) -> None:
    """Let every label that is used take what is near it, so that seams move to where they do not show."""
    hole = torch.from_numpy((chosen > 0) & (chosen != UNLABELLED))
    label = torch.from_numpy(np.where(hole, chosen, 0).astype(np.float32))[None, None]
    most = F.max_pool2d(label, 2 * BAND + 1, stride=1, padding=BAND)
    least = -F.max_pool2d(-label, 2 * BAND + 1, stride=1, padding=BAND)
    near = (most != least)[0, 0] & hole
    pixels = np.flatnonzero(near.numpy()).astype(np.int32)
    for used in np.unique(chosen.reshape(-1)[pixels]).tolist():
        progress.check()
        expand(energy, chosen, pixels, used, BAND)


def aligned(energy: Energy, chosen: Labelling, first: int, progress: Progress) -> Numbers:
    """The labels with offsets to the pixel.

    Of the nine places around each the one is taken at which the picture, shifted, is most like itself beside
    where it is used.
    """
    labels: Numbers = energy.labels.copy()
    known = torch.from_numpy(energy.costs[0] <= NEVER)
    for label in np.unique(chosen).tolist():
        if label < first or label == UNLABELLED:
            continue
        progress.check()
        mine = torch.from_numpy(chosen == label)
        rows, columns = (mine.any(dim=1 - axis).nonzero()[:, 0] for axis in (0, 1))
        part = tuple(slice(max(0, int(at[0]) - BESIDE), int(at[-1]) + BESIDE + 1) for at in (rows, columns))
        beside = dilate(mine[part], BESIDE) & known[part]
        row, column = beside.numpy().nonzero()
        stride = 1 + len(row) // MOST_BESIDE
        row, column = row[::stride] + part[0].start, column[::stride] + part[1].start
        labels[label, 1:3] += _best_step(energy, row, column, labels[label])
    return labels


def _around(scale: Scale) -> Labelling:
    """(H, W): the picture's label beside the hole."""
    beside = dilate(scale.unknown, 1)
    return np.where(beside.numpy(), 0, UNLABELLED).astype(np.uint16)


def _best_step(energy: Energy, row: Places, column: Places, label: Numbers) -> tuple[int, int]:
    """By how much an offset has to change to show, at these known pixels, what is most like what is there."""
    features = energy.features[0]
    height, width = features.shape[:2]
    wanted = features[row, column, :SEAM_FEATURES].astype(np.int32)
    best, least = (0, 0), np.inf
    for step in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        down, across = row + label[1] + step[0], column + label[2] + step[1]
        there = (down >= 0) & (down < height) & (across >= 0) & (across < width)
        there[there] &= energy.costs[0, down[there], across[there]] <= NEVER
        if np.count_nonzero(there) < LEAST_BESIDE:
            continue
        shown = features[down[there], across[there], :SEAM_FEATURES].astype(np.int32)
        unlike = np.square(shown - wanted[there]).sum(axis=1).clip(max=WORST).mean()
        if unlike < least:
            best, least = step, unlike
    return best
