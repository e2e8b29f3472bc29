"""Filling a hole in a picture: what to look at, one call of the network for each window, and the blend."""

from __future__ import annotations

from lama_core.fill.filled_region import FilledRegion, composite
from lama_core.fill.options import Cancelled, FillCancelled, FillError, FillOptions, PredictionError, Progress
from lama_core.fill.run import fill, fill_region, fill_windows, plan_fill

__all__ = [
    "Cancelled",
    "FillCancelled",
    "FillError",
    "FillOptions",
    "FilledRegion",
    "PredictionError",
    "Progress",
    "composite",
    "fill",
    "fill_region",
    "fill_windows",
    "plan_fill",
]
