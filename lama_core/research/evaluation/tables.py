"""Figures as Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from lama_core.research.evaluation.evaluate import ORIGINAL, Result, Table

#: What a column is called, which figure it has, and how that is written.
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("hole L1", "hole_l1", ".1f"),
    ("PSNR", "psnr", ".1f"),
    ("SSIM", "ssim", ".3f"),
    ("features", "feature_distance", ".3f"),
    ("step", "boundary_step", ".2f"),
    ("grain", "grain_ratio", ".2f"),
)


def full_table(table: Table, *, seconds: bool = False) -> str:
    """A row for each kind of hole and method, a column for each figure.

    Args:
        table: the results.
        seconds: whether to say how long fills took.
    """
    several = list(next(iter(table.values())).values())
    columns = list(COLUMNS) + [(name, name, ".3f") for name in several[0].learned]
    if seconds:
        columns.append(("seconds", "seconds", ".2f"))
    rows = [
        [kind, method, *(figure(result.figures().get(name), form) for _, name, form in columns)]
        for kind, row in table.items()
        for method, result in row.items()
    ]
    return markdown(["holes", "method", *(title for title, _, _ in columns)], rows)


def brief_table(table: Table) -> str:
    """A table with a row for each kind of hole and a column for each method.

    Hole L1 / PSNR / feature distance, and what learned metrics there are after them.
    """
    names = [name for name in next(iter(table.values())) if name != ORIGINAL]
    rows = [[kind, *(_cell(row[name]) for name in names)] for kind, row in table.items()]
    return markdown(["holes", *names], rows)


def one_figure(table: Table, of: Callable[[Result], float], form: str) -> str:
    """A row for each kind of hole, a column for each method, and one figure in each cell."""
    names = list(next(iter(table.values())))
    rows = [[kind, *(figure(of(row[name]), form) for name in names)] for kind, row in table.items()]
    return markdown(["holes", *names], rows)


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def figure(value: float | None, form: str) -> str:
    """A figure for a cell: a dash for none, and for what is without bounds."""
    return "–" if value is None or not math.isfinite(value) else format(value, form)


def plain(table: Table) -> dict[str, dict[str, Mapping[str, float | None]]]:
    """The figures for JSON, which knows neither infinity nor what is no number: None there."""
    return {
        kind: {
            name: {key: value if math.isfinite(value) else None for key, value in result.figures().items()}
            for name, result in row.items()
        }
        for kind, row in table.items()
    }


def _cell(result: Result) -> str:
    one = result.score
    figures = [f"{one.hole_l1:.1f}", f"{one.psnr:.1f}", f"{one.feature_distance:.3f}"]
    return " / ".join(figures + [f"{value:.3f}" for value in result.learned.values()])
