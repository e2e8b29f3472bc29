"""All rows, what came of them, and the page that says so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults import (
    access,
    editors,
    installing,
    load,
    models,
    pictures,
    processes,
    protocol,
    sharing,
    soak,
    starts,
    supply,
)
from tests.faults.row import Row, Section

_TRIED = (
    access,
    protocol,
    load,
    processes,
    starts,
    models,
    pictures,
    editors,
    soak,
    supply,
    installing,
    sharing,
)
SECTIONS: tuple[Section, ...] = tuple(module.SECTION for module in _TRIED)
ROWS: tuple[Row, ...] = tuple(row for section in SECTIONS for row in section.rows)

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.md"

_BEGIN = """# Reliability

What is done to LaMa Fill on purpose, how often, and what came of it. `make test` runs a short form of every
row; `python -m tests.faults` runs them too and writes this page, with `--soak` it runs the long forms. The
counts are those that were run. A figure may not be larger than its limit.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a row. `count`: how often it was really done."""

    count: int
    figure: float
    remark: str
    seconds: float
    date: str


def read_results() -> dict[str, Result]:
    """What is known, by the names of rows."""
    if not RESULTS.exists():
        return {}
    known = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {name: Result(**values) for name, values in known.items()}


def write_results(results: dict[str, Result]) -> None:
    """Keep what is known, and write the page anew."""
    known = {row.name: asdict(results[row.name]) for row in ROWS if row.name in results}
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")


def page(results: dict[str, Result]) -> str:
    """The page, in Markdown."""
    parts = [_BEGIN]
    for section in SECTIONS:
        parts += [
            f"\n## {section.number}. {section.title}\n\n",
            "| what | what is done | count | figure | limit |\n|---|---|---:|---|---:|\n",
            *(_line(row, results.get(row.name)) for row in section.rows),
            f"\n![{section.title}](images/{section.picture})\n" if section.picture else "",
        ]
    return "".join(parts)


def _line(row: Row, result: Result | None) -> str:
    if result is None:
        return f"| {row.what} | {row.done} | 0 | not measured yet | {row.limit:g} |\n"
    remark = f"; {result.remark}" if result.remark else ""
    figure = f"{result.figure:.4g} {row.figure}{remark}"
    return f"| {row.what} | {row.done} | {result.count:,} | {figure} | {row.limit:g} |\n"
