"""A fill that is made of the picture itself, guided by what the network predicts.

Networks see what belongs into a hole and draw it softly; patches of the picture have all of its detail and
grain and no idea where they belong. So the prediction decides the structure, and patches that look like it at
every scale bring the detail (Zhang et al., 2022, "Inpainting at Modern Camera Resolution by Guided PatchMatch
with Auto-Curation"; their curation is a network that was trained for it, `lama_core.fill.fusion` measures).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lama_core.fill.filters import blurred, dilated, halved_hole
from lama_core.fill.options import Cancelled, stop_if
from lama_core.fill.patch_search import EXACT_SOURCES, Canvas
from lama_core.image.mask_ops import around
from lama_core.image.pixels import Floats, Mask
from lama_core.model.prefill import halved, membrane

#: The coarsest scale is the one at which the hole has no more pixels than this ...
COARSEST_HOLE = 1500
#: ... or the picture's shorter side fewer than this.
COARSEST_SIDE = 64
#: Sides of a picture with patches to choose from, pixels.
LEAST_SIDE = 32
#: Fewer patches than this are no choice.
LEAST_SOURCES = 200

#: Rounds of search and vote at the coarsest scale, at the next, at all finer ones.
ROUNDS = (8, 4, 2)

#: In a hole of more pixels than this no search begins: what is known is in slivers.
LARGEST_START = 16 * COARSEST_HOLE

#: Patches come from this far around the hole, pixels.
SURROUNDINGS = 320

#: What a search takes for each pixel, bytes: descriptors, and what they are made of.
BYTES = 320

#: Where the hole has more pixels than this, patches that were found at half the size are taken as they are.
LARGEST_SEARCH = 200_000

#: The guide is the prediction without what is smaller than this, pixels.
GUIDE_BLUR = 8.0


def patch_fill(
    colour: Floats,
    unknown: Mask,
    prediction: Floats,
    *,
    seed: int,
    memory: int,
    progress: Callable[[float], None],
    cancelled: Cancelled | None,
) -> Floats | None:
    """Fill the hole with patches of the known region.

    Args:
        colour: (3, H, W) float32 in 0..1.
        unknown: (H, W), True in the hole.
        prediction: (3, H, W) float32, what the hole should look like, if only roughly.
        seed: another one finds other patches.
        memory: bytes it may take; a scale that needs more is not searched.
        progress: told which fraction of this is done, 0 to 1.
        cancelled: asked between rounds whether to go on.

    Returns:
        (3, H, W) float32, the colours outside of the hole; None where too little is known for patches.

    Raises:
        FillCancelled: `cancelled` said so.
    """
    if min(unknown.shape) < LEAST_SIDE:
        return None
    chance = torch.Generator().manual_seed(seed)
    rows, columns = around(unknown, SURROUNDINGS)
    scales = _pyramid(*(torch.from_numpy(x[..., rows, columns]) for x in (colour, unknown, prediction)))
    done, work = 0.0, sum(4.0**-level for level in range(len(scales)))
    canvas: Canvas | None = None
    field: Tensor | None = None
    costs: Tensor | None = None
    rounds = iter(ROUNDS)
    count = ROUNDS[-1]
    for level in reversed(range(len(scales))):
        stop_if(cancelled)
        pixels = int(scales[level][1].sum())
        if canvas is None and pixels > LARGEST_START:
            return None
        searched = canvas is None or (pixels <= LARGEST_SEARCH and scales[level][1].numel() * BYTES <= memory)
        finer = Canvas.of(*scales[level], searched=searched)
        if canvas is not None or len(finer.sources) >= LEAST_SOURCES:
            count = next(rounds, count) if searched else 0
            field, costs = _settled(finer, canvas, field, count, chance, seed, cancelled)
            canvas = finer
        done += 4.0**-level
        progress(done / work)
    if canvas is None or field is None:
        return None
    filled: Floats = np.where(unknown, np.float32(0), colour)
    seen = unknown[rows, columns]
    filled[..., rows, columns] = _joined(canvas, torch.from_numpy(seen), field, costs).numpy()
    return filled


def _settled(
    canvas: Canvas,
    coarser: Canvas | None,
    field: Tensor | None,
    rounds: int,
    chance: torch.Generator,
    seed: int,
    cancelled: Cancelled | None,
) -> tuple[Tensor, Tensor | None]:
    """Search and vote at one scale so many times, or until nothing changes: the field, and what it costs;
    that is not known where nothing is searched.
    """
    costs: Tensor | None = None
    among = canvas.sources
    if coarser is not None and field is not None:
        field = coarser.finer(field, canvas, chance)
        canvas.vote(field, None)
    elif seed or len(among) > EXACT_SOURCES:
        # Another seed has another half of the patches to choose from, and so finds others.
        few = min(len(among) // 2 if seed else len(among), EXACT_SOURCES)
        among = among[torch.randperm(len(among), generator=chance)[:few]]
    for _ in range(rounds):
        stop_if(cancelled)
        wanted = canvas.wanted()
        if coarser is None or field is None:
            found, costs = canvas.exact(wanted, among)
        else:
            found, costs = canvas.improve(wanted, field, chance)
        same = field is not None and torch.equal(found, field)
        field = found
        canvas.vote(field, costs)
        if same:
            break
        canvas.tire(field, costs)
    assert field is not None
    return field, costs


def _joined(canvas: Canvas, unknown: Tensor, field: Tensor, costs: Tensor | None) -> Tensor:
    """(3, H, W): the canvas without a step at the hole's edge, within the colours of what is known.

    A patch that touches the hole says something of what is known beside it too, and by what it is wrong there
    it is wrong at the hole's edge. Taken out smoothly, that leaves no step, and the patches' detail as it is:
    the seamless cloning of Pérez et al., 2003, "Poisson image editing".
    """
    near = dilated(unknown, 1)
    ring = (near & ~unknown).flatten()
    beside = ring.nonzero()[:, 0]
    flat = canvas.image.flatten(1)
    wrong = torch.zeros_like(flat)
    wrong[:, beside] = flat[:, beside] - canvas.said(beside, field, costs).T
    part = (..., *around(near.numpy(), 0))
    spread = membrane(wrong.view(1, *canvas.image.shape)[part], (~ring).view(1, 1, *near.shape)[part].float())
    known = flat[:, ~unknown.flatten()]
    lowest, highest = (x[:, None, None] for x in (known.amin(dim=1), known.amax(dim=1)))
    joined = canvas.image.clone()
    changed = (joined[part] + spread[0]).clamp(lowest, highest)
    joined[part] = torch.where(unknown[part], changed, joined[part])
    return joined


def _pyramid(colour: Tensor, unknown: Tensor, prediction: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The picture with the prediction in it, the hole and the guide at every scale, the finest first."""
    image = torch.where(unknown, prediction.clamp(0, 1), colour)
    scales = [(image, unknown, blurred(image, GUIDE_BLUR))]
    while True:
        image, unknown, guide = scales[-1]
        if int(unknown.sum()) <= COARSEST_HOLE or min(unknown.shape) < COARSEST_SIDE:
            return scales
        smaller = halved_hole(unknown[None, None].float())[0, 0] > 0
        scales.append((halved(image[None])[0], smaller, halved(guide[None])[0]))
