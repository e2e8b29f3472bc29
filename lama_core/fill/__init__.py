"""Filling a hole in a picture: what to look at, the prediction for each window, and the blend.

What is named here is imported when it is first asked for: planning a fill needs numpy alone, and the command
line plans fills that a server then makes, without loading torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lama_core.client.options import FillOptions
    from lama_core.fill.common.errors import FillCancelled, FillError, PredictionError
    from lama_core.fill.common.progress import Preview, Progress
    from lama_core.fill.filled_region import FilledRegion, composite
    from lama_core.fill.plan import FillPlan, plan_fill
    from lama_core.fill.run import fill, fill_planned, fill_region, fill_windows

__all__ = [
    "FillCancelled",
    "FillError",
    "FillOptions",
    "FillPlan",
    "FilledRegion",
    "PredictionError",
    "Preview",
    "Progress",
    "composite",
    "fill",
    "fill_planned",
    "fill_region",
    "fill_windows",
    "plan_fill",
]

_HOMES = {
    "FillCancelled": "lama_core.fill.common.errors",
    "FillError": "lama_core.fill.common.errors",
    "FillOptions": "lama_core.client.options",
    "FillPlan": "lama_core.fill.plan",
    "FilledRegion": "lama_core.fill.filled_region",
    "PredictionError": "lama_core.fill.common.errors",
    "Preview": "lama_core.fill.common.progress",
    "Progress": "lama_core.fill.common.progress",
    "composite": "lama_core.fill.filled_region",
    "fill": "lama_core.fill.run",
    "fill_planned": "lama_core.fill.run",
    "fill_region": "lama_core.fill.run",
    "fill_windows": "lama_core.fill.run",
    "plan_fill": "lama_core.fill.plan",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
