"""Connected regions of a mask, labelled by runs.

A run is an unbroken stretch of True in one row. Runs of neighbouring rows that touch are joined by
union-find, done for all runs at once: a mask of 4K has some thousands of runs where it has millions of
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lama_core.image.pixels import Mask

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """The runs of a mask from the top left, and which region each belongs to.

    `row`, `start` and `end` (the first column behind it) are of each run; `region` is its region, 0 to
    `count` - 1.
    """

    row: Indices
    start: Indices
    end: Indices
    region: Indices
    count: int
    shape: tuple[int, int]

    def areas(self) -> Indices:
        """Pixels of each region."""
        pixels = np.bincount(self.region, weights=self.end - self.start, minlength=self.count)
        return pixels.astype(np.intp)

    def touching_border(self) -> Mask:
        """Whether each region reaches a border of the mask."""
        height, width = self.shape
        at_border = (self.row == 0) | (self.row == height - 1) | (self.start == 0) | (self.end == width)
        touching = np.zeros(self.count, np.bool_)
        touching[self.region[at_border]] = True
        return touching

    def paint(self, regions: Mask) -> Mask:
        """(H, W), True in the pixels of those regions that are True in `regions` (one value for each)."""
        height, width = self.shape
        chosen = regions[self.region]
        # +1 where a run begins and -1 behind it: the running sum is 1 inside.
        edges = np.zeros(height * (width + 1), np.int8)
        line = self.row[chosen] * (width + 1)
        edges[line + self.start[chosen]] = 1
        edges[line + self.end[chosen]] = -1
        inside: Mask = np.cumsum(edges, dtype=np.int8).view(np.bool_).reshape(height, width + 1)[:, :width]
        return inside


def label_regions(mask: Mask, connectivity: Literal[4, 8]) -> Regions:
    """The connected regions of True in a mask (H, W); with connectivity 8 corners connect too."""
    height, width = mask.shape
    stride = width + 1  # one column of False ends every row, so that no run goes on in the next
    flat = np.zeros(height * stride + 1, np.bool_)
    flat[1:].reshape(height, stride)[:, :width] = mask
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    start, end = edges[0::2], edges[1::2]

    # The runs of the next row that touch run i are those from first[i] up to last[i].
    outward = connectivity == 8
    first = np.searchsorted(end, start + stride, side="left" if outward else "right")
    last = np.searchsorted(start, end + stride, side="right" if outward else "left")
    touching = np.maximum(last - first, 0)
    above = np.repeat(np.arange(start.size), touching)
    nth = np.arange(above.size) - np.repeat(np.cumsum(touching) - touching, touching)
    root = _unite(start.size, above, first[above] + nth)

    roots, region = np.unique(root, return_inverse=True)
    row = start // stride
    return Regions(
        row=row,
        start=start - row * stride,
        end=end - row * stride,
        region=region,
        count=roots.size,
        shape=(height, width),
    )


def _unite(count: int, one: Indices, other: Indices) -> Indices:
    """Union-find of `count` elements by the pairs one[i], other[i]: the smallest of each one's set."""
    root = np.arange(count)
    while one.size:
        low, high = np.minimum(root[one], root[other]), np.maximum(root[one], root[other])
        np.minimum.at(root, high, low)
        while True:  # every element to the root of its root, until nothing moves
            further = root[root]
            if np.array_equal(further, root):
                break
            root = further
        apart = root[one] != root[other]
        one, other = one[apart], other[apart]
    return root
