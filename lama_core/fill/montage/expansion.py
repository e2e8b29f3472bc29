"""Which label each pixel takes: alpha expansion, where labels are shifted pictures.

Boykov et al., 2001, "Fast approximate energy minimization via graph cuts"; Kwatra et al., 2003, "Graphcut
textures".

A pixel pays for what it shows, and two beside each other with different labels for how different these labels
are at both. Everything is in integers, so that the kernels and numpy find the same labels.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lama_core import kernels
from lama_core.fill.montage.cut import Numbers, cut_by_numpy
from lama_core.image.pixels import Mask

#: Of a pixel's features so many are what seams are measured in, and the others what a guide is.
SEAM_FEATURES = 5
FEATURES = 8

#: What it costs to use a pixel that is known and must not be used, and one of which nothing is known.
NEVER = 1 << 24
UNKNOWN = NEVER + 1

#: The label of a pixel that is no part of the energy.
UNLABELLED = 0xFFFF

#: What two labels differ by where neither can be seen beside the other.
UNSEEN = SEAM_FEATURES * 32 * 32

Bytes = NDArray[np.uint8]
Labelling = NDArray[np.uint16]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What labels cost; all arrays are contiguous.

    Attributes:
        features: (P, H, W, 8) uint8, of planes that labels show.
        costs: (P, H, W) int32, of using a pixel of a plane, 0 to `UNKNOWN`.
        labels: (K, 4) int32: plane, how far down and across from a pixel is what it shows, and its cost.
        guide: (H, W, 4) uint8: what a pixel's last three features should be, and how much they count, in
            1/64.
    """

    features: Bytes
    costs: Numbers
    labels: Numbers
    guide: Bytes


def expand(energy: Energy, chosen: Labelling, pixels: Numbers, label: int, reach: int = 0) -> int:
    """Have all pixels take a label that are better off with it together.

    Args:
        energy: what labels cost.
        chosen: (H, W), the labels, `UNLABELLED` where a pixel is no part of the energy; changed.
        pixels: (N,) int32, indices of those that may change.
        label: which they may take.
        reach: only pixels that are so few steps from one that has it; 0: all.

    Returns:
        By how much the energy fell, 0 or more.
    """
    by = expand_by_kernels if kernels.available() else expand_by_numpy
    return by(energy, chosen, pixels, label, reach)


def expand_by_kernels(energy: Energy, chosen: Labelling, pixels: Numbers, label: int, reach: int = 0) -> int:
    """As `expand`."""
    from lama_fill_kernels import EXPAND_SCRATCH, ExpandJob, library

    size = 4 * chosen.size + EXPAND_SCRATCH * len(pixels)
    scratch = kernels.scratch(size)[:size].numpy()
    index = scratch[: 4 * chosen.size].view(np.int32)
    index.fill(-1)
    given = (energy.features, energy.costs, energy.labels, chosen, energy.guide, pixels)
    types = (np.uint8, np.int32, np.int32, np.uint16, np.uint8, np.int32)
    for array, kind in zip(given, types, strict=True):
        assert isinstance(array, np.ndarray)
        assert array.dtype == kind
        assert array.flags.c_contiguous
    job = ExpandJob(
        *chosen.shape,
        *(x.ctypes.data for x in given),
        len(pixels),
        label,
        reach,
        index.ctypes.data,
        index.ctypes.data + index.nbytes,
        0,
    )
    library.lfk_expand(ctypes.addressof(job))
    return int(job.gain)


def expand_by_numpy(energy: Energy, chosen: Labelling, pixels: Numbers, label: int, reach: int = 0) -> int:
    """As `expand`."""
    nodes = _nodes(energy, chosen, pixels, label, reach)
    count = len(nodes)
    own = chosen.flat[nodes].astype(np.intp)
    new = np.full_like(own, label)
    index = np.full(chosen.size, -1, np.int32)
    index[nodes] = np.arange(count)
    beside = np.full((count, 4), -1, np.int32)
    capacity = np.zeros((count, 4), np.int32)
    saved = _price(energy, nodes, own) - _price(energy, nodes, new)
    seams = []
    for direction in range(4):
        at, other = _labelled_beside(chosen, nodes, direction)
        beside[at, direction] = index[other]
        theirs = chosen.flat[other].astype(np.intp)
        before = _seam(energy, nodes[at], own[at], other, theirs)
        one = _seam(energy, nodes[at], new[at], other, theirs)
        another = _seam(energy, nodes[at], own[at], other, new[at])
        alone = index[other] < 0
        np.add.at(saved, at[alone], (before - one)[alone])
        if direction in (1, 3):
            both = ~alone
            np.add.at(saved, at[both], (before - one)[both])
            np.add.at(saved, index[other[both]], one[both])
            capacity[index[other[both]], direction ^ 1] = np.maximum(one + another - before, 0)[both]
        seams.append((at, other, before, one, another))
    reached = cut_by_numpy(beside, capacity, saved.astype(np.int32))
    gain = int((_price(energy, nodes, own) - _price(energy, nodes, new))[reached].sum())
    for direction, (at, other, before, one, _) in enumerate(seams):
        too = (index[other] >= 0) & reached[index[other]]
        counted = reached[at] & ~(too & (direction in (0, 2)))
        gain += int((before - np.where(too, 0, one))[counted].sum())
    # Seams are no metric, so the cut may be wrong about two that change together.
    if gain <= 0:
        return 0
    chosen.flat[nodes[reached]] = label
    return gain


