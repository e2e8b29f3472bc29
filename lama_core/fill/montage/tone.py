"""Pieces of a montage put together, with the tone of each evened out towards the next.

Where two labels meet, and at the hole's edge, one is darker than the other by what the two show of the same
pixels. What is added to the pieces takes these steps and is as smooth as it can be elsewhere: Poisson's
equation with the known region as its boundary, by multigrid (Pérez et al., 2003, "Poisson image editing"). A
large step is an edge of something, and stays.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.progress import Progress
from lama_core.fill.common.scale import Pieces, Scale
from lama_core.fill.montage.cut import Numbers
from lama_core.fill.montage.expansion import Labelling, Places
from lama_core.image.mask_ops import bounding_slices
from lama_core.image.pixels import Floats, Mask

#: Steps are smaller than this, of white; what is larger is in the picture.
LARGEST = 0.12

#: Cycles of multigrid, and relaxations on the way down and up again.
CYCLES = 2
RELAXATIONS = 4
COARSEST_RELAXATIONS = 40


def join(
    scale: Scale,
    pieces: Pieces | None,
    chosen: Labelling,
    labels: Numbers,
    colour: Floats,
    progress: Progress,
) -> Floats:
    """The picture with the montage in its hole.

    Args:
        scale: the finest.
        chosen: (H, W), labels.
        labels: (K, 4), as `Energy` has them.
        colour: (3, H, W) float32, the picture.
        progress: asked between steps whether to go on.

    Returns:
        (3, H, W) float32.
    """
    unknown: Mask = scale.unknown.numpy()
    planes = [scale.painted[0].numpy(), *scale.painted.numpy()]
    if pieces is not None:
        planes += [*pieces.pictures.numpy()]
    row, column = np.nonzero(unknown)
    label = chosen[unknown].astype(np.intp)
    filled: Floats = colour.copy()
    filled[:, row, column] = _shown(planes, unknown, labels, label, row, column)[0]
    part = bounding_slices(unknown, 1)
    inside = torch.from_numpy(unknown[part])
    own = np.where(unknown[part], chosen[part], 0).astype(np.intp)
    steps = torch.zeros(3, *own.shape)
    for axis in (0, 1):
        progress.check()
        _add_steps(steps, axis, own, part, planes, unknown, labels)
    surface = _solved(steps[None], inside[None, None].float(), progress)[0]
    filled[:, part[0], part[1]] += surface.numpy() * unknown[part]
    return filled


def _shown(
    planes: list[Floats], unknown: Mask, labels: Numbers, label: Places, row: Places, column: Places
) -> tuple[Floats, Mask]:
    """What labels show at pixels, (3, N), and where that is known."""
    height, width = unknown.shape
    plane, down, across = labels[label, :3].T
    down, across = row + down, column + across
    known = (down >= 0) & (down < height) & (across >= 0) & (across < width)
    down, across = down.clip(0, height - 1), across.clip(0, width - 1)
    known &= (plane > 0) | ~unknown[down, across]
    colours: Floats = np.empty((3, len(row)), np.float32)
    for number, picture in enumerate(planes):
        mine = plane == number
        colours[:, mine] = picture[:, down[mine], across[mine]]
    return colours, known


def _add_steps(
    steps: Tensor,
    axis: int,
    own: Places,
    part: tuple[slice, slice],
    planes: list[Floats],
    unknown: Mask,
    labels: Numbers,
) -> None:
    """Add to each pixel how far the one behind it along an axis is to come down to it, and the other way."""
    length = own.shape[axis] - 1
    here, there = own.take(range(length), axis), own.take(range(1, length + 1), axis)
    row, column = np.nonzero(here != there)
    first, second = here[row, column], there[row, column]
    behind = row + (axis == 0), column + (axis == 1)
    difference: Floats = np.zeros((3, len(row)), np.float32)
    count = np.zeros(len(row), np.float32)
    for at in ((row, column), behind):
        place = at[0] + part[0].start, at[1] + part[1].start
        one, one_known = _shown(planes, unknown, labels, first, *place)
        other, other_known = _shown(planes, unknown, labels, second, *place)
        both = one_known & other_known
        difference += np.where(both, other - one, 0)
        count += both
    difference /= np.maximum(count, 1)
    difference /= 1 + (np.abs(difference).max(axis=0) / LARGEST) ** 4
    step = torch.from_numpy(difference)
    flat, width = steps.view(3, -1), own.shape[1]
    flat.index_add_(1, torch.from_numpy(row * width + column), step)
    flat.index_add_(1, torch.from_numpy(behind[0] * width + behind[1]), -step)


def _solved(steps: Tensor, inside: Tensor, progress: Progress) -> Tensor:
    """(1, 3, H, W), 0 outside of the hole, whose sum of differences to the four neighbours is `steps`."""
    surface = torch.zeros_like(steps)
    for _ in range(CYCLES):
        progress.check()
        surface = _cycle(surface, steps, inside)
    return surface


def _cycle(surface: Tensor, steps: Tensor, inside: Tensor) -> Tensor:
    """One V-cycle: what is smooth of the error is found at half the size."""
    if min(surface.shape[2:]) <= 4:
        return _relaxed(surface, steps, inside, COARSEST_RELAXATIONS)
    surface = _relaxed(surface, steps, inside, RELAXATIONS)
    left = (steps - _differences(surface)) * inside
    coarse_left, coarse = (
        F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (left, inside)
    )
    coarse = (coarse > 0.5).to(inside.dtype)
    error = _cycle(torch.zeros_like(coarse_left), coarse_left.mul_(4) * coarse, coarse)
    height, width = surface.shape[2:]
    error = F.interpolate(error, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
    return _relaxed(surface + error * inside, steps, inside, RELAXATIONS)


def _relaxed(surface: Tensor, steps: Tensor, inside: Tensor, count: int) -> Tensor:
    """Damped Jacobi steps."""
    for _ in range(count):
        surface = surface + (steps - _differences(surface)).mul_(0.2).mul_(inside)
    return surface


def _differences(surface: Tensor) -> Tensor:
    """The sum of each pixel's differences to its four neighbours; beyond the edge it goes on as it is."""
    padded = F.pad(surface, (1, 1, 1, 1), mode="replicate")
    total = 4 * surface - padded[..., 1:-1, :-2]
    total -= padded[..., 1:-1, 2:]
    total -= padded[..., :-2, 1:-1]
    total -= padded[..., 2:, 1:-1]
    return total
