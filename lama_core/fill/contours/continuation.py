"""Contours that the hole interrupts, continued through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lama_core.fill.common.progress import Progress
from lama_core.fill.common.pyramid import downsample_mask
from lama_core.fill.common.sampling import Reals, sample
from lama_core.fill.contours.ends import LONGEST, ContourEnds, find_ends, left_of
from lama_core.fill.contours.gradients import Gradients, edge_of
from lama_core.fill.contours.lines import find_lines
from lama_core.fill.contours.pairing import Connection, pair_ends
from lama_core.fill.contours.strips import paint_strips
from lama_core.image.mask_ops import distance_to
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import downsample2, harmonic_fill

UNWATCHED = Progress()

LEAST_LACKING = 0.2
"""Where a fill lacks less of the picture's detail than this share, its own contours are kept."""

REPEATS = 0.5
"""Lines are not drawn where it is so sure what repeats there."""

THERE = 0.7
LIKE, ALONG = 0.5, 0.9
"""A fill has such a line already where so much of it is there: with this share of its strength, and with this
cosine between the directions."""

SIDE = 640
"""The longest side at which contours are looked for, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contours:
    """Contours drawn through a hole.

    Attributes:
        picture: (3, H, W) float32, what is on them and beside them.
        cover: (H, W) float32, how much of it is to be seen, 0 to 1.
    """

    picture: Floats
    cover: Floats

    def known(self, colour: Floats, unknown: Mask) -> tuple[Floats, Mask]:
        """The picture with the contours in it, (3, H, W), and what is left of its hole, (H, W)."""
        drawn = unknown & (self.cover >= 1)
        return np.where(drawn, self.picture, colour), unknown & ~drawn

    def over(self, fill: Floats) -> Floats:
        """A fill, (3, H, W), with the contours drawn over it."""
        drawn: Floats = fill + (self.picture - fill) * self.cover
        return drawn

    def into(self, fill: Floats, unknown: Mask) -> Floats:
        """A fill with the contours drawn into it, and its colours between them shifted to fit.

        Args:
            fill: (3, H, W) float32.
            unknown: (H, W), True in the hole.

        Returns:
            (3, H, W).
        """
        drawn = unknown & (self.cover >= 1)
        offset = torch.from_numpy(np.where(drawn, self.picture - fill, 0))[None]
        left = torch.from_numpy(unknown & ~drawn)[None, None].float()
        corrected: Floats = fill + harmonic_fill(offset, left)[0].numpy() * unknown
        return self.over(corrected)


def continue_contours(
    colour: Floats,
    unknown: Mask,
    fill: Floats | None = None,
    lacking: Floats | None = None,
    repeated: Floats | None = None,
    progress: Progress = UNWATCHED,
    *,
    source: Mask | None = None,
) -> Contours | None:
    """Find the contours that end at a hole and go on beyond it, and draw them through.

    Args:
        colour: (3, H, W) float32 in 0..1.
        unknown: (H, W), True in the hole.
        fill: (3, H, W) float32, what is in the hole by now; straight lines that it shows are left as they
            are. None: nothing is.
        lacking: (h, w) float32 of any size, which share of the picture's detail the fill lacks; contours but
            straight lines are drawn only where that is much. None: everywhere.
        repeated: (h, w) float32 of any size, 0 to 1, how sure it is that the fill shows what repeats in the
            picture; straight lines are drawn only where that is little. None: nothing repeats.
        progress: asked between steps whether to go on.
        source: (H, W), True where the picture may be copied from: contours come from there alone. None:
            wherever it is known.

    Returns:
        None where there are none.

    Raises:
        FillCancelled: `progress` said so.
    """
    image, hole, factor = torch.from_numpy(colour)[None], torch.from_numpy(unknown)[None, None].float(), 1
    while max(image.shape[2:]) > SIDE:
        image, hole, factor = downsample2(image), downsample_mask(hole), 2 * factor
    small: Mask = hole[0, 0].numpy() > 0
    shown = torch.where(hole > 0, harmonic_fill(image, hole), image)[0]
    gradients = Gradients.of(shown)
    distance = distance_to(small, LONGEST)
    distance[np.isinf(distance)] = LONGEST
    progress.check()
    lines = find_lines(shown.numpy(), small, distance, gradients)
    progress.check()
    before, joined = (None, []) if lines is None else lines
    ends = find_ends(shown.numpy(), small, distance, gradients, before)
    if ends is None:
        return None
    if fill is not None and joined:
        painted = torch.from_numpy(fill)[None]
        for _ in range(factor.bit_length() - 1):
            painted = downsample2(painted)
        theirs = Gradients.of(torch.where(hole > 0, painted, image)[0])
        joined = [one for one in joined if not _is_drawn(one, ends, theirs)]
    if repeated is not None:
        joined = [one for one in joined if _mean_along(one, repeated, small.shape) < REPEATS]
    connections = pair_ends(ends, joined, small, distance, gradients)
    if lacking is not None:
        others = connections[len(joined) :]
        connections[len(joined) :] = [
            one for one in others if _mean_along(one, lacking, small.shape) >= LEAST_LACKING
        ]
    if source is not None:
        connections = [
            one
            for one in connections
            if all(_is_inside(ends.paths[end][: ends.lengths[end] + 1], source, factor) for end in one.ends)
        ]
    if not connections:
        return None
    picture, cover = paint_strips(colour, unknown, ends, connections, factor, progress)
    return Contours(picture=picture, cover=cover)


def _mean_along(connection: Connection, values: Floats, shape: tuple[int, ...]) -> float:
    """The mean of (h, w), which is of any size, along a connection in a picture of this height and width."""
    scale = np.array(values.shape) / np.array(shape)
    return float(sample(values[None], (connection.curve + 0.5) * scale - 0.5).mean())


def _is_drawn(connection: Connection, ends: ContourEnds, gradients: Gradients) -> bool:
    """Whether a straight line is in a picture of these gradients."""
    direction = connection.curve[-1] - connection.curve[0]
    normal = left_of(direction / max(float(np.linalg.norm(direction)), 1e-6))
    tried = connection.curve[:, None] + np.array((-1, 0, 1), np.float32)[None, :, None] * normal
    strength, across = edge_of(*gradients.at(tried))
    like = strength >= LIKE * ends.strengths[list(connection.ends)].min()
    return bool((like & (np.abs(across @ normal) >= ALONG)).any(axis=1).mean() >= THERE)


def _is_inside(path: Reals, source: Mask, factor: int) -> bool:
    """Whether a path, (P, 2) at 1 / `factor` of the size, is where the picture may be copied from."""
    places = (path + 0.5) * factor - 0.5
    return bool((sample(source[None].astype(np.float32), places) > 0.5).all())
