"""Saving a trainer, and the same trainer again from what was saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lama_core.model import GeneratorConfig
from lama_core.model.checkpoint import read_generator
from lama_core.research.networks.perceptual import FeatureNetwork
from lama_core.research.training.ablation import load_ablation, write_generator
from lama_core.research.training.compact_state import compact_optimizer, compact_weights, expand_optimizer
from lama_core.research.training.config import TrainingConfig
from lama_core.research.training.distributed import DistributedContext
from lama_core.research.training.state_files import StateError, find_state, read_state, write_state
from lama_core.research.training.trainer import Trainer, TrainingError

MODEL = "model.safetensors"
"""The averaged generator in a run's folder: the model."""

_FORMER_SETTINGS = {"judged": "loss_on"}
"""Settings of older runs by the names that they had."""


def save_trainer(
    trainer: Trainer, folder: Path, *, part_bytes: int | None = None, compact: bool = False
) -> None:
    """Write everything that going on takes; the old state stays whole until the new one is.

    Args:
        trainer: to be saved.
        folder: of the run.
        part_bytes: no file is larger than this; None: one file.
        compact: whether in a third of the bytes, as close as 16-bit numbers are, and without the average,
            which the model beside it holds.

    Raises:
        StateError: it cannot be written.
    """
    weights = compact_weights if compact else dict
    moments = compact_optimizer if compact else dict
    state: dict[str, Any] = {
        "config": asdict(trainer.config),
        "steps_done": trainer.steps_done,
        "generator": weights(trainer.generator.state_dict()),
        "optimizer": moments(trainer.optimizer.state_dict()),
        "scaler": trainer.scaler.state_dict(),
    }
    if not compact:  # else it is what `save_model` writes
        state["average"] = trainer.ema.state_dict()
    if trainer.discriminator is not None:
        state |= {
            "discriminator": weights(trainer.discriminator.state_dict()),
            "discriminator_optimizer": moments(trainer.discriminator_optimizer.state_dict()),
            "discriminator_scaler": trainer.discriminator_scaler.state_dict(),
        }
    write_state(state, folder, step=trainer.steps_done, part_bytes=part_bytes)


def save_model(trainer: Trainer, path: Path, *, photos: int) -> None:
    """Write the averaged generator as a model that can be imported.

    Args:
        trainer: whose average is written.
        path: of the safetensors file.
        photos: how many the run learns from; the model's origin tells it.

    Raises:
        SaveError: the file cannot be written.
    """
    origin = f"lama-fill train: {trainer.steps_done} steps on {photos} photos"
    write_generator(trainer.ema, path, origin=origin)


def resume_trainer(
    path: Path,
    *,
    device: str = "cpu",
    steps: int | None = None,
    settings: Mapping[str, str] | None = None,
    perceptual: FeatureNetwork | None = None,
    context: DistributedContext | None = None,
    channels_last: bool | None = None,
) -> Trainer:
    """The trainer as it was saved.

    Args:
        path: a run's folder, or its `last.pt`.
        device: where to go on.
        steps: a new number of steps in all.
        settings: others to change, as `TrainingConfig.with_settings` takes them.
        perceptual: as for a new run.
        context: as for a new run; the number of processes may be another than it was.
        channels_last: as for a new run.

    Returns:
        The trainer, at the step after the last one that was saved.

    Raises:
        StateError: it is not a saved run.
        ConfigError: a setting cannot be changed so.
        TrainingError: the generator of a run cannot be changed.
    """
    paths = find_state(path) if path.is_dir() else (path,)
    if not paths:
        raise StateError(f"{path} holds no run that can be resumed")
    state = read_state(paths)
    try:
        kept = {_FORMER_SETTINGS.get(name, name): value for name, value in state["config"].items()}
        config = TrainingConfig(**kept | {"generator": GeneratorConfig(**kept["generator"])})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _not_a_run(paths[0]) from error
    config = config.with_settings(settings or {})
    if config.generator != GeneratorConfig(**kept["generator"]):
        raise TrainingError("the generator of a run cannot be changed: begin a new one with --from")
    if steps is not None:
        config = replace(config, steps=steps)
    trainer = Trainer(
        config, device=device, perceptual=perceptual, context=context, channels_last=channels_last
    )
    try:
        _load(trainer, state)
        _load_ema(trainer, state, paths[0].with_name(MODEL))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _not_a_run(paths[0]) from error
    return trainer


def _load(trainer: Trainer, state: Mapping[str, Any]) -> None:
    trainer.generator.load_state_dict(state["generator"])
    trainer.optimizer.load_state_dict(expand_optimizer(state["optimizer"]))
    # A run of another precision, or one begun before there were scalers, has none to go on with.
    if trainer.scaler.is_enabled() and state.get("scaler"):
        trainer.scaler.load_state_dict(state["scaler"])
    # A discriminator may be added to a run that had none.
    if trainer.discriminator is not None and "discriminator" in state:
        trainer.discriminator.load_state_dict(state["discriminator"])
        trainer.discriminator_optimizer.load_state_dict(expand_optimizer(state["discriminator_optimizer"]))
        if trainer.discriminator_scaler.is_enabled() and state["discriminator_scaler"]:
            trainer.discriminator_scaler.load_state_dict(state["discriminator_scaler"])
    trainer.steps_done = int(state["steps_done"])


def _load_ema(trainer: Trainer, state: Mapping[str, Any], model: Path) -> None:
    if "average" in state:
        trainer.ema.load_state_dict(state["average"])
    elif model.is_file():
        ours = trainer.config.architecture == "ffc"
        saved = read_generator(model) if ours else load_ablation(model)
        trainer.ema.load_state_dict(saved.state_dict())
    else:
        # It will be what it was within a thousand steps.
        trainer.ema.load_state_dict(trainer.generator.state_dict())


def _not_a_run(path: Path) -> StateError:
    return StateError(f"{path} is not a run that can be resumed: remove it to start anew")
