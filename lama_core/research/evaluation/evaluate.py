"""Fills of several methods, and what each is worth, kind of hole by kind of hole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType

from lama_core.research.evaluation.dataset import Case, CaseSet
from lama_core.research.evaluation.learned import LearnedMetric
from lama_core.research.evaluation.methods import Method
from lama_core.research.evaluation.metrics import Judge, Picture, Score, mean_score
from lama_core.research.networks.perceptual import PerceptualNetwork

ORIGINAL = "original"
"""The picture itself among the methods: what figures that need no truth say of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The fills of all methods for one case.

    With what they are worth (that of the original too), and how long each took, in seconds.
    """

    case: Case
    fills: Mapping[str, Picture]
    scores: Mapping[str, Score]
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a method's fills of all pictures are worth."""

    score: Score
    """The means."""
    scores: tuple[Score, ...] = ()
    """Of each picture."""
    seconds: float = 0.0
    """A fill, on the average."""
    learned: Mapping[str, float] = field(default_factory=dict)
    """By name, what metrics with networks of their own say of them."""

    def figures(self) -> dict[str, float]:
        """All of them by name."""
        return {**asdict(self.score), **self.learned, "seconds": self.seconds}


Table = Mapping[str, Mapping[str, Result]]
"""By kind of hole and method."""


def compare(case: Case, methods: Mapping[str, Method], network: PerceptualNetwork | None) -> Comparison:
    """Fill one case with every method; without a network there is no feature distance."""
    judge = Judge(case.photo, case.hole, network)
    fills, seconds = {}, {ORIGINAL: 0.0}
    for name, method in methods.items():
        begin = time.perf_counter()
        fills[name] = method(case.photo, case.hole)
        seconds[name] = time.perf_counter() - begin
    scores = {name: judge.score(filled) for name, filled in fills.items()}
    scores[ORIGINAL] = judge.original()
    return Comparison(case=case, fills=fills, scores=scores, seconds=seconds)


def evaluate(
    data: CaseSet,
    methods: Mapping[str, Method],
    *,
    on_comparison: Callable[[Comparison], None],
    learned: Mapping[str, LearnedMetric] = MappingProxyType({}),
    kinds: tuple[str, ...] | None = None,
    features: bool = True,
) -> dict[str, dict[str, Result]]:
    """Scores by kind of hole and method, the original itself last.

    Args:
        data: the pictures and holes.
        methods: what to compare, in the order of the table.
        on_comparison: called with every single comparison, for progress and contact sheets.
        learned: metrics by name that come with their own networks.
        kinds: of holes; None: all that there are.
        features: whether to work out feature distances, which takes most of the time.

    Raises:
        EvaluationError: a file cannot be used.
    """
    network = PerceptualNetwork.pretrained() if features else None
    table: dict[str, dict[str, Result]] = {}
    for kind in data.kinds if kinds is None else kinds:
        scores: dict[str, list[Score]] = {name: [] for name in (*methods, ORIGINAL)}
        seconds = dict.fromkeys(scores, 0.0)
        for case in data.cases(kind):
            comparison = compare(case, methods, network)
            for name, one in comparison.scores.items():
                scores[name].append(one)
                seconds[name] += comparison.seconds[name]
            for metric in learned.values():
                for name, filled in comparison.fills.items():
                    metric.add(name, filled, case.photo)
            on_comparison(comparison)
        of_sets = {name: metric.take() for name, metric in learned.items()}
        table[kind] = {
            method: Result(
                score=mean_score(several),
                scores=tuple(several),
                seconds=seconds[method] / len(several),
                learned={name: values[method] for name, values in of_sets.items() if method in values},
            )
            for method, several in scores.items()
        }
    return table
