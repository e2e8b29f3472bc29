"""The figures of the structures as Markdown, and for JSON."""

from __future__ import annotations

import math

from lama_core.research.evaluation.structures.score import Scores, means
from lama_core.research.evaluation.tables import figure, markdown

Figures = dict[str, dict[str, dict[str, float | None]]]
"""By kind of scene, method and name."""

ALL = "all"
"""The row of the means over all scenes."""

COLUMNS = (
    ("F1", "f1", ".2f"),
    ("broken", "broken", ".2f"),
    ("invented", "invented", ".2f"),
    ("copied", "copied", ".0%"),
    ("hole L1", "hole_l1", ".1f"),
    ("features", "feature_distance", ".3f"),
    ("step", "boundary_step", ".2f"),
    ("grain", "grain_ratio", ".2f"),
    ("seconds", "seconds", ".2f"),
)
"""What a column is called, which figure it has, and how that is written."""


def figures_of(scores: Scores) -> Figures:
    """Means by kind of scene and method, those over all scenes last."""
    table = {kind: {name: means(several) for name, several in row.items()} for kind, row in scores.items()}
    names = next(iter(scores.values()))
    table[ALL] = {name: means([one for row in scores.values() for one in row[name]]) for name in names}
    return table


def structures_table(scores: Scores) -> str:
    """A row for each kind of scene and method, a column for each figure."""
    rows = [
        [kind, method, *(figure(figures[name], form) for _, name, form in COLUMNS)]
        for kind, row in figures_of(scores).items()
        for method, figures in row.items()
    ]
    return markdown(["scenes", "method", *(title for title, _, _ in COLUMNS)], rows)


def means_table(scores: Scores) -> str:
    """A row for each method, a column for each figure but the time: the means over all scenes."""
    columns = [column for column in COLUMNS if column[1] != "seconds"]
    rows = [
        [method, *(figure(figures[name], form) for _, name, form in columns)]
        for method, figures in figures_of(scores)[ALL].items()
    ]
    return markdown(["method", *(title for title, _, _ in columns)], rows)


def brief_structures_table(scores: Scores) -> str:
    """A row for each kind of scene, a column for each method: F1 / feature distance in each cell."""
    table = figures_of(scores)
    names = list(table[ALL])
    rows = [
        [
            kind,
            *(
                f"{figure(row[name]['f1'], '.2f')} / {figure(row[name]['feature_distance'], '.3f')}"
                for name in names
            ),
        ]
        for kind, row in table.items()
    ]
    return markdown(["scenes", *names], rows)


def plain_structures(scores: Scores) -> Figures:
    """The figures for JSON, which knows no infinity: None there."""
    return {
        kind: {
            method: {
                name: value if value is not None and math.isfinite(value) else None
                for name, value in figures.items()
            }
            for method, figures in row.items()
        }
        for kind, row in figures_of(scores).items()
    }
