"""Which patches of a picture look most like given ones: PatchMatch (Barnes et al., 2009), on torch tensors.

Patches are compared by a short descriptor instead of pixel by pixel: the low coefficients of their discrete
cosine transform, more of them for brightness than for colour, where most of a patch's energy is. A field has
one source for each target: the index, in row-major order, of the pixel in the middle of a patch.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core import kernels
from lama_core.fill.filters import dilated, sums

#: How far a patch reaches from its middle; patches are 7x7 as in the paper.
REACH = 3
SIDE = 2 * REACH + 1

#: Orders of the cosine transform that are looked at: of brightness, and of the two differences of colour.
BRIGHTNESS_ORDER = 4
COLOUR_ORDER = 1

#: How much of what a guide says counts beside the descriptor: of brightness, and of the two differences of
#: colour. A network that doubts draws the mean of what it may be, whose hue is less wrong than its light.
GUIDE_WEIGHTS = (6.0, 12.0, 12.0)

#: What a patch that is not known as a whole has in its descriptor, so that no search takes it.
FAR = 1e4

#: What being used once more than is fair adds to a source's cost, as a share of the middling cost.
TIRING = 0.5

#: The exact search looks at so many sources at most.
EXACT_SOURCES = 16384
EXACT_CHUNK = 2048

#: The random search looks this far around what it has, as shares of the picture's longer side.
RADII = (0.25, 0.06, 0.02)


#: (3, 3), orthonormal: brightness, and the two differences of colour.
COLOURS = F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]]), dim=1)


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


#: (K, 3, 7, 7), orthonormal.
BASIS = _basis().contiguous(memory_format=torch.channels_last)


def descriptors(image: Tensor) -> Tensor:
    """(3, H, W), sides of 4 or more, to (H * W, K): what the patch around each pixel looks like."""
    padded = F.pad(image[None], (REACH, REACH, REACH, REACH), mode="reflect")
    # Channels last: twice as fast, and a pixel's coefficients lie beside each other as they are wanted.
    found = F.conv2d(padded.contiguous(memory_format=torch.channels_last), BASIS)[0]
    return found.permute(1, 2, 0).flatten(0, 1).contiguous()


@dataclass(slots=True)
class Canvas:
    """A picture that is being filled by patches of itself, at one scale.

    Attributes:
        image: (3, H, W) float32; what is not known is the present estimate.
        sources: (S,) int64, the patches that are known as a whole.
        targets: (N,) int64, the patches that are not: those that touch the hole.
        hole: (M,) int64, the pixels that are not known.
        is_source: (H * W,) bool.
        described: (H * W, K + 3) float32, the sources' descriptors and what the guide says there; empty where
            nothing is searched.
        wear: (H * W,) float32, what using a source costs beside not looking like the target.
    """

    image: Tensor
    sources: Tensor
    targets: Tensor
    hole: Tensor
    is_source: Tensor
    described: Tensor
    wear: Tensor
    _guide: Tensor
    _slots: Tensor
    _beside: tuple[tuple[int, Tensor], ...]
    _crop: tuple[int, int, int, int]

    @classmethod
    def of(cls, image: Tensor, unknown: Tensor, guide: Tensor, *, searched: bool = True) -> Canvas:
        """Look at a picture.

        Args:
            image: (3, H, W) float32 with a first estimate in the hole; it is copied. Sides of 8 or more.
            unknown: (H, W) bool, some of it True.
            guide: (3, H, W) float32, smooth: where two places differ in it they are no match.
            searched: whether patches are to be looked for, or only voted with.
        """
        height, width = unknown.shape
        image = image.clone()
        touching = dilated(unknown, REACH)
        inside = torch.zeros_like(unknown)
        inside[REACH : height - REACH, REACH : width - REACH] = True
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
        said = guide.flatten(1).T @ (COLOURS.T * torch.tensor(GUIDE_WEIGHTS))
        described = torch.empty(0)
        if searched:
            described = torch.cat((descriptors(image), said), dim=1)
            described[~is_source] = FAR
        return cls(
            image=image,
            sources=is_source.nonzero()[:, 0],
            targets=targets,
            hole=unknown.flatten().nonzero()[:, 0],
            is_source=is_source,
            described=described,
            wear=torch.zeros(height * width),
            _guide=said.index_select(0, targets),
            _slots=slots,
            _beside=tuple(beside),
            _crop=crop,
        )

    def wanted(self) -> Tensor:
        """(N, K + 3): the descriptors of the targets, as the estimate is now."""
        top, bottom, left, right = self._crop
        width = self.image.shape[2]
        rows, columns = self.targets // width - top, self.targets % width - left
        found = descriptors(self.image[:, top:bottom, left:right])
        return torch.cat((found.index_select(0, rows * (right - left) + columns), self._guide), dim=1)

    def costs(self, wanted: Tensor, field: Tensor) -> Tensor:
        """(N,): how different each target is from its source, and how worn that is."""
        unlike = (self.described.index_select(0, field) - wanted).square_().sum(dim=1)
        return unlike.add_(self.wear.index_select(0, field))

    def tire(self, field: Tensor, costs: Tensor) -> None:
        """Make sources dearer that the field uses more often than it has to, or a hole that is guided by
        little becomes a wall paper of one patch (Kaspar et al., 2015, "Self Tuning Texture Optimization",
        section 4.3).
        """
        height, width = self.image.shape[1:]
        uses = torch.bincount(field, minlength=height * width).view(height, width).float()
        uses = F.pad(uses, (REACH, REACH, REACH, REACH))
        around = sums(sums(uses, SIDE, 0), SIDE, 1).flatten() / SIDE**2  # 1 where a part is copied once
        fair = max(1.0, len(self.targets) / len(self.sources))
        self.wear = (around / fair - 1).clamp_(min=0) * (TIRING * float(costs.median()))

    def exact(self, wanted: Tensor, sources: Tensor) -> tuple[Tensor, Tensor]:
        """The best field, and its costs, by comparing everything with everything; for small pictures."""
        among = self.described.index_select(0, sources)
        lengths = among.square().sum(dim=1) + self.wear.index_select(0, sources)
        nearest = nearest_by_kernels if kernels.available() else nearest_by_torch
        costs, places = nearest(wanted, among, lengths)
        return sources[places], costs.add_(wanted.square().sum(dim=1)).clamp_(min=0)

    def improve(
        self, wanted: Tensor, field: Tensor, chance: torch.Generator, radii: tuple[float, ...] = RADII
    ) -> tuple[Tensor, Tensor]:
        """A better field, and its costs: what fits the neighbours is tried, then chance around what is there.

        Args:
            wanted: as `wanted()` gives it.
            field: (N,) int64, sources.
            chance: the only source of it.
            radii: how far chance goes, as shares of the longer side.
        """
        height, width = self.image.shape[1:]
        costs = self.costs(wanted, field)

        def attempt(candidate: Tensor) -> None:
            nonlocal field, costs
            cost = self.costs(wanted, candidate)
            better = cost < costs
            costs = torch.where(better, cost, costs)
            field = torch.where(better, candidate, field)

        for step, slots in self._beside:
            # A source is at least REACH inside the picture, so one pixel on still is in it.
            moved = field.index_select(0, slots) - step
            attempt(torch.where(slots == torch.arange(len(slots)), field, moved))
        for radius in radii:
            reach = max(2.0, radius * max(height, width))
            moves = ((torch.rand(2, len(field), generator=chance) * 2 - 1) * reach).round().long()
            row = (field // width + moves[0]).clamp_(0, height - 1)
            column = (field % width + moves[1]).clamp_(0, width - 1)
            attempt(row * width + column)
        return field, costs

    def vote(self, field: Tensor, costs: Tensor | None) -> None:
        """Set the hole to what the patches over each pixel say of it."""
        self.image.view(3, -1)[:, self.hole] = self.said(self.hole, field, costs).T

    def said(self, where: Tensor, field: Tensor, costs: Tensor | None) -> Tensor:
        """What the patches over pixels say of them, the better ones louder (Wexler et al., 2007, "Space-Time
        Completion of Video").

        Args:
            where: (M,) int64, pixels that targets reach: those of the hole, and those near it.
            field: (N,) int64, sources.
            costs: (N,), of the field; None: all patches are alike.

        Returns:
            (M, 3).
        """
        if costs is None:
            loudness = torch.ones(len(field))
        else:
            middling = costs[:: max(1, len(costs) // 4096)].median().clamp(min=1e-6)
            loudness = torch.exp(-costs / middling) + 1e-6
        if kernels.available():
            return self.said_by_kernels(where, field, loudness)
        return self.said_by_torch(where, field, loudness)

    def said_by_kernels(self, where: Tensor, field: Tensor, loudness: Tensor) -> Tensor:
        """As `said`; `loudness` is (N,) float32, how much each patch counts."""
        from lama_fill_kernels import VoteJob

        height, width = self.image.shape[1:]
        colours = F.pad(self.image.flatten(1).T, (0, 1))  # four numbers are one vector
        given = [x.contiguous() for x in (colours, self._slots, field, loudness, where)]
        said = torch.empty(len(where), 3)
        job = VoteJob(
            height,
            width,
            REACH,
            *(x.data_ptr() for x in given),
            len(where),
            said.data_ptr(),
            0,
        )
        kernels.run("lfk_vote", ctypes.addressof(job), 0)
        return said

    def said_by_torch(self, where: Tensor, field: Tensor, loudness: Tensor) -> Tensor:
        """As `said_by_kernels`."""
        height, width = self.image.shape[1:]
        # Maps with a margin, in which a step in any direction is one addition and needs no bounds.
        wide = width + 2 * REACH
        margin = (REACH, REACH, REACH, REACH)
        middle = REACH * width + REACH
        sources = torch.full((height * width,), middle, dtype=torch.int64)
        sources[self.targets] = field
        sources = F.pad(sources.view(height, width), margin, value=middle).flatten()
        weights = torch.zeros(height * width)
        weights[self.targets] = loudness
        weights = F.pad(weights.view(height, width), margin).flatten()
        place = (where // width + REACH) * wide + where % width + REACH
        colours = self.image.flatten(1).T.contiguous()
        total, weight = torch.zeros(len(where), 3), torch.zeros(len(where), 1)
        for down in range(-REACH, REACH + 1):
            for across in range(-REACH, REACH + 1):
                patch = place - (down * wide + across)
                loud = weights[patch][:, None]
                said = colours.index_select(0, sources[patch] + (down * width + across))
                total.addcmul_(said, loud)
                weight += loud
        return total / weight

    def finer(self, field: Tensor, fine: Canvas, chance: torch.Generator) -> Tensor:
        """This field for the same picture at twice the size (an odd side may be one pixel less)."""
        width, (fine_height, fine_width) = self.image.shape[2], fine.image.shape[1:]
        rows, columns = fine.targets // fine_width, fine.targets % fine_width
        parent = (rows // 2) * width + columns // 2
        slot = self._slots[parent]
        source = torch.where(slot >= 0, field[slot.clamp(min=0)], parent)
        row = (2 * (source // width) + rows % 2).clamp_(max=fine_height - 1)
        column = (2 * (source % width) + columns % 2).clamp_(max=fine_width - 1)
        found = row * fine_width + column
        lost = ~fine.is_source[found]
        anywhere = torch.randint(len(fine.sources), (len(found),), generator=chance)
        return torch.where(lost, fine.sources[anywhere], found)


def nearest_by_kernels(wanted: Tensor, among: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As `nearest_by_torch`; of several that are as near the first."""
    from lama_fill_kernels import NEAREST_PANEL, NearestJob

    isa = kernels.best_isa("fp32")
    assert isa is not None
    room = -len(among) % NEAREST_PANEL
    panels = (
        F.pad(among, (0, 0, 0, room)).view(-1, NEAREST_PANEL, among.shape[1]).transpose(1, 2).contiguous()
    )
    lengths = F.pad(lengths, (0, room), value=math.inf)
    asked = (wanted * -2).contiguous()
    costs, places = torch.empty(len(wanted)), torch.empty(len(wanted), dtype=torch.int64)
    job = NearestJob(
        isa,
        len(lengths),
        among.shape[1],
        *(x.data_ptr() for x in (panels, lengths, asked)),
        len(wanted),
        costs.data_ptr(),
        places.data_ptr(),
        0,
    )
    kernels.run("lfk_nearest", ctypes.addressof(job), 0)
    return costs, places


def nearest_by_torch(wanted: Tensor, among: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest source to each target.

    Args:
        wanted: (N, K).
        among: (S, K).
        lengths: (S,), what each source has beside its products with targets.

    Returns:
        The least of `lengths - 2 * wanted @ among.T` for each target, (N,), and its places in `among`, (N,)
        int64.
    """
    found = [
        torch.addmm(lengths[None], some, among.T, alpha=-2).min(dim=1)
        for some in torch.split(wanted, EXACT_CHUNK)
    ]
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])
