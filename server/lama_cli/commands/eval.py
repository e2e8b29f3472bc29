"""`lama-fill eval`: what a model's fills are worth, beside methods without a network."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lama_cli.commands.eval_structures import STRUCTURES, evaluate_structures
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.research.evaluation.dataset import CaseSet
    from lama_core.research.evaluation.evaluate import Comparison

SETS = ("periodic", "grainy", "clean")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `eval` to the command line."""
    parser = commands.add_parser(
        "eval",
        help="compare a model's fills with OpenCV's on a folder of photos",
        description="Fill holes in pictures and say how far the fills are from the truth, and what traces "
        "they leave: mean absolute difference in the hole (of 255), PSNR in the hole (dB), structural "
        "similarity, feature distance, the step across the hole's boundary and the grain in the hole (both "
        "as multiples of what is around it).",
    )
    parser.add_argument(
        "folder",
        type=Path,
        help="photos; or a folder with photos/ and masks/KIND/, a PNG for each photo; or one of the rendered "
        "sets: " + ", ".join((*SETS, STRUCTURES)),
    )
    parser.add_argument("--model", default="", help="name or path of a model (default: the one fills use)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or xpu (default: cpu)")
    parser.add_argument(
        "--quality",
        default="balanced",
        metavar="NAMES",
        help="with which to fill, with commas: " + "fast, balanced, best (default: balanced); the network "
        "alone, one pass over the whole picture, is always there",
    )
    parser.add_argument(
        "--no-seam", action="store_true", help="also the same without the correction of seams"
    )
    parser.add_argument("--no-grain", action="store_true", help="also the same without matching the grain")
    parser.add_argument(
        "--sizes",
        default="",
        metavar="PIXELS",
        help="short sides to fill at, with commas, such as 512,2048: photos are scaled, rendered sets drawn "
        "(default: photos as they are, rendered sets at 512)",
    )
    parser.add_argument(
        "--kinds",
        default="",
        metavar="NAMES",
        help="of holes, with commas (default: all); of the structures: kinds of scenes",
    )
    parser.add_argument(
        "--pictures", type=int, metavar="N", help="so many pictures at most, spread evenly (default: all)"
    )
    parser.add_argument("--grainy", action="store_true", help="add synthetic grain to every picture first")
    parser.add_argument("--sheet", type=Path, metavar="PICTURE", help="also make a contact sheet")
    parser.add_argument("--page", type=Path, metavar="FILE.html", help="also make a page with sliders")
    parser.add_argument(
        "--sheet-rows",
        type=int,
        default=4,
        metavar="N",
        help="fills of each kind on the sheet and the page (default: 4)",
    )
    parser.add_argument(
        "--metrics",
        default="",
        metavar="NAMES",
        help="also lpips, fid or both, with a comma: needs torchmetrics[image] and their networks' weights",
    )
    parser.add_argument(
        "--brief", action="store_true", help="a small table: hole L1 / PSNR / feature distance in each cell"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the tables, and make the sheet and the page where they are wanted."""
    try:
        from lama_core.research.evaluation.evaluate import evaluate
        from lama_core.research.evaluation.learned import learned_metrics
        from lama_core.research.evaluation.methods import Feature, baselines, model_methods
        from lama_core.research.evaluation.tables import brief_table, full_table, plain
    except ModuleNotFoundError as error:
        raise LamaFillError(f"{error.name} is missing: pip install 'lama-fill[eval]'") from error
    from rich.console import Console
    from rich.progress import Progress

    from lama_core.client.options import QUALITIES
    from lama_core.model.installed.load import load_generator
    from lama_core.model.installed.registry import default_model

    for option, value in (("--sheet-rows", args.sheet_rows), ("--pictures", args.pictures)):
        if value is not None and value < 1:
            raise LamaFillError(f"{option} must be 1 or more, not {value}")
    chosen = _names(args.quality)
    for quality in chosen:
        if quality not in QUALITIES:
            raise LamaFillError(f"--quality is of {', '.join(QUALITIES)}, not {quality!r}")
    sizes = _sizes(args.sizes)
    structures = _is_rendered(args.folder, (STRUCTURES,))
    sets = [] if structures else _sets(args, sizes)
    kinds = () if structures else _kinds(args, sets[0])
    without: list[Feature] = []
    if args.no_seam:
        without.append("seam")
    if args.no_grain:
        without.append("grain")
    learned = {} if structures else learned_metrics(_names(args.metrics))
    model = args.model or default_model()
    generator = load_generator(model, device=args.device)
    qualities = [quality for quality in QUALITIES if quality in chosen]
    methods = baselines() | model_methods(generator, Path(model).stem, qualities=qualities, without=without)
    if structures:
        _show(args, evaluate_structures(args, methods, sizes=sizes, kinds=_names(args.kinds)))
        return 0
    shown: dict[tuple[int, str], list[Comparison]] = {}
    results: list[dict[str, Any]] = []

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("filling", total=sum(data.count for data in sets) * len(kinds))
        for number, data in enumerate(sets):

            def note(comparison: Comparison, number: int = number) -> None:
                progress.advance(task)
                rows = shown.setdefault((number, comparison.case.kind), [])
                if (args.sheet or args.page) and len(rows) < args.sheet_rows:
                    rows.append(comparison)

            table = evaluate(data, methods, on_comparison=note, learned=learned, kinds=kinds)
            if args.json:
                results.append({"pictures": data.remark, "figures": plain(table)})
            else:
                print(f"{data.remark}:\n")
                print((brief_table(table) if args.brief else full_table(table, seconds=True)) + "\n")

    if args.json:
        print(json.dumps(results, indent=2))
    _show(args, [one for several in shown.values() for one in several])
    return 0


def _show(args: argparse.Namespace, rows: Sequence[Comparison]) -> None:
    """Make the sheet and the page where they are wanted."""
    from lama_core.research.evaluation.page import save_page, slider_page
    from lama_core.research.evaluation.sheet import contact_sheet, save_sheet

    try:
        if args.sheet is not None:
            save_sheet(contact_sheet(rows), args.sheet)
        if args.page is not None:
            save_page(slider_page(rows, title=f"LaMa Fill: {args.folder.name}"), args.page)
    except (OSError, ValueError) as error:
        raise LamaFillError(f"the sheet or page cannot be written ({error})") from error


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _sizes(names: str) -> list[int | None]:
    """The sizes that are wanted; None: the set's own."""
    sizes: list[int | None] = []
    for text in _names(names):
        if not text.isdecimal() or int(text) < 16:
            raise LamaFillError(f"--sizes are numbers of pixels from 16 up, with commas, not {text!r}")
        sizes.append(int(text))
    return sizes or [None]


def _is_rendered(folder: Path, sets: Sequence[str]) -> bool:
    """Whether one of these sets is meant; a folder of that name on the disk comes first."""
    return str(folder) in sets and not folder.is_dir()


def _sets(args: argparse.Namespace, sizes: Sequence[int | None]) -> list[CaseSet]:
    """What to evaluate on: one set for each size."""
    from lama_core.research.evaluation.dataset import EvaluationSet
    from lama_core.research.evaluation.grain import WithGrain
    from lama_core.research.evaluation.rendered import RenderedSet

    sets: list[CaseSet] = []
    for size in sizes:
        if _is_rendered(args.folder, SETS):
            data: CaseSet = RenderedSet.make(str(args.folder), size=size, most=args.pictures)
        else:
            data = EvaluationSet.open(args.folder, size=size, most=args.pictures)
        sets.append(WithGrain(data) if args.grainy else data)
    return sets


def _kinds(args: argparse.Namespace, data: CaseSet) -> tuple[str, ...]:
    """The kinds of holes that are wanted, in the set's order."""
    wanted = _names(args.kinds)
    for kind in wanted:
        if kind not in data.kinds:
            raise LamaFillError(f"--kinds are of {', '.join(data.kinds)}, not {kind!r}")
    return tuple(kind for kind in data.kinds if kind in wanted) if wanted else data.kinds
