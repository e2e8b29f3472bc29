"""Which patches of a picture look most like given ones: PatchMatch (Barnes et al., 2009), on torch tensors.

Patches are compared by a short descriptor instead of pixel by pixel: the low coefficients of their discrete
cosine transform, more of them for brightness, where most of a patch's energy is, than for colour. A nearest
neighbour field (NNF) has one source for each target: the index, in row-major order, of the pixel in the
middle of a patch.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.fill.common.filters import box_sum, dilate

REACH = 3
SIDE = 2 * REACH + 1
"""How far a patch reaches from its middle; patches are 7x7 as in the paper."""

BRIGHTNESS_ORDER = 4
COLOUR_ORDER = 1
"""Orders of the cosine transform that are looked at: of brightness, and of the two differences of colour."""

GUIDE_WEIGHTS = (6.0, 12.0, 12.0)
"""Weights of the guide beside the descriptor: of brightness, and of the two differences of colour. A
network that is not sure draws the mean of what may be there, and the hue of that mean is less wrong than
its brightness."""

FAR = 1e4
"""What a patch that is not known as a whole has in its descriptor, so that no search takes it."""

OCCURRENCE_PENALTY = 0.5
"""What one use more than the mean adds to a source's cost, as a share of the median cost."""

MAX_EXHAUSTIVE_SOURCES = 16384
TARGETS_AT_ONCE = 2048
"""The exhaustive search compares each target with at most this many sources, and works on this many
targets at a time."""

RADII = (0.25, 0.06, 0.02)
"""The random search looks this far around what it has, as shares of the picture's longer side."""


COLOURS = F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]]), dim=1)
"""(3, 3), orthonormal: brightness, and the two differences of colour."""


def _basis() -> Tensor:
    middle = torch.arange(SIDE) + 0.5
    waves = [
        torch.cos(math.pi / SIDE * middle * order) * math.sqrt((2 if order else 1) / SIDE)
        for order in range(SIDE)
    ]
    rows = []
    for colour, highest in zip(COLOURS, (BRIGHTNESS_ORDER, COLOUR_ORDER, COLOUR_ORDER), strict=True):
        for down in range(highest + 1):
            for across in range(highest + 1 - down):
                wave = waves[down][:, None] * waves[across][None, :]
                rows.append(colour[:, None, None] * wave)
    return torch.stack(rows)


BASIS = _basis().contiguous(memory_format=torch.channels_last)
"""(K, 3, 7, 7), orthonormal."""


def descriptors(image: Tensor) -> Tensor:
    """(3, H, W), sides of 4 or more, to (H * W, K): what the patch around each pixel looks like."""
    padded = F.pad(image[None], (REACH, REACH, REACH, REACH), mode="reflect")
    # Channels last: twice as fast, and a pixel's coefficients lie beside each other as they are wanted.
    found = F.conv2d(padded.contiguous(memory_format=torch.channels_last), BASIS)[0]
    return found.permute(1, 2, 0).flatten(0, 1).contiguous()


