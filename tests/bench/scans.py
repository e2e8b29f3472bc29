"""Scans with dust, hairs and scratches: what filling all of one takes beside its windows, each by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lama_core.client.options import Quality
from lama_core.fill import FilledRegion, FillOptions, fill, fill_planned, plan_fill
from lama_core.fill.filled_region import composite_all
from lama_core.inference import FastGenerator, load_fast
from lama_core.model.installed import registry
from tests.bench.models import photo
from tests.bench.report import Section
from tests.client.test_tiles import dust, hair, scratches

MP = 10**6

TARGET = 1.5
"""Times what its windows take."""

SCANS = (
    ("10000 x 10000, a hair from corner to corner", lambda: hair(10000)),
    ("10000 x 10000, six scratches from edge to edge", lambda: scratches(10000)),
    ("8485 x 8485, 4,000 specks", lambda: dust(8485, 4000)),
)

QUALITY: Quality = "fast"
"""In which windows take least, so that all else counts most."""


def main() -> Section:
    """Time every scan with the model that ships."""
    section = Section(
        title="Scans",
        note=f"Seconds of processor time in the quality `{QUALITY}`, with the model that ships. The whole "
        "fill is planned, filled and blended in; of the windows alone each is cut out and filled as a "
        "picture of its own, between those of the whole fill.",
        columns=("scan", "windows", "of MP", "planning", "whole fill", "windows alone"),
    )
    generator = load_fast(registry.find_model(registry.default_model()).path)
    for name, mask_of in SCANS:
        mask = mask_of()
        picture = np.tile(photo(1000, 1000), (-(-len(mask) // 1000), -(-len(mask) // 1000), 1))
        picture = np.ascontiguousarray(picture[: len(mask), : len(mask)])
        _time(section, name, picture, mask, generator)
    return section


def _time(
    section: Section, name: str, picture: np.ndarray, mask: np.ndarray, generator: FastGenerator
) -> None:
    options = FillOptions(quality=QUALITY)
    alone = 0.0

    begin = time.process_time()
    plan = plan_fill(picture, mask, options)
    planning = time.process_time() - begin

    def regions() -> Iterator[FilledRegion]:
        nonlocal alone
        for window, region in zip(plan.windows, fill_planned(plan, generator), strict=True):
            began = time.process_time()
            rect = window.rect
            part = picture[rect.y : rect.bottom, rect.x : rect.right]
            own = replace(options, context="whole", grow=window.grow, feather=window.feather)
            fill(part, plan.mask.window(rect), generator, own)
            alone += time.process_time() - began
            yield region

    composite_all(picture, plan.windows, regions())
    whole = time.process_time() - begin - alone
    pixels = sum(window.rect.area for window in plan.windows)
    section.row(name, len(plan.windows), pixels / MP, planning, whole, alone)
    section.figure(f"{name}: times its windows", whole / alone, "", target=TARGET)
