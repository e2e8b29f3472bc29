"""The training loop: one step is read from top to bottom in `Trainer.step`."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lama_core.client.errors import LamaFillError
from lama_core.model import Generator, GeneratorConfig, load_generator
from lama_core.research.networks.discriminator import Discriminator
from lama_core.research.networks.perceptual import FeatureNetwork, PerceptualNetwork, direction_difference
from lama_core.research.training.ablation import (
    AblationGenerator,
    load_ablation,
    new_generator,
    write_generator,
)
from lama_core.research.training.checkpoints import (
    StateError,
    find_state,
    light_optimizer,
    light_weights,
    read_state,
    whole_optimizer,
    write_state,
)
from lama_core.research.training.config import TrainingConfig
from lama_core.research.training.data import Batch, Photos, batches
from lama_core.research.training.distributed import Network, Processes
from lama_core.research.training.losses import (
    discriminator_loss,
    feature_difference,
    generator_adversarial_loss,
    gradient_penalty,
    region_l1,
    touched_patches,
)

MODEL = "model.safetensors"
GRID = 8
"""Pixels to a cell of the perceptual network's coarsest features."""
LOG_EVERY = 10
"""Steps that a line of the log averages."""
FEATURE_FLOOR = 0.1
"""Features shorter than this count as of this length in the feature distance that is trained with."""

_PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TrainingError(LamaFillError):
    """A run cannot be started, or not go on."""


