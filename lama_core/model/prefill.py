"""A smooth fill without a network, coarse to fine.

Known pixels are averaged down a pyramid until every hole is closed, and the coarse colours are interpolated
back up into the holes (push-pull: Gortler et al., 1996, "The Lumigraph", section 4.4.3). Relaxing every level
on the way up turns that into a harmonic fill: each hole pixel the mean of its neighbours, Laplace's equation
with the known region as its boundary. Compact models start from the harmonic fill.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

COARSE_RELAXATIONS = 30
FINEST_RELAXATIONS = 8
"""Jacobi steps a level. On the finest level more of them cost most of the time and change nothing: on 512x512
photographs the fill's error is the same to 0.1 % with 30."""


def harmonic_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Fill the hole like a soap film spanned by its surroundings.

    Args:
        image: (B, C, H, W) float; the hole's values are not looked at.
        hole: (B, 1, H, W) float, 1 in the hole, 0 in the known region; values between blend.

    Returns:
        (B, C, H, W): the image where it is known, smooth colours in the hole; 0.5 all over where nothing is
        known.
    """
    return _smooth_fill(image, hole, coarse=COARSE_RELAXATIONS, finest=FINEST_RELAXATIONS)


def push_pull(image: Tensor, hole: Tensor) -> Tensor:
    """Fill the hole by push-pull alone: arguments and result as of `harmonic_fill`."""
    return _smooth_fill(image, hole, coarse=0, finest=0)


def _smooth_fill(image: Tensor, hole: Tensor, *, coarse: int, finest: int) -> Tensor:
    known = 1 - hole
    premultiplied = torch.where(known > 0, image, torch.zeros_like(image)) * known
    pyramid = [(premultiplied, known)]
    while max(premultiplied.shape[-2:]) > 1:
        premultiplied, known = downsample2(premultiplied), downsample2(known)
        pyramid.append((premultiplied, known))

    fill = torch.full_like(pyramid[-1][0], 0.5)
    for level in reversed(range(len(pyramid))):
        premultiplied, known = pyramid[level]
        colour = premultiplied / known.clamp(min=1e-6)
        # Above the finest level a cell with anything known in it counts as known: its average is of known
        # pixels alone, and nearer than whatever the coarser level has.
        weight = known if level == 0 else (known > 0).to(known.dtype)
        if fill.shape[-2:] != colour.shape[-2:]:
            fill = F.interpolate(fill, colour.shape[-2:], mode="bilinear", align_corners=False)
        fill = torch.lerp(fill, colour, weight)
        _relax(fill, colour, weight, steps=finest if level == 0 else coarse)
    return fill


def downsample2(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, ceil(H/2), ceil(W/2)) by means of 2x2 pixels, of fewer at an odd edge."""
    height, width = x.shape[2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    rows = x[:, :, 0::2] + x[:, :, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]).mul_(0.25)


def _relax(fill: Tensor, colour: Tensor, weight: Tensor, *, steps: int) -> None:
    """Take Jacobi steps in place: each pixel becomes the mean of its four neighbours, blended with `colour`.

    An edge pixel stands in for its neighbours beyond the edge.

    Args:
        fill: (B, C, H, W), at `colour` where the weight is 1.
        colour: (B, C, H, W).
        weight: (B, 1, H, W), of the colour.
        steps: how many.
    """
    open_cells = (weight < 1).amax(dim=(0, 1))
    rows, columns = _stretch(open_cells.any(dim=1)), _stretch(open_cells.any(dim=0))
    if not steps or rows is None or columns is None:
        return
    # Nothing changes but in the hole, which is the smaller part of most pictures. What is beyond its ends
    # counts only where they are the picture's, because the pixels there are known.
    fill, colour, weight = (x[:, :, rows, columns] for x in (fill, colour, weight))
    ends = [end for end, cell in ((0, open_cells[0]), (-1, open_cells[-1])) if cell.any()]
    sides = [end for end, cell in ((0, open_cells[:, 0]), (-1, open_cells[:, -1])) if cell.any()]
    padded = F.pad(fill, (1, 1, 1, 1), mode="replicate")
    inner = padded[:, :, 1:-1, 1:-1]
    left, right = padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:]
    above, below = padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1]
    mean = torch.empty_like(fill)
    for _ in range(steps):
        torch.add(left, right, out=mean)
        torch.lerp(mean.add_(above).add_(below).mul_(0.25), colour, weight, out=inner)
        for end in ends:
            padded[:, :, end, 1:-1] = inner[:, :, end]
        for end in sides:
            padded[:, :, 1:-1, end] = inner[:, :, :, end]
    fill.copy_(inner)


def _stretch(marked: Tensor) -> slice | None:
    """The part of an axis from the first marked place to the last, and one place more on either side."""
    at = marked.nonzero()
    return slice(max(int(at[0]) - 1, 0), int(at[-1]) + 2) if len(at) else None