def _nodes(energy: Energy, chosen: Labelling, pixels: Numbers, label: int, reach: int) -> Places:
    """The pixels that the label may come to."""
    places: Places = pixels.astype(np.intp)
    places = places[chosen.flat[places] != label]
    places = places[_price(energy, places, np.full(len(places), label)) < NEVER]
    if not reach:
        return places
    near: Mask = chosen == label
    able = np.zeros(chosen.shape, np.bool_)
    able.flat[places] = True
    taken = np.zeros_like(able)
    for _ in range(reach):
        padded = np.pad(near, 1)
        near = able & (padded[1:-1, :-2] | padded[1:-1, 2:] | padded[:-2, 1:-1] | padded[2:, 1:-1])
        taken |= near
    found: Places = places[np.asarray(taken.flat[places], np.bool_)]
    return found


def _labelled_beside(chosen: Labelling, nodes: Places, direction: int) -> tuple[Places, Places]:
    """Which nodes have a labelled pixel left, right, above or below (0 to 3), and which pixel."""
    height, width = chosen.shape
    row, column = nodes // width, nodes % width
    there = (column > 0, column < width - 1, row > 0, row < height - 1)[direction]
    at = np.flatnonzero(there)
    other = nodes[at] + (-1, 1, -width, width)[direction]
    labelled = chosen.flat[other] != UNLABELLED
    return at[labelled], other[labelled]


def _sources(energy: Energy, places: Places, labels: Places) -> tuple[Places, Mask]:
    """Which pixels of all planes are shown, and whether there are such."""
    _, height, width = energy.costs.shape
    plane, down, across = energy.labels[labels, :3].T.astype(np.intp)
    row, column = places // width + down, places % width + across
    there = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return np.where(there, (plane * height + row) * width + column, 0), there


def _price(energy: Energy, places: Places, labels: Places) -> NDArray[np.int64]:
    """What pixels pay for labels, up to `NEVER`."""
    sources, there = _sources(energy, places, labels)
    costs = energy.costs.reshape(-1)[sources]
    guide = energy.guide.reshape(-1, 4)[places].astype(np.int64)
    shown = energy.features.reshape(-1, FEATURES)[sources, SEAM_FEATURES:]
    unlike = np.square(guide[:, :3] - shown).sum(axis=1) * guide[:, 3] // 64
    total: NDArray[np.int64] = np.minimum(costs + energy.labels[labels, 3] + unlike, NEVER)
    total[~there | (costs >= NEVER)] = NEVER
    return total


def _difference(energy: Energy, places: Places, one: Places, other: Places) -> NDArray[np.int64]:
    """How different two labels are at pixels, or -1."""
    (first, is_first), (second, is_second) = (_sources(energy, places, labels) for labels in (one, other))
    costs = energy.costs.reshape(-1)
    known = is_first & is_second & (costs[first] <= NEVER) & (costs[second] <= NEVER)
    features = energy.features.reshape(-1, FEATURES)
    shown, beside = (features[at, :SEAM_FEATURES].astype(np.int64) for at in (first, second))
    return np.where(known, np.square(shown - beside).sum(axis=1), -1)


def _seam(
    energy: Energy, places: Places, labels: Places, beside: Places, others: Places
) -> NDArray[np.int64]:
    """What seams between pixels and those beside them cost."""
    here, there = (_difference(energy, at, labels, others) for at in (places, beside))
    seen = np.where(here < 0, 2 * there, np.where(there < 0, 2 * here, here + there))
    seen[(here < 0) & (there < 0)] = 2 * UNSEEN
    seen[labels == others] = 0
    return seen