class Trainer:
    """A generator, its moving average, its adversary, and what it takes to go on from any step.

    The average (EMA) is the model that is kept: it is what one would get by averaging the last thousand
    models, and its fills are steadier than those of any of them. All chance comes from the seed and the
    number of the step, so nothing else must be remembered to go on as if there had been no break.
    """

    def __init__(
        self,
        config: TrainingConfig,
        *,
        device: str = "cpu",
        generator: Generator | AblationGenerator | None = None,
        perceptual: FeatureNetwork | None = None,
        processes: Processes | None = None,
        channels_last: bool = False,
    ) -> None:
        """Begin a run.

        Args:
            config: its settings.
            device: where to compute.
            generator: to begin with, of the config's architecture; None: a new one.
            perceptual: gives the features of the perceptual loss; None: the small network that ships.
            processes: of which this one is one; None: it is alone.
            channels_last: whether maps keep the channels of a pixel together, which suits the half-precision
                convolutions of GPUs. Results differ by rounding alone.

        Raises:
            TrainingError: the perceptual network is another than the config says.
        """
        if (config.perceptual_network == "resnet50") != (perceptual is not None):
            what = "without its weights" if perceptual is None else "of other weights than those given"
            raise TrainingError(f"the perceptual network is {config.perceptual_network}, {what}")
        self.config = config
        self.processes = processes or Processes(device=torch.device(device))
        self.device = self.processes.device
        torch.manual_seed(config.seed)
        if generator is None:
            generator = new_generator(config.architecture, config.generator)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        generator = self._placed(generator)
        self.generator = generator.requires_grad_(True).train()
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.generator = self.processes.with_common_statistics(self.generator)
        self._trained_generator = self.processes.connected(self.generator)
        small = PerceptualNetwork.pretrained() if perceptual is None or config.feature_distance else None
        self._small = None if small is None else self._placed(small)
        self._perceptual = self._small if perceptual is None else self._placed(perceptual)
        self.optimizer = _adam(self.generator, config.rate, config.weight_decay)
        self._scaler = self._new_scaler()
        self.adversary = None
        if config.adversarial:
            discriminator = self._placed(Discriminator(width=config.discriminator_width))
            self.adversary = _Adversary(discriminator, config, self.processes)
        self._adversary_scaler = self._new_scaler()
        self.steps_done = 0

    def _placed(self, network: Network) -> Network:
        # torch's own types do not know that modules take a layout.
        placed: Network = network.to(self.device).to(memory_format=self._layout)  # type: ignore[call-overload]
        return placed

    @property
    def precision(self) -> torch.dtype | None:
        """What layers compute in where it is not float32."""
        return None if self.device.type == "cpu" else _PRECISIONS.get(self.config.precision)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch.

        Nothing here waits for the device: whoever reads the values does.

        Returns:
            Scalars: the value of each loss, and the norm of the generator's gradient.
        """
        config = self.config
        rate = learning_rate(config, self.steps_done)
        image = batch.image.to(self.device, non_blocking=True).float() / 255
        image = image.contiguous(memory_format=self._layout)
        hole = batch.hole.to(self.device, non_blocking=True).float()

        with self._mixed():
            prediction = self._trained_generator(image, hole).float()
        # The fill is what the user sees, so it is what must look right: known pixels come from the picture.
        seen = image + hole * (prediction - image) if config.judged == "fill" else prediction
        # Generator and judges all work on grids of 8 pixels. Were they always aligned, a faint pattern with
        # that period would pass for texture; so the pictures are cut anew each step. What is left has always
        # the same size: libraries choose their ways of computing anew for each one.
        y, x = np.random.default_rng((config.seed, self.steps_done)).integers(0, GRID, 2)
        rows, columns = slice(y, y - GRID), slice(x, x - GRID)
        seen, photo, hole_seen = (p[..., rows, columns] for p in (seen, image, hole))

        losses: dict[str, Tensor] = {}
        values: dict[str, Tensor] = {}
        if self.adversary is not None and self.steps_done >= config.adversarial_from:
            _set_rate(self.adversary.optimizer, rate * config.discriminator_rate / config.rate)
            values |= self._teach_adversary(self.adversary, seen.detach(), photo, hole_seen)
            losses |= self._adversarial_losses(self.adversary, seen, photo)
        if config.hole_l1:
            losses["hole_l1"] = region_l1(prediction, image, hole)
        if config.known_l1:
            losses["known_l1"] = region_l1(prediction, image, 1 - hole)
        losses |= self._perceptual_losses(seen, photo)

        _set_rate(self.optimizer, rate)
        total = torch.stack([getattr(config, name) * loss for name, loss in losses.items()]).sum()
        values["norm"] = _descend(total, self.generator, self.optimizer, self._scaler, config.clip)
        self._update_average()
        self.steps_done += 1
        return {name: value.detach() for name, value in (losses | values).items()}

    def _perceptual_losses(self, seen: Tensor, photo: Tensor) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = {}
        if self.config.perceptual and self._perceptual is not None:
            have, want = self._features(self._perceptual, seen, photo)
            losses["perceptual"] = feature_difference(have, want)
        if self.config.feature_distance and self._small is not None:
            if self._small is not self._perceptual or not self.config.perceptual:
                have, want = self._features(self._small, seen, photo)
            losses["feature_distance"] = direction_difference(have, want, floor=FEATURE_FLOOR).mean()
        return losses

    def _features(
        self, network: FeatureNetwork, seen: Tensor, photo: Tensor
    ) -> tuple[list[Tensor], list[Tensor]]:
        with self._mixed():
            with torch.no_grad():
                want = network(photo)
            return network(seen), want

    def _teach_adversary(
        self, adversary: _Adversary, seen: Tensor, photo: Tensor, hole: Tensor
    ) -> dict[str, Tensor]:
        """One step of the discriminator."""
        config = self.config
        adversary.discriminator.requires_grad_(True)
        penalized = bool(config.r1) and self.steps_done % config.r1_every == 0
        # The penalty differentiates twice: in half precision the inner gradient would be lost.
        photo = photo.detach().requires_grad_(penalized)
        with self._mixed(enabled=not penalized):
            real = adversary.trained(photo).scores
        with self._mixed():
            fake = adversary.trained(seen).scores
        touched = touched_patches(hole, *fake.shape[-2:])
        loss = discriminator_loss(real, fake, touched)
        values = {"discriminator": loss}
        if penalized:
            values["r1"] = gradient_penalty(real, photo)
            loss = loss + config.r1 * config.r1_every * values["r1"]
        _descend(loss, adversary.discriminator, adversary.optimizer, self._adversary_scaler, config.clip)
        return values

    def _adversarial_losses(self, adversary: _Adversary, seen: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """What the discriminator, as it now is, thinks of the fill."""
        adversary.discriminator.requires_grad_(False)
        with self._mixed():
            fake = adversary.discriminator(seen)
            losses = {"adversarial": generator_adversarial_loss(fake.scores)}
            if self.config.feature_matching:
                losses["feature_matching"] = feature_difference(
                    fake.features, adversary.discriminator(photo).features
                )
        return losses

    def _mixed(self, *, enabled: bool = True) -> AbstractContextManager[object]:
        precision = self.precision
        return torch.autocast(self.device.type, dtype=precision, enabled=enabled and precision is not None)

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)

    def _update_average(self) -> None:
        # Early on the average must not remember the random start.
        keep = min(self.config.ema, (1 + self.steps_done) / (10 + self.steps_done))
        mine, theirs = self.average.state_dict(), self.generator.state_dict()
        names = [name for name, value in mine.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([mine[name] for name in names], [theirs[name] for name in names], 1 - keep)
            for name in mine.keys() - names:
                mine[name].copy_(theirs[name])

    def run(
        self,
        photos: Photos,
        folder: Path,
        *,
        save_every: int = 500,
        minutes: float | None = None,
        workers: int = 0,
        part_bytes: int | None = None,
        light: bool = False,
        on_step: Callable[[int, dict[str, float]], None] | None = None,
        on_save: Callable[[Trainer], None] | None = None,
    ) -> bool:
        """Train up to the last step, or as long as there is time, from wherever this trainer is.

        Args:
            photos: to learn from.
            folder: gets the state (to resume), `model.safetensors` (the average, half precision) and
                `log.jsonl` (a line for every ten steps).
            save_every: steps between two saves.
            minutes: after which it saves and ends, at the next step whose losses are read.
            workers: processes that cut crops; 0: a thread of this one.
            part_bytes: no file of the state is larger than this; None: one file.
            light: whether the state is kept in a third of the bytes, not to the bit (see `save`).
            on_step: called with the number of a step and its losses: after every step on the CPU, after
                every tenth elsewhere.
            on_save: called after every save.

        Returns:
            Whether the last step is done.

        Raises:
            TrainingError: a loss or a gradient is not finite; what was saved last is as it was.
            StateError: the state cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        config, processes = self.config, self.processes
        started = time.monotonic()
        # Reading a value waits for the device; on an accelerator the next steps should be queued meanwhile.
        read_every = 1 if self.device.type == "cpu" else LOG_EVERY
        unread: list[dict[str, Tensor]] = []
        unlogged: list[dict[str, float]] = []

        def save() -> None:
            if processes.first:
                self.save(folder, part_bytes=part_bytes, light=light)
                self.save_model(folder / MODEL, photos=len(photos))
                if on_save is not None:
                    on_save(self)

        source = batches(
            photos,
            range(self.steps_done, config.steps),
            config,
            processes=workers,
            share=processes.share,
            pin=self.device.type == "cuda",
        )
        with (folder / "log.jsonl").open("a") as log:
            for batch in source:
                unread.append(self.step(batch))
                saves = self.steps_done % save_every == 0 or self.steps_done == config.steps
                if self.steps_done % read_every != 0 and not saves:
                    continue
                unlogged += self._read(unread)
                unread = []
                if on_step is not None:
                    on_step(self.steps_done, unlogged[-1])
                if self.steps_done % LOG_EVERY == 0:
                    if processes.first:
                        line = {"step": self.steps_done, "seconds": round(time.monotonic() - started, 1)}
                        log.write(json.dumps(line | _means(unlogged)) + "\n")
                        log.flush()
                    unlogged = []
                late = minutes is not None and time.monotonic() - started > minutes * 60
                over = processes.any(late)
                if saves or over:
                    save()
                if over:
                    break
        return self.steps_done >= config.steps

    def _read(self, unread: list[dict[str, Tensor]]) -> list[dict[str, float]]:
        """The values of some steps as numbers.

        Raises:
            TrainingError: one is not finite.
        """
        names = [list(one) for one in unread]
        flat = torch.stack([value.float() for one in unread for value in one.values()])
        numbers = iter(self.processes.mean(flat).tolist())
        read = [{name: next(numbers) for name in one} for one in names]
        # With a scaler a gradient may overflow now and then: that step is left out, and the scale is lowered.
        judged = [
            value
            for one in read
            for name, value in one.items()
            if name != "norm" or not self._scaler.is_enabled()
        ]
        if not all(map(math.isfinite, judged)):
            raise TrainingError(
                f"the losses are not finite by step {self.steps_done}: resume the last save at a lower rate"
            )
        return [{name: value for name, value in one.items() if math.isfinite(value)} for one in read]

    def save(self, folder: Path, *, part_bytes: int | None = None, light: bool = False) -> None:
        """Write everything that going on takes; the old state stays whole until the new one is.

        Args:
            folder: of the run.
            part_bytes: no file is larger than this; None: one file.
            light: whether in a third of the bytes, as close as 16-bit numbers are, and without the average,
                which the model beside it holds.

        Raises:
            StateError: it cannot be written.
        """
        weights = light_weights if light else dict
        moments = light_optimizer if light else dict
        state: dict[str, Any] = {
            "config": asdict(self.config),
            "steps_done": self.steps_done,
            "generator": weights(self.generator.state_dict()),
            "optimizer": moments(self.optimizer.state_dict()),
            "scaler": self._scaler.state_dict(),
        }
        if not light:  # else it is what `save_model` writes
            state["average"] = self.average.state_dict()
        if self.adversary is not None:
            state |= {
                "discriminator": weights(self.adversary.discriminator.state_dict()),
                "discriminator_optimizer": moments(self.adversary.optimizer.state_dict()),
                "discriminator_scaler": self._adversary_scaler.state_dict(),
            }
        write_state(state, folder, step=self.steps_done, part_bytes=part_bytes)

    def save_model(self, path: Path, *, photos: int) -> None:
        """Write the averaged generator as a model that can be imported.

        Args:
            path: of the safetensors file.
            photos: how many the run learns from; the model's origin tells it.

        Raises:
            SaveError: the file cannot be written.
        """
        origin = f"lama-fill train: {self.steps_done} steps on {photos} photos"
        write_generator(self.average, path, origin=origin)

    @classmethod
    def resume(
        cls,
        path: Path,
        *,
        device: str = "cpu",
        steps: int | None = None,
        settings: Mapping[str, str] | None = None,
        perceptual: FeatureNetwork | None = None,
        processes: Processes | None = None,
        channels_last: bool = False,
    ) -> Trainer:
        """The trainer as it was saved.

        Args:
            path: a run's folder, or its `last.pt`.
            device: where to go on.
            steps: a new number of steps in all.
            settings: others to change, as `TrainingConfig.with_settings` takes them.
            perceptual: as for a new run.
            processes: as for a new run; their number may be another than it was.
            channels_last: as for a new run.

        Raises:
            StateError: it is not a saved run.
            ConfigError: a setting cannot be changed so.
        """
        paths = find_state(path) if path.is_dir() else (path,)
        if not paths:
            raise StateError(f"{path} holds no run that can be resumed")
        state = read_state(paths)
        try:
            kept = state["config"]
            config = TrainingConfig(**kept | {"generator": GeneratorConfig(**kept["generator"])})
        except (KeyError, TypeError, ValueError) as error:
            raise _not_a_run(paths[0]) from error
        config = config.with_settings(settings or {})
        if config.generator != GeneratorConfig(**kept["generator"]):
            raise TrainingError("the generator of a run cannot be changed: begin a new one with --from")
        if steps is not None:
            config = replace(config, steps=steps)
        trainer = cls(
            config,
            device=device,
            perceptual=perceptual,
            processes=processes,
            channels_last=channels_last,
        )
        try:
            trainer._load(state)
            trainer._load_average(state, paths[0].with_name(MODEL))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise _not_a_run(paths[0]) from error
        return trainer

    def _load(self, state: Mapping[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.optimizer.load_state_dict(whole_optimizer(state["optimizer"]))
        # A run of another precision, or one begun before there were scalers, has none to go on with.
        if self._scaler.is_enabled() and state.get("scaler"):
            self._scaler.load_state_dict(state["scaler"])
        # An adversary may be added to a run that had none.
        if self.adversary is not None and "discriminator" in state:
            self.adversary.discriminator.load_state_dict(state["discriminator"])
            self.adversary.optimizer.load_state_dict(whole_optimizer(state["discriminator_optimizer"]))
            if self._adversary_scaler.is_enabled() and state["discriminator_scaler"]:
                self._adversary_scaler.load_state_dict(state["discriminator_scaler"])
        self.steps_done = int(state["steps_done"])

    def _load_average(self, state: Mapping[str, Any], model: Path) -> None:
        if "average" in state:
            self.average.load_state_dict(state["average"])
        elif model.is_file():
            ours = self.config.architecture == "ffc"
            saved = load_generator(model) if ours else load_ablation(model)
            self.average.load_state_dict(saved.state_dict())
        else:
            # It will be what it was within a thousand steps.
            self.average.load_state_dict(self.generator.state_dict())


class _Adversary:
    """The discriminator, and what trains it."""

    def __init__(self, discriminator: Discriminator, config: TrainingConfig, processes: Processes) -> None:
        self.discriminator = processes.with_common_statistics(discriminator)
        self.trained = processes.connected(self.discriminator)
        self.optimizer = _adam(self.discriminator, config.discriminator_rate, 0.0)


def _adam(network: nn.Module, rate: float, weight_decay: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=weight_decay)


def _descend(
    loss: Tensor,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    clip: float,
) -> Tensor:
    """Go one step down; returns the norm of the gradient before it was clipped."""
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(network.parameters(), clip)
    scaler.step(optimizer)
    scaler.update()
    return norm


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _means(lines: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each value over the steps that have it."""
    names = dict.fromkeys(name for line in lines for name in line)
    return {name: round(float(np.mean([line[name] for line in lines if name in line])), 5) for name in names}


def _not_a_run(path: Path) -> StateError:
    return StateError(f"{path} is not a run that can be resumed: remove it to start anew")


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate of a step: a linear rise over the warm-up, then a cosine down to a fiftieth."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    progress = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
