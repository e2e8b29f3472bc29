"""Windows at half their size, rounded up."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def halved(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, ceil(H/2), ceil(W/2)) by means of what there is."""
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def halved_hole(hole: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, ceil(H/2), ceil(W/2)) by maxima: one pixel of a hole makes a coarse pixel
    one, so that nothing of a hole's colour counts as known.
    """
    return F.max_pool2d(hole, 2, ceil_mode=True)
