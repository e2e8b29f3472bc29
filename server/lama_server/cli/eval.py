"""`lama-fill eval`: what a model's fills are worth, beside methods without a network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from lama_core.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.evaluation.evaluate import Comparison


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `eval` to the command line."""
    parser = commands.add_parser(
        "eval",
        help="compare a model's fills with OpenCV's on a folder of photos",
        description="Fill holes in photographs and say how far the fills are from the truth: mean absolute "
        "difference in the hole (of 255) / PSNR in the hole (dB) / feature distance.",
    )
    parser.add_argument(
        "folder", type=Path, help="photos; or a folder with photos/ and masks/KIND/, a PNG for each photo"
    )
    parser.add_argument("--model", default="", help="name or path of a model (default: the one fills use)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or xpu (default: cpu)")
    parser.add_argument("--sheet", type=Path, metavar="PICTURE", help="also make a contact sheet")
    parser.add_argument(
        "--sheet-rows", type=int, default=4, metavar="N", help="fills of each kind on the sheet (default: 4)"
    )
    parser.add_argument(
        "--metrics",
        default="",
        metavar="NAMES",
        help="also lpips, fid or both, with a comma: needs torchmetrics[image] and their networks' weights",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, and make the sheet where one is wanted."""
    try:
        from lama_core.evaluation.dataset import EvaluationSet
        from lama_core.evaluation.evaluate import evaluate, markdown, methods
        from lama_core.evaluation.learned import learned_metrics
        from lama_core.evaluation.sheet import contact_sheet, save_sheet
    except ModuleNotFoundError as error:
        raise LamaFillError(f"{error.name} is missing: pip install 'lama-fill[eval]'") from error
    from rich.console import Console
    from rich.progress import Progress

    from lama_core.model import load_generator
    from lama_core.model.store import default_model

    if args.sheet_rows < 1:
        raise LamaFillError(f"--sheet-rows must be 1 or more, not {args.sheet_rows}")
    data = EvaluationSet.open(args.folder)
    model = args.model or default_model()
    learned = learned_metrics(name for name in args.metrics.split(",") if name)
    generator = load_generator(model, device=args.device)
    shown: dict[str, list[Comparison]] = {}

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("filling", total=len(data.photos) * len(data.kinds))

        def note(comparison: Comparison) -> None:
            progress.advance(task)
            rows = shown.setdefault(comparison.case.kind, [])
            if args.sheet is not None and len(rows) < args.sheet_rows:
                rows.append(comparison)

        table = evaluate(data, methods(generator, Path(model).stem), on_comparison=note, learned=learned)

    if args.json:
        plain = {
            kind: {name: result.figures() for name, result in row.items()} for kind, row in table.items()
        }
        print(json.dumps(plain, indent=2))
    else:
        print(markdown(table))
    if args.sheet is not None:
        try:
            save_sheet(contact_sheet([one for rows in shown.values() for one in rows]), args.sheet)
        except (OSError, ValueError) as error:
            raise LamaFillError(f"the sheet cannot be written to {args.sheet} ({error})") from error
    return 0
