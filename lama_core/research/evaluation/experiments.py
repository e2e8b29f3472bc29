"""The measurements behind docs/quality.md: each answers one question with one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lama_core.client.options import QUALITIES
from lama_core.fill import FillOptions, plan_fill
from lama_core.model.predictor import Predict
from lama_core.research.evaluation.artifact_metrics import flat_grain_ratio
from lama_core.research.evaluation.dataset import CaseSet, EvaluationSet
from lama_core.research.evaluation.evaluate import ORIGINAL, Comparison, Result, Table, evaluate
from lama_core.research.evaluation.grain import WithGrain
from lama_core.research.evaluation.methods import (
    ALONE,
    PRODUCT,
    Method,
    baselines,
    model_methods,
    with_options,
)
from lama_core.research.evaluation.rendered import RenderedSet
from lama_core.research.evaluation.tables import figure, full_table, markdown

WITHIN = 0.15
"""Grain that is off by at most this share counts as matched."""

CONTEXTS: Sequence[int | str] = (32, 64, 128, 192, "auto", "whole")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What studies run with.

    Attributes:
        generator: the model.
        name: of the model.
        photos: a folder of photos to evaluate on.
        small, large: short sides, pixels, that stand for a small and for a large picture.
        most: pictures that the largest studies take at most; the slower ones take a share of it.
    """

    generator: Predict
    name: str
    photos: Path
    small: int = 512
    large: int = 2048
    most: int = 34

    def some(self, share: float) -> int:
        """A share of `most`, at least one."""
        return max(1, round(self.most * share))

    def of_photos(self, *, size: int, share: float = 1.0) -> EvaluationSet:
        """Photos at a size."""
        return EvaluationSet.open(self.photos, size=size, most=self.some(share))

    def rendered(self, recipe: str, *, size: int, share: float = 1.0) -> RenderedSet:
        """A rendered set at a size."""
        return RenderedSet.make(recipe, size=size, most=self.some(share))


def photos_small(bench: Bench) -> str:
    """Photos at the size that models are trained at: every figure of every method."""
    methods = baselines() | model_methods(bench.generator, bench.name)
    return _measured(bench.of_photos(size=bench.small), methods)


def photos_large(bench: Bench) -> str:
    """The same photos enlarged: how methods cope with holes of many pixels."""
    methods = baselines() | model_methods(bench.generator, bench.name, qualities=QUALITIES)
    data = bench.of_photos(size=bench.large, share=0.3)
    return _measured(data, methods, kinds=("object",), times=True)


def qualities(bench: Bench) -> str:
    """What each quality gains and costs where all of the picture fits the network."""
    methods = model_methods(bench.generator, bench.name, qualities=QUALITIES)
    return _measured(bench.of_photos(size=bench.small), methods, kinds=("thick", "object"), times=True)


def periodic_small(bench: Bench) -> str:
    """Periodic structures, small."""
    methods = baselines() | model_methods(bench.generator, bench.name)
    data = bench.rendered("periodic", size=bench.small, share=0.24)
    return _measured(data, methods, kinds=("thick", "object"))


def periodic_large(bench: Bench) -> str:
    """Periodic structures at native resolution: real detail in large pictures."""
    methods = baselines() | model_methods(bench.generator, bench.name, qualities=QUALITIES)
    data = bench.rendered("periodic", size=bench.large, share=0.24)
    return _measured(data, methods, kinds=("object",), times=True)


def context(bench: Bench) -> str:
    """How much of its surroundings the network has to see, in pictures of twice the small size."""
    size = 2 * bench.small
    plain = replace(ALONE, context="auto")
    options: Mapping[str, FillOptions] = {
        _context_name(choice): replace(plain, context=choice)  # type: ignore[arg-type]
        for choice in CONTEXTS
    }
    methods = {name: with_options(bench.generator, chosen) for name, chosen in options.items()}
    rows = []
    for data in (
        bench.of_photos(size=size, share=0.3),
        bench.rendered("periodic", size=size, share=0.24),
    ):
        table = evaluate(data, methods, on_comparison=_ignore, kinds=("object",))["object"]
        cases = list(data.cases("object"))
        for name, chosen in options.items():
            seen = [
                sum(window.rect.area for window in plan_fill(case.photo, case.hole, chosen).windows)
                for case in cases
            ]
            score = table[name].score
            pictures = "photos, enlarged" if isinstance(data, EvaluationSet) else "periodic, rendered"
            rows.append(
                [
                    pictures,
                    name,
                    f"{np.mean(seen) / 1e6:.2f}",
                    f"{score.hole_l1:.1f}",
                    f"{score.feature_distance:.4f}",
                ]
            )
    return markdown(["pictures", "context", "megapixels seen", "hole L1", "features"], rows)


