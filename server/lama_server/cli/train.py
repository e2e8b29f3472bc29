"""`lama-fill train`: train a generator on a folder of photos, or go on with a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from lama_core.errors import LamaFillError

SAVE_EVERY = 500


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a model on a folder of photos",
        description="Train a generator. The run's folder gets last.pt (with which the same command goes on), "
        "model.safetensors, log.jsonl and curve.png.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="photos to learn from")
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--config", choices=("compact", "lama-fourier", "big-lama"), default="compact", help="what to train"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="steps in all (default: 20000)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or xpu (default: cpu)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train until the last step; what is there when interrupted can be resumed."""
    try:
        from lama_core.training.curve import draw_curve
        from lama_core.training.data import Photos
        from lama_core.training.trainer import Trainer
    except ModuleNotFoundError as error:
        raise LamaFillError(f"{error.name} is missing: pip install 'lama-fill[train]'") from error
    from rich.console import Console
    from rich.progress import Progress

    from lama_core.training.config import TrainingConfig

    if args.steps is not None and args.steps < 1:
        raise LamaFillError(f"--steps must be 1 or more, not {args.steps}")
    photos = Photos(args.data)
    last = args.folder / "last.pt"
    if last.exists():
        trainer = Trainer.resume(last, device=args.device, steps=args.steps)
    else:
        trainer = Trainer(TrainingConfig.named(args.config, steps=args.steps), device=args.device)

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("training", total=trainer.config.steps, completed=trainer.steps_done)

        def note(step: int, losses: dict[str, float]) -> None:
            shown = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
            progress.update(task, completed=step, description=shown)

        trainer.run(photos, args.folder, save_every=SAVE_EVERY, on_step=note)
    model = args.folder / "model.safetensors"
    draw_curve(args.folder / "log.jsonl", args.folder / "curve.png")
    print(f"{model} is ready: lama-fill models import {model} --name NAME")
    return 0
