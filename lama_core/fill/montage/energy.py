"""What a montage pays for: sources that do not belong, painters that blur, seams that show.

Label 0 is the picture itself, and known pixels alone have it; then come the painters, then the offsets.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lama_core.fill.common.filters import gaussian_blur
from lama_core.fill.common.scale import Pieces, Scale
from lama_core.fill.montage.cut import Numbers
from lama_core.fill.montage.expansion import NEVER, UNKNOWN, Bytes, Energy
from lama_core.image.mask_ops import distance_to
from lama_core.image.pixels import Mask

#: How much differences of slope count beside those of colour, where seams are measured.
SLOPES = 2.0

#: What a pixel costs at the coarsest scale that a painter made, the network and the patches, where it has
#: none of the picture's detail, and where it has all of it. Seams cost squares of differences, of 255.
SOFT_COSTS = (2000, 1000)
SHARP_COSTS = (0, 1000)
#: With less of the detail lacking than the first share a painter has all of it, with the second none.
SHARP, SOFT = 0.15, 0.35

#: What is asked of the network is its picture without what is smaller than this, in pixels of the coarsest
#: scale.
GUIDE_BLUR = 3.0

#: How much the guide counts deep in the hole, in 1/64; at which distance from the hole's edge it counts
#: twice as much; and how far from it is deep: pixels of the coarsest scale. The squared error of the compact
#: model's predictions, smoothed, is 1000 d^2 / (d^2 + 8^2), of 255^2, d pixels from the edge.
GUIDE_WEIGHT = 6.0
GUIDE_NEAR = 8.0
GUIDE_DEEP = 32

#: Who says where to copy from wants that, whatever the network asks for: then the guide counts this share,
#: and what painters made costs so much more.
INSISTED_GUIDE = 0.1
INSISTED_COST = 20_000

#: A source that looks like nothing else in the picture, a thing, costs so much for each multiple of the
#: middling difference to the nearest one, beyond the first.
RARITY_COST = 100
RARITY_FREE = 1.5
MOST_RARE = 4.5


def labels_of(steps: Numbers, painters: int) -> Numbers:
    """(1 + painters + K, 4), for `Energy`: of painters and pieces, and of offsets, (K, 2)."""
    labels = np.zeros((1 + painters + len(steps), 4), np.int32)
    labels[1 : 1 + painters, 0] = np.arange(1, 1 + painters)
    labels[1 + painters :, 1:3] = steps
    return labels


def coarsest_energy(
    scale: Scale,
    pieces: Pieces | None,
    labels: Numbers,
    rarity: Tensor,
    lacking: Tensor,
    *,
    insisted: bool = False,
) -> Energy:
    """With the guide, and what rare sources cost.

    Args:
        scale: the coarsest.
        pieces: what repetitions show there.
        labels: (K, 4).
        rarity: (H, W), as `rarity_of` has it.
        lacking: (N, H, W), as `lacking_detail` has it.
        insisted: whether somebody said where to copy from.
    """
    unknown: Mask = scale.unknown.numpy()
    features = _features(scale, pieces, GUIDE_BLUR)
    costs = _costs(scale, pieces, lacking)
    if insisted:
        costs[1 : 1 + len(scale.painted)] += INSISTED_COST
    rare = (rarity.clamp(RARITY_FREE, MOST_RARE) - RARITY_FREE).mul_(RARITY_COST).int().numpy()
    costs[0] += np.where(costs[0] == 0, rare, 0)
    distance = distance_to(~unknown, GUIDE_DEEP)  # infinite where it is deeper
    weight = (
        GUIDE_WEIGHT
        * (INSISTED_GUIDE if insisted else 1.0)
        * (1 + np.square(GUIDE_NEAR / np.maximum(distance, 1)))
    )
    guide = np.empty((*unknown.shape, 4), np.uint8)
    guide[..., :3] = features[1, ..., 5:]
    guide[..., 3] = weight.round().clip(0, 255)
    return Energy(features=features, costs=costs, labels=labels, guide=guide)


def finer_energy(scale: Scale, pieces: Pieces | None, labels: Numbers, lacking: Tensor) -> Energy:
    """Without a guide, and with all sources alike; arguments as of `coarsest_energy`."""
    return Energy(
        features=_features(scale, pieces, 0),
        costs=_costs(scale, pieces, lacking),
        labels=labels,
        guide=np.zeros((*scale.unknown.shape, 4), np.uint8),
    )


def _costs(scale: Scale, pieces: Pieces | None, lacking: Tensor) -> Numbers:
    """(1 + N + M, H, W): which pixels are there to use, and what those cost that painters and pieces show."""
    painters = len(scale.painted)
    count = 0 if pieces is None else len(pieces.costs)
    costs = np.zeros((1 + painters + count, *scale.unknown.shape), np.int32)
    costs[0][~scale.allowed.numpy()] = NEVER
    costs[0][scale.unknown.numpy()] = UNKNOWN
    share = ((lacking - SHARP) / (SOFT - SHARP)).clamp(0, 1)[None]
    if share.shape[2:] != scale.unknown.shape:
        share = F.interpolate(share, scale.unknown.shape, mode="bilinear", align_corners=False)
    for painter, soft, sharp in zip(range(len(lacking)), SOFT_COSTS, SHARP_COSTS, strict=False):
        costs[1 + painter] = (share[0, painter] * (soft - sharp) + sharp).int().numpy()
    if pieces is not None:
        costs[1 + painters :] = pieces.costs.clamp(max=NEVER).int().numpy()
        costs[1 + painters :][~pieces.seen.numpy()] = UNKNOWN
    return costs


def _features(scale: Scale, pieces: Pieces | None, blur: float) -> Bytes:
    """The features of the picture, of each painter's and of each piece: (1 + N + M, H, W, 8).

    The picture's own has the network's in the hole, which nothing shows but slopes at its edge.
    """
    painted = [_features_of(image, blur) for image in scale.painted]
    shown = [] if pieces is None else [_features_of(image, blur) for image in pieces.pictures]
    return torch.stack((painted[0], *painted, *shown)).numpy()


def _features_of(image: Tensor, blur: float) -> Tensor:
    """(3, H, W) to (H, W, 8): colours, slopes of brightness, smooth colours."""
    light = image.mean(dim=0)
    slopes = torch.zeros(2, *light.shape)
    slopes[0, :, :-1] = light[:, 1:] - light[:, :-1]
    slopes[1, :-1] = light[1:] - light[:-1]
    smooth = gaussian_blur(image, blur) if blur else torch.zeros_like(image)
    features = torch.cat((image, slopes.mul_(SLOPES / 2).add_(0.5), smooth))
    return features.mul_(255).round_().clamp_(0, 255).byte().permute(1, 2, 0).contiguous()