def seams(bench: Bench) -> str:
    """The step across the hole's boundary with and without the correction, feathered and not."""
    methods = {
        "alone": with_options(bench.generator, ALONE),
        "alone, seam corrected": with_options(bench.generator, replace(ALONE, seam=True)),
        "default, no seam": with_options(bench.generator, replace(PRODUCT, seam=False)),
        "default": with_options(bench.generator, PRODUCT),
    }
    rows = []
    for title, data in (
        ("photos", bench.of_photos(size=bench.small, share=0.24)),
        ("drawings", bench.rendered("clean", size=bench.small, share=0.18)),
    ):
        table = evaluate(
            data, methods, on_comparison=_ignore, kinds=("thin", "thick", "object"), features=False
        )
        for kind, row in table.items():
            cells = [
                f"{result.score.boundary_step:.2f} / {result.score.hole_l1:.1f}" for result in row.values()
            ]
            rows.append([title, kind, *cells])
    return markdown(["pictures", "holes", *methods, ORIGINAL], rows)


def grain(bench: Bench) -> str:
    """The grain in the hole with and without matching it: everywhere, and where it is flattest."""
    methods = {
        "alone": with_options(bench.generator, ALONE),
        "default, no grain": with_options(bench.generator, replace(PRODUCT, grain=False)),
        "default": with_options(bench.generator, PRODUCT),
    }
    rows = []
    sets: tuple[tuple[str, CaseSet], ...] = (
        ("soft scenes, grain", bench.rendered("grainy", size=bench.small, share=0.36)),
        ("photos, grain added", WithGrain(bench.of_photos(size=bench.small, share=0.5))),
        ("photos as they are", bench.of_photos(size=bench.small, share=0.5)),
        ("drawings, no grain", bench.rendered("clean", size=bench.small, share=0.18)),
    )
    for title, data in sets:
        flat: dict[tuple[str, str], list[float]] = {}

        def note(one: Comparison, flat: dict[tuple[str, str], list[float]] = flat) -> None:
            for name, filled in {**one.fills, ORIGINAL: one.case.photo}.items():
                ratio = flat_grain_ratio(filled, one.case.hole)
                flat.setdefault((one.case.kind, name), []).append(ratio)

        table = evaluate(data, methods, on_comparison=note, kinds=("thick", "object"), features=False)
        for kind, row in table.items():
            cells = [_grain_cell(result, flat[kind, name]) for name, result in row.items()]
            rows.append([title, kind, *cells])
    return markdown(["pictures", "holes", *methods, ORIGINAL], rows)


def _grain_cell(result: Result, flat: Sequence[float]) -> str:
    """The mean ratios, and the share of pictures where the second is 1, within 15 %."""
    near = [abs(ratio - 1) <= WITHIN for ratio in flat]
    return f"{result.score.grain_ratio:.2f} / {np.exp(np.mean(np.log(flat))):.2f} ({np.mean(near):.0%})"


def _context_name(choice: int | str) -> str:
    return f"{choice} pixels" if isinstance(choice, int) else str(choice)


def _measured(
    data: CaseSet, methods: Mapping[str, Method], *, kinds: tuple[str, ...] | None = None, times: bool = False
) -> str:
    """The remark on the pictures, and the full table."""
    if kinds is not None:
        kinds = tuple(kind for kind in data.kinds if kind in kinds)
    table = evaluate(data, methods, on_comparison=_ignore, kinds=kinds)
    text = f"{data.remark[0].upper()}{data.remark[1:]}.\n\n{full_table(table)}"
    return f"{text}\n\n{_times(table)}" if times else text


def _times(table: Table) -> str:
    """How long each method takes, as a multiple of the network alone."""
    rows = []
    for kind, row in table.items():
        alone = next(result.seconds for name, result in row.items() if name.endswith(" alone"))
        rows.append(
            [kind, *(figure(one.seconds / alone, ".2f") for name, one in row.items() if name != ORIGINAL)]
        )
    names = [name for name in next(iter(table.values())) if name != ORIGINAL]
    return "Time, as a multiple of the network alone:\n\n" + markdown(["holes", *names], rows)


def _ignore(_comparison: object) -> None:
    """Studies show no progress."""
