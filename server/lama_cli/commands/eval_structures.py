"""`lama-fill eval structures`: whether fills continue what rendered scenes show."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.research.evaluation.evaluate import Comparison
    from lama_core.research.evaluation.methods import Method

STRUCTURES = "structures"


def evaluate_structures(
    args: argparse.Namespace,
    methods: Mapping[str, Method],
    *,
    sizes: Sequence[int | None],
    kinds: Sequence[str],
) -> list[Comparison]:
    """Fill the scenes and print the tables.

    Args:
        args: of `lama-fill eval`.
        methods: what to compare.
        sizes: of the scenes, pixels; None: the default one.
        kinds: of scenes; none: all.

    Returns:
        What is to be shown on the sheet and the page.

    Raises:
        LamaFillError: an option is not for these, or has a value that cannot be.
    """
    from rich.console import Console
    from rich.progress import Progress

    from lama_core.research.evaluation.structures.report import (
        brief_structures_table,
        plain_structures,
        structures_table,
    )
    from lama_core.research.evaluation.structures.scenes import StructureSet
    from lama_core.research.evaluation.structures.score import score_structures

    for option, given in (("--metrics", args.metrics), ("--grainy", args.grainy)):
        if given:
            raise LamaFillError(f"{option} is not for the structures: leave it out")
    sets = [StructureSet.make(size=size, most=args.pictures, kinds=kinds) for size in sizes]
    shown: dict[tuple[int, str], list[Comparison]] = {}
    results = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("filling", total=sum(data.count for data in sets))
        for data in sets:

            def note(comparison: Comparison, size: int = data.size) -> None:
                progress.advance(task)
                rows = shown.setdefault((size, comparison.case.kind), [])
                if (args.sheet or args.page) and len(rows) < args.sheet_rows:
                    rows.append(comparison)

            scores = score_structures(data, methods, on_comparison=note)
            if args.json:
                results.append({"pictures": data.remark, "figures": plain_structures(scores)})
            else:
                table = brief_structures_table(scores) if args.brief else structures_table(scores)
                print(f"{data.remark}:\n\n{table}\n")
    if args.json:
        print(json.dumps(results, indent=2))
    return [one for rows in shown.values() for one in rows]
