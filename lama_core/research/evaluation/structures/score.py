"""What fills of the scenes are worth, kind by kind of scene and method by method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lama_core.research.evaluation.evaluate import ORIGINAL, Comparison, compare
from lama_core.research.evaluation.methods import Method
from lama_core.research.evaluation.metrics import Score, mean_score
from lama_core.research.evaluation.structures.continuation import Continuation, Structure
from lama_core.research.evaluation.structures.copies import is_copied
from lama_core.research.evaluation.structures.scenes import StructureSet
from lama_core.research.networks.perceptual import PerceptualNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class FillScore:
    """What one fill of a scene is worth.

    Attributes:
        score: how far it is from the truth.
        continuation: of the edges that cross the hole; None where none do.
        copied: whether a thing was copied into the hole; None where there is no thing.
        seconds: how long it took.
    """

    score: Score
    continuation: Continuation | None
    copied: bool | None
    seconds: float


Scores = Mapping[str, Mapping[str, Sequence[FillScore]]]
"""By kind of scene and method."""


def score_structures(
    data: StructureSet,
    methods: Mapping[str, Method],
    *,
    on_comparison: Callable[[Comparison], None] = lambda _comparison: None,
    features: bool = True,
) -> dict[str, dict[str, list[FillScore]]]:
    """Fill every scene with every method.

    Args:
        data: the scenes.
        methods: what to compare, in the order of the table; the scene itself comes last.
        on_comparison: called with every single comparison, for progress and contact sheets.
        features: whether to work out feature distances, which takes most of the time.

    Returns:
        By kind of scene, method and scene.
    """
    network = PerceptualNetwork.pretrained() if features else None
    scores: dict[str, dict[str, list[FillScore]]] = {}
    for kind in data.kinds:
        scores[kind] = {name: [] for name in (*methods, ORIGINAL)}
        for scene in data.cases(kind):
            comparison = compare(scene, methods, network)
            structure = Structure(scene.clean, scene.hole)
            for name, filled in {**comparison.fills, ORIGINAL: scene.photo}.items():
                scores[kind][name].append(
                    FillScore(
                        score=comparison.scores[name],
                        continuation=structure.judge(filled),
                        copied=is_copied(scene.things, filled, scene.hole) if scene.things else None,
                        seconds=comparison.seconds[name],
                    )
                )
            on_comparison(comparison)
    return scores


def score(
    fill: Method, *, size: int | None = None, pictures: int | None = None, features: bool = True
) -> dict[str, float | None]:
    """The means of one way to fill over the set.

    Args:
        fill: from a picture (H, W, 3) uint8 and a hole (H, W) bool to a picture like the first.
        size: of both sides of the scenes, pixels; None: 512.
        pictures: so many scenes at most, of all kinds in turn; None: all.
        features: whether to work out feature distances, which takes most of the time.

    Returns:
        Figures by name, as of `means`.

    Raises:
        EvaluationError: the size is too small.
    """
    data = StructureSet.make(size=size, most=pictures)
    scores = score_structures(data, {"fill": fill}, features=features)
    return means([one for row in scores.values() for one in row["fill"]])


def means(several: Sequence[FillScore]) -> dict[str, float | None]:
    """The mean of each figure, by name, over the fills that have it; None where none has."""
    edges = [one.continuation for one in several if one.continuation is not None]
    copied = [one.copied for one in several if one.copied is not None]
    figures: dict[str, float | None] = dict(asdict(mean_score([one.score for one in several])))
    for name in ("f1", "broken", "invented"):
        figures[name] = float(np.mean([getattr(one, name) for one in edges])) if edges else None
    figures["copied"] = float(np.mean(copied)) if copied else None
    figures["seconds"] = float(np.mean([one.seconds for one in several]))
    return figures
