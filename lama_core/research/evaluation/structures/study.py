"""The measurement of structures behind docs/quality.md."""

from __future__ import annotations

from lama_core.research.evaluation.experiments import Bench
from lama_core.research.evaluation.knowing import knowing_methods
from lama_core.research.evaluation.methods import baselines, model_methods
from lama_core.research.evaluation.structures.report import brief_structures_table, means_table
from lama_core.research.evaluation.structures.scenes import StructureSet
from lama_core.research.evaluation.structures.score import score_structures


def structures(bench: Bench) -> str:
    """Whether fills continue what scenes show: all figures over all scenes, and the continuation by kind."""
    methods = baselines() | model_methods(bench.generator, bench.name)
    data = StructureSet.make(size=bench.small, most=bench.some(0.38))
    scores = score_structures(data, methods)
    by_kind = f"F1 of the edges / features, by kind of scene:\n\n{brief_structures_table(scores)}"
    return f"{data.remark}.\n\n{means_table(scores)}\n\n{by_kind}"


def knowing(bench: Bench) -> str:
    """What fills make of predictions that are right, in large pictures."""
    data = StructureSet.make(size=bench.large, most=bench.some(0.24))
    return f"{data.remark}.\n\n{means_table(score_structures(data, knowing_methods()))}"
