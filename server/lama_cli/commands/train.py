"""`lama-fill train`: train a generator on a folder of photos, or go on with a run."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.model import Generator
    from lama_core.research.training.ablation import AblationGenerator
    from lama_core.research.training.distributed import DistributedContext
    from lama_core.research.training.trainer import Trainer

SAVE_EVERY = 500


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train` to the command line."""
    parser = commands.add_parser(
        "train",
        help="train a model on a folder of photos",
        description="Train a generator. The run's folder gets last.pt (with which the same command goes on), "
        "model.safetensors, log.jsonl, curve.png and samples.jpg.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="photos to learn from")
    parser.add_argument("--run", dest="folder", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--config", choices=("compact", "lama-fourier", "big-lama"), default="compact", help="what to train"
    )
    parser.add_argument(
        "--from", dest="start", metavar="MODEL", help="begin with a model's weights: a name or a path"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="steps in all (default: 20000)")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting, such as rate=3e-4, sizes=256,512 or generator.width=32; may be repeated",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps or xpu (default: cpu)")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="save and end after so many minutes, to go on later"
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that cut crops (default: one a core; 0 on the CPU)",
    )
    parser.add_argument(
        "--save-every", type=int, default=SAVE_EVERY, metavar="N", help=f"steps (default: {SAVE_EVERY})"
    )
    parser.add_argument(
        "--part-mib", type=int, metavar="N", help="keep the run's state in files of at most so many MiB"
    )
    parser.add_argument(
        "--compact-state",
        "--light",
        action="store_true",
        help="keep the state in a third of the bytes, not to the bit",
    )
    parser.add_argument(
        "--channels-last",
        action=argparse.BooleanOptionalAction,
        help="keep the channels of a pixel together: faster on some GPUs (default: on the CPU)",
    )
    parser.add_argument(
        "--perceptual",
        type=Path,
        metavar="FILE",
        help="encoder_epoch_20.pth of ade20k-resnet50dilated-ppm_deepsup, for the paper's perceptual loss",
    )
    parser.add_argument("--tensorboard", action="store_true", help="also write events for TensorBoard")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train until the last step; what is there when interrupted can be resumed."""
    try:
        from lama_core.research.training.curve import draw_curve
        from lama_core.research.training.data import Photos
        from lama_core.research.training.samples import draw_samples
    except ModuleNotFoundError as error:
        raise LamaFillError(f"{error.name} is missing: pip install 'lama-fill[train]'") from error
    from rich.console import Console
    from rich.progress import Progress

    from lama_core.research.training.distributed import DistributedContext
    from lama_core.research.training.loop import RunOptions, train

    for name in ("steps", "save_every", "part_mib"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise LamaFillError(f"--{name.replace('_', '-')} must be 1 or more, not {value}")
    if args.workers is not None and args.workers < 0:
        raise LamaFillError(f"--workers must be 0 or more, not {args.workers}")
    if args.minutes is not None and not args.minutes > 0:
        raise LamaFillError(f"--minutes must be more than 0, not {args.minutes:g}")
    photos = Photos(args.data)
    context = DistributedContext.from_environment(args.device)
    trainer = _trainer(args, context)
    workers = args.workers
    if workers is None:
        workers = 0 if context.device.type == "cpu" else (os.cpu_count() or 1)
    scalars = _tensorboard(args.folder) if args.tensorboard and context.first else None

    def saved(trainer: Trainer) -> None:
        draw_curve(args.folder / "log.jsonl", args.folder / "curve.png")
        draw_samples(trainer, photos, args.folder / "samples.jpg")

    with Progress(console=Console(stderr=True), disable=not context.first) as progress:
        task = progress.add_task("training", total=trainer.config.steps, completed=trainer.steps_done)

        def note(step: int, losses: dict[str, float]) -> None:
            shown = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
            progress.update(task, completed=step, description=shown)
            if scalars is not None:
                scalars(step, losses)

        options = RunOptions(
            save_every=args.save_every,
            minutes=args.minutes,
            workers=workers,
            part_bytes=None if args.part_mib is None else args.part_mib << 20,
            compact=args.compact_state,
        )
        done = train(trainer, photos, args.folder, options, on_step=note, on_save=saved)
    context.close()
    if context.first:
        model = args.folder / "model.safetensors"
        if done:
            say(f"{model} is ready: lama-fill models import {model} --name NAME")
        else:
            say(f"{trainer.steps_done} of {trainer.config.steps} steps are done: the same command goes on")
    return 0


def _trainer(args: argparse.Namespace, context: DistributedContext) -> Trainer:
    """The run that is in the folder, or a new one."""
    import torch

    from lama_core.model.installed.load import load_generator
    from lama_core.model.installed.registry import resolve
    from lama_core.research.networks.resnet import DilatedResNet50
    from lama_core.research.training.ablation import load_ablation
    from lama_core.research.training.checkpoints import resume_trainer
    from lama_core.research.training.config import TrainingConfig
    from lama_core.research.training.state_files import find_state
    from lama_core.research.training.trainer import Trainer

    if context.device.type == "cuda":
        # What is left in single precision may use the tensor cores' 19 bits: no loss needs more.
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    settings = {}
    for setting in args.settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise LamaFillError(f"--set {setting}: write it as NAME=VALUE")
        settings[name] = value
    perceptual = None if args.perceptual is None else DilatedResNet50.load(args.perceptual)
    if find_state(args.folder):
        if args.start is not None:
            raise LamaFillError(f"{args.folder} holds a run already: --from begins one in a new folder")
        return resume_trainer(
            args.folder,
            steps=args.steps,
            settings=settings,
            perceptual=perceptual,
            context=context,
            channels_last=args.channels_last,
        )
    config = TrainingConfig.named(
        args.config, steps=args.steps, perceptual_network="small" if perceptual is None else "resnet50"
    ).with_settings(settings)
    generator: Generator | AblationGenerator | None = None
    if args.start is not None and any(name.startswith("generator.") for name in settings):
        raise LamaFillError("--from brings its own generator: leave --set generator.NAME out")
    if args.start is not None:
        ours = config.architecture == "ffc"
        generator = load_generator(args.start) if ours else load_ablation(resolve(args.start))
        config = replace(config, generator=generator.config)
    return Trainer(
        config,
        generator=generator,
        perceptual=perceptual,
        context=context,
        channels_last=args.channels_last,
    )


def _tensorboard(folder: Path) -> Callable[[int, dict[str, float]], None]:
    """What writes losses for TensorBoard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError as error:
        raise LamaFillError("tensorboard is missing: pip install tensorboard") from error
    writer = SummaryWriter(str(folder))

    def write(step: int, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            writer.add_scalar(name, value, step)

    return write
