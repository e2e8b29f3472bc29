"""A model's fills against those of methods without a network, kind of hole by kind of hole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np

from lama_core.evaluation.baselines import push_pull_fill, telea
from lama_core.evaluation.dataset import Case, EvaluationSet
from lama_core.evaluation.learned import LearnedMetric
from lama_core.evaluation.metrics import Hole, Picture, Score, mean_score, score
from lama_core.evaluation.perceptual import PerceptualNetwork
from lama_core.fill import FillOptions, fill
from lama_core.model import Generator

Method = Callable[[Picture, Hole], Picture]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The fills of all methods for one case, and what they are worth."""

    case: Case
    fills: Mapping[str, Picture]
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a method's fills of all photos are worth."""

    score: Score
    """The means."""
    learned: Mapping[str, float]
    """By name, what metrics with networks of their own say of them."""

    def figures(self) -> dict[str, float]:
        """All of them by name."""
        return {**asdict(self.score), **self.learned}


def methods(generator: Generator, name: str) -> dict[str, Method]:
    """The methods that are compared: push-pull, Telea, and the model under its name.

    The model fills exactly the given hole from the whole picture, so that its figures are the network's own.
    """
    exactly = FillOptions(context="whole", grow=0, feather=0)

    def model(photo: Picture, hole: Hole) -> Picture:
        return np.asarray(fill(photo, hole, generator, exactly), np.uint8)

    return {"push-pull": push_pull_fill, "OpenCV Telea": telea, name: model}


def compare(case: Case, all_methods: Mapping[str, Method], network: PerceptualNetwork) -> Comparison:
    """Fill one case with every method."""
    fills = {name: method(case.photo, case.hole) for name, method in all_methods.items()}
    scores = {name: score(filled, case.photo, case.hole, network) for name, filled in fills.items()}
    return Comparison(case=case, fills=fills, scores=scores)


def evaluate(
    data: EvaluationSet,
    all_methods: Mapping[str, Method],
    *,
    on_comparison: Callable[[Comparison], None],
    learned: Mapping[str, LearnedMetric] = MappingProxyType({}),
) -> dict[str, dict[str, Result]]:
    """Mean scores by kind of hole and method.

    Args:
        data: the photos and holes.
        all_methods: what to compare, in the order of the table.
        on_comparison: called with every single comparison, for progress and contact sheets.
        learned: metrics by name that come with their own networks.

    Raises:
        EvaluationError: a file cannot be used.
    """
    network = PerceptualNetwork.pretrained()
    table: dict[str, dict[str, Result]] = {}
    for kind in data.kinds:
        scores: dict[str, list[Score]] = {name: [] for name in all_methods}
        for case in data.cases(kind):
            comparison = compare(case, all_methods, network)
            for name, one in comparison.scores.items():
                scores[name].append(one)
                for metric in learned.values():
                    metric.add(name, comparison.fills[name], case.photo)
            on_comparison(comparison)
        of_sets = {name: metric.take() for name, metric in learned.items()}
        table[kind] = {
            method: Result(
                score=mean_score(several),
                learned={name: values[method] for name, values in of_sets.items()},
            )
            for method, several in scores.items()
        }
    return table


def markdown(table: Mapping[str, Mapping[str, Result]]) -> str:
    """The table as Markdown: a row for each kind, hole L1 / PSNR / feature distance for each method, and what
    learned metrics there are after them. Structural similarity tells fills apart too little for a place here.
    """
    names = list(next(iter(table.values())))
    lines = ["| holes | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind, row in table.items():
        cells = [_cell(result) for result in row.values()]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(result: Result) -> str:
    one = result.score
    figures = [f"{one.hole_l1:.1f}", f"{one.psnr:.1f}", f"{one.feature_distance:.3f}"]
    return " / ".join(figures + [f"{value:.3f}" for value in result.learned.values()])