@dataclass(slots=True)
class PatchMatcher:
    """A picture that is being filled by patches of itself, at one scale.

    Attributes:
        image: (3, H, W) float32; what is not known is the present estimate.
        sources: (S,) int64, the patches that are known as a whole.
        targets: (N,) int64, the patches that are not: those that touch the hole.
        hole: (M,) int64, the pixels that are not known.
        is_source: (H * W,) bool.
        source_descriptors: (H * W, K + 3) float32, the sources' descriptors and the guide there; empty where
            nothing is searched.
        occurrence_penalty: (H * W,) float32, what using a source costs beside not looking like the target.
    """

    image: Tensor
    sources: Tensor
    targets: Tensor
    hole: Tensor
    is_source: Tensor
    source_descriptors: Tensor
    occurrence_penalty: Tensor
    _guide: Tensor
    _slots: Tensor
    _beside: tuple[tuple[int, Tensor], ...]
    _crop: tuple[int, int, int, int]

    @classmethod
    def of(
        cls,
        image: Tensor,
        unknown: Tensor,
        guide: Tensor,
        banned: Tensor | None = None,
        *,
        searched: bool = True,
    ) -> PatchMatcher:
        """Look at a picture.

        Args:
            image: (3, H, W) float32 with a first estimate in the hole; it is copied. Sides of 8 or more.
            unknown: (H, W) bool, some of it True.
            guide: (3, H, W) float32, smooth: where two places differ in it they are no match.
            banned: (H, W) bool, what no patch may show; None: nothing.
            searched: whether patches are to be looked for, or only voted with.
        """
        height, width = unknown.shape
        image = image.clone()
        touching = dilate(unknown, REACH)
        inside = torch.zeros_like(unknown)
        inside[REACH : height - REACH, REACH : width - REACH] = True
        if banned is not None and bool(banned.any()):
            inside &= ~dilate(banned, REACH)
        is_source = (inside & ~touching).flatten()
        targets = touching.flatten().nonzero()[:, 0]
        slots = torch.full((height * width,), -1, dtype=torch.int64)
        slots[targets] = torch.arange(len(targets))
        rows, columns = targets // width, targets % width
        beside = []
        for down, across in ((0, -1), (0, 1), (-1, 0), (1, 0)):
            row, column = (rows + down).clamp(0, height - 1), (columns + across).clamp(0, width - 1)
            slot = slots[row * width + column]
            own = torch.arange(len(targets))
            beside.append((down * width + across, torch.where(slot >= 0, slot, own)))
        crop = (
            max(0, int(rows.min()) - SIDE),
            min(height, int(rows.max()) + 1 + SIDE),
            max(0, int(columns.min()) - SIDE),
            min(width, int(columns.max()) + 1 + SIDE),
        )
        guided = guide.flatten(1).T @ (COLOURS.T * torch.tensor(GUIDE_WEIGHTS))
        source_descriptors = torch.empty(0)
        if searched:
            source_descriptors = torch.cat((descriptors(image), guided), dim=1)
            source_descriptors[~is_source] = FAR
        return cls(
            image=image,
            sources=is_source.nonzero()[:, 0],
            targets=targets,
            hole=unknown.flatten().nonzero()[:, 0],
            is_source=is_source,
            source_descriptors=source_descriptors,
            occurrence_penalty=torch.zeros(height * width),
            _guide=guided.index_select(0, targets),
            _slots=slots,
            _beside=tuple(beside),
            _crop=crop,
        )

    def target_descriptors(self) -> Tensor:
        """(N, K + 3): the descriptors of the targets, as the estimate is now."""
        top, bottom, left, right = self._crop
        width = self.image.shape[2]
        rows, columns = self.targets // width - top, self.targets % width - left
        found = descriptors(self.image[:, top:bottom, left:right])
        return torch.cat((found.index_select(0, rows * (right - left) + columns), self._guide), dim=1)

    def costs(self, target_descriptors: Tensor, nnf: Tensor) -> Tensor:
        """(N,): how different each target is from its source, and the penalty of that source."""
        different = (self.source_descriptors.index_select(0, nnf) - target_descriptors).square_().sum(dim=1)
        return different.add_(self.occurrence_penalty.index_select(0, nnf))

    def penalize_occurrence(self, nnf: Tensor, costs: Tensor) -> None:
        """Raise the cost of sources that are used more often than the mean.

        Without this, where the guide has little structure, one patch repeats all over the hole (Kaspar et
        al., 2015, "Self Tuning Texture Optimization", section 4.3).
        """
        height, width = self.image.shape[1:]
        uses = torch.bincount(nnf, minlength=height * width).view(height, width).float()
        uses = F.pad(uses, (REACH, REACH, REACH, REACH))
        around = box_sum(box_sum(uses, SIDE, 0), SIDE, 1).flatten() / SIDE**2  # 1 where a part is copied once
        mean = max(1.0, len(self.targets) / len(self.sources))
        penalty = OCCURRENCE_PENALTY * float(costs.median())
        self.occurrence_penalty = (around / mean - 1).clamp_(min=0) * penalty

    def exhaustive_search(self, target_descriptors: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The best field, and its costs, by comparing every target with every source; for small pictures."""
        among = self.source_descriptors.index_select(0, sources)
        lengths = among.square().sum(dim=1) + self.occurrence_penalty.index_select(0, sources)
        nearest = nearest_by_kernels if kernels.available() else nearest_by_torch
        costs, places = nearest(target_descriptors, among, lengths)
        return sources[places], costs.add_(target_descriptors.square().sum(dim=1)).clamp_(min=0)

    def propagate_and_search(
        self, target_descriptors: Tensor, nnf: Tensor, rng: torch.Generator, radii: tuple[float, ...] = RADII
    ) -> tuple[Tensor, Tensor]:
        """A better field, and its costs.

        For each target the sources of its neighbours, moved on by a pixel, are tried; then random sources
        near the one it has.

        Args:
            target_descriptors: as `target_descriptors()` gives them.
            nnf: (N,) int64, sources.
            rng: for the random search.
            radii: how far the random search reaches, as shares of the longer side.
        """
        height, width = self.image.shape[1:]
        costs = self.costs(target_descriptors, nnf)

        def attempt(candidate: Tensor) -> None:
            nonlocal nnf, costs
            cost = self.costs(target_descriptors, candidate)
            better = cost < costs
            costs = torch.where(better, cost, costs)
            nnf = torch.where(better, candidate, nnf)

        for step, slots in self._beside:
            # A source is at least REACH inside the picture, so one pixel on still is in it.
            moved = nnf.index_select(0, slots) - step
            attempt(torch.where(slots == torch.arange(len(slots)), nnf, moved))
        for radius in radii:
            reach = max(2.0, radius * max(height, width))
            moves = ((torch.rand(2, len(nnf), generator=rng) * 2 - 1) * reach).round().long()
            row = (nnf // width + moves[0]).clamp_(0, height - 1)
            column = (nnf % width + moves[1]).clamp_(0, width - 1)
            attempt(row * width + column)
        return nnf, costs

    def vote(self, nnf: Tensor, costs: Tensor | None) -> None:
        """Set each pixel of the hole to the mean of the patches over it."""
        self.image.view(3, -1)[:, self.hole] = self.voted(self.hole, nnf, costs).T

    def voted(self, where: Tensor, nnf: Tensor, costs: Tensor | None) -> Tensor:
        """The mean of the patches over each of some pixels, better patches with more weight.

        The weights are those of Wexler et al., 2007, "Space-Time Completion of Video".

        Args:
            where: (M,) int64, pixels that targets reach: those of the hole, and those near it.
            nnf: (N,) int64, sources.
            costs: (N,), of the field; None: all patches have the same weight.

        Returns:
            (M, 3).
        """
        if costs is None:
            weights = torch.ones(len(nnf))
        else:
            median = costs[:: max(1, len(costs) // 4096)].median().clamp(min=1e-6)
            weights = torch.exp(-costs / median) + 1e-6
        if kernels.available():
            return self.voted_by_kernels(where, nnf, weights)
        return self.voted_by_torch(where, nnf, weights)

    def voted_by_kernels(self, where: Tensor, nnf: Tensor, weights: Tensor) -> Tensor:
        """As `voted`; `weights` is (N,) float32, of the patches."""
        from lama_fill_kernels import VoteJob

        height, width = self.image.shape[1:]
        colours = F.pad(self.image.flatten(1).T, (0, 1))  # four numbers are one vector
        given = [x.contiguous() for x in (colours, self._slots, nnf, weights, where)]
        means = torch.empty(len(where), 3)
        job = VoteJob(
            height,
            width,
            REACH,
            *(x.data_ptr() for x in given),
            len(where),
            means.data_ptr(),
            0,
        )
        kernels.run("lfk_vote", ctypes.addressof(job), 0)
        return means

    def voted_by_torch(self, where: Tensor, nnf: Tensor, weights: Tensor) -> Tensor:
        """As `voted_by_kernels`."""
        height, width = self.image.shape[1:]
        # Maps with a margin, in which a step in any direction is one addition and needs no bounds.
        wide = width + 2 * REACH
        margin = (REACH, REACH, REACH, REACH)
        middle = REACH * width + REACH
        sources = torch.full((height * width,), middle, dtype=torch.int64)
        sources[self.targets] = nnf
        sources = F.pad(sources.view(height, width), margin, value=middle).flatten()
        weight_map = torch.zeros(height * width)
        weight_map[self.targets] = weights
        weight_map = F.pad(weight_map.view(height, width), margin).flatten()
        place = (where // width + REACH) * wide + where % width + REACH
        colours = self.image.flatten(1).T.contiguous()
        total, weight = torch.zeros(len(where), 3), torch.zeros(len(where), 1)
        for down in range(-REACH, REACH + 1):
            for across in range(-REACH, REACH + 1):
                patch = place - (down * wide + across)
                own = weight_map[patch][:, None]
                colour = colours.index_select(0, sources[patch] + (down * width + across))
                total.addcmul_(colour, own)
                weight += own
        return total / weight

    def upsample_nnf(self, nnf: Tensor, fine: PatchMatcher, rng: torch.Generator) -> Tensor:
        """This field for the same picture at twice the size (an odd side may be one pixel less).

        A target whose source is none at the finer scale gets a random one.
        """
        width, (fine_height, fine_width) = self.image.shape[2], fine.image.shape[1:]
        rows, columns = fine.targets // fine_width, fine.targets % fine_width
        parent = (rows // 2) * width + columns // 2
        slot = self._slots[parent]
        source = torch.where(slot >= 0, nnf[slot.clamp(min=0)], parent)
        row = (2 * (source // width) + rows % 2).clamp_(max=fine_height - 1)
        column = (2 * (source % width) + columns % 2).clamp_(max=fine_width - 1)
        found = row * fine_width + column
        lost = ~fine.is_source[found]
        anywhere = torch.randint(len(fine.sources), (len(found),), generator=rng)
        return torch.where(lost, fine.sources[anywhere], found)


def nearest_by_kernels(targets: Tensor, among: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `nearest_by_torch`; of several that are as near the first."""
    from lama_fill_kernels import NEAREST_PANEL, NearestJob

    isa = kernels.best_isa("fp32")
    assert isa is not None
    room = -len(among) % NEAREST_PANEL
    panels = (
        F.pad(among, (0, 0, 0, room)).view(-1, NEAREST_PANEL, among.shape[1]).transpose(1, 2).contiguous()
    )
    lengths = F.pad(lengths, (0, room), value=math.inf)
    asked = (targets * -2).contiguous()
    costs, places = torch.empty(len(targets)), torch.empty(len(targets), dtype=torch.int64)
    job = NearestJob(
        isa,
        len(lengths),
        among.shape[1],
        *(x.data_ptr() for x in (panels, lengths, asked)),
        len(targets),
        costs.data_ptr(),
        places.data_ptr(),
        0,
    )
    kernels.run("lfk_nearest", ctypes.addressof(job), 0)
    return costs, places


def nearest_by_torch(targets: Tensor, among: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest source to each target.

    Args:
        targets: (N, K).
        among: (S, K).
        lengths: (S,), what each source has beside its products with targets.

    Returns:
        The least of `lengths - 2 * targets @ among.T` for each target, (N,), and its places in `among`, (N,)
        int64.
    """
    found = [
        torch.addmm(lengths[None], some, among.T, alpha=-2).min(dim=1)
        for some in torch.split(targets, TARGETS_AT_ONCE)
    ]
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])
