"""One step of training: `Trainer.step` reads from top to bottom."""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lama_core.client.errors import LamaFillError
from lama_core.model import Generator
from lama_core.research.networks.discriminator import Discriminator, Judgement
from lama_core.research.networks.perceptual import (
    FeatureNetwork,
    PerceptualNetwork,
    direction_difference,
)
from lama_core.research.training.ablation import AblationGenerator, new_generator
from lama_core.research.training.config import TrainingConfig
from lama_core.research.training.data import Batch
from lama_core.research.training.distributed import DistributedContext, Network
from lama_core.research.training.losses import (
    discriminator_loss,
    feature_difference,
    generator_adversarial_loss,
    gradient_penalty,
    region_l1,
    touched_patches,
)

GRID = 8
"""Pixels to a cell of the perceptual network's coarsest features."""
FEATURE_FLOOR = 0.1
"""Features shorter than this count as of this length in the feature distance that is trained with."""

_PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TrainingError(LamaFillError):
    """A run cannot be started, or not go on."""


class _Judged(NamedTuple):
    """What the discriminator says of a batch, with the graph behind it."""

    photo: Tensor
    """(B, 3, H, W), the leaf that a gradient penalty differentiates by."""
    real: Judgement
    fake: Judgement


class Trainer:
    """A generator, its moving average, its discriminator, and what it takes to go on from any step.

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
        context: DistributedContext | None = None,
        channels_last: bool | None = None,
    ) -> None:
        """Begin a run.

        Args:
            config: its settings.
            device: where to compute.
            generator: to begin with, of the config's architecture; None: a new one.
            perceptual: gives the features of the perceptual loss; None: the small network that ships.
            context: of the processes that train together; None: this one is alone.
            channels_last: whether maps keep the channels of a pixel together; None: on a CPU, where
                convolutions are faster so (twice as fast at 256 pixels on a CPU with AVX2). Results differ by
                rounding alone.

        Raises:
            TrainingError: the perceptual network is another than the config says.
        """
        if (config.perceptual_network == "resnet50") != (perceptual is not None):
            what = "without its weights" if perceptual is None else "of other weights than those given"
            raise TrainingError(f"the perceptual network is {config.perceptual_network}, {what}")
        self.config = config
        self.context = context or DistributedContext(device=torch.device(device))
        self.device = self.context.device
        if channels_last is None:
            channels_last = self.device.type == "cpu"
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        torch.manual_seed(config.seed)
        if generator is None:
            generator = new_generator(config.architecture, config.generator)
        generator = self._placed(generator)
        self.generator = generator.requires_grad_(True).train()
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.generator = self.context.with_common_statistics(self.generator)
        self._trained_generator = self.context.connected(self.generator)
        small = PerceptualNetwork.pretrained() if perceptual is None or config.feature_distance else None
        self._small = None if small is None else self._placed(small)
        self._perceptual = self._small if perceptual is None else self._placed(perceptual)
        self.optimizer = _adam(self.generator, config.rate, config.weight_decay)
        self.scaler = self._new_scaler()
        self.discriminator: Discriminator | None = None
        if config.adversarial:
            discriminator = self._placed(Discriminator(width=config.discriminator_width))
            self.discriminator = self.context.with_common_statistics(discriminator)
            self._trained_discriminator = self.context.connected(self.discriminator)
            self.discriminator_optimizer = _adam(self.discriminator, config.discriminator_rate, 0.0)
        self.discriminator_scaler = self._new_scaler()
        self.steps_done = 0

    def _placed(self, network: Network) -> Network:
        # torch's own types do not know that modules take a layout.
        placed: Network = network.to(self.device).to(memory_format=self._layout)  # type: ignore[call-overload]
        return placed

    @property
    def precision(self) -> torch.dtype | None:
        """What layers compute in where it is not float32.

        On a CPU that is bfloat16 where it has instructions for it, and float32 elsewhere: emulated half
        precision is slower than none.
        """
        if self.device.type == "cpu" and not has_bfloat16_instructions():
            return None
        precision = _PRECISIONS.get(self.config.precision)
        return torch.bfloat16 if precision is not None and self.device.type == "cpu" else precision

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
        seen = image + hole * (prediction - image) if config.loss_on == "fill" else prediction
        # Generator and judges all work on grids of 8 pixels. Were they always aligned, a faint pattern with
        # that period would pass for texture; so the pictures are cut anew each step. What is left has always
        # the same size: libraries choose their ways of computing anew for each one.
        y, x = np.random.default_rng((config.seed, self.steps_done)).integers(0, GRID, 2)
        rows, columns = slice(y, y - GRID), slice(x, x - GRID)
        seen, photo, hole_seen = (p[..., rows, columns] for p in (seen, image, hole))

        losses: dict[str, Tensor] = {}
        values: dict[str, Tensor] = {}
        adversarial = self.discriminator is not None and self.steps_done >= config.adversarial_from
        if adversarial:
            judged = self._judge(seen, photo)
            values |= self._discriminator_gradients(judged, hole_seen)
            losses |= self._adversarial_losses(judged)
        if config.hole_l1:
            losses["hole_l1"] = region_l1(prediction, image, hole)
        if config.known_l1:
            losses["known_l1"] = region_l1(prediction, image, 1 - hole)
        losses |= self._perceptual_losses(seen, photo)

        total = torch.stack([getattr(config, name) * loss for name, loss in losses.items()]).sum()
        _backward(total, self.generator, self.optimizer, self.scaler)
        values["norm"] = _descend(self.generator, self.optimizer, self.scaler, rate, config.clip)
        if adversarial and self.discriminator is not None:
            # Last, because the generator's gradient passes through the weights that judged the fill.
            theirs = rate * config.discriminator_rate / config.rate
            optimizer = self.discriminator_optimizer
            _descend(self.discriminator, optimizer, self.discriminator_scaler, theirs, config.clip)
        self._update_ema()
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

    def _penalized(self) -> bool:
        return bool(self.config.r1) and self.steps_done % self.config.r1_every == 0

    def _judge(self, seen: Tensor, photo: Tensor) -> _Judged:
        """What the discriminator, as it now is, says of photo and fill.

        It is asked once, for its own losses and for the generator's.
        """
        penalized = self._penalized()
        # The penalty differentiates twice: in half precision the inner gradient would be lost.
        photo = photo.detach().requires_grad_(penalized)
        with self._mixed(enabled=not penalized):
            real = self._trained_discriminator(photo)
        with self._mixed():
            fake = self._trained_discriminator(seen)
        return _Judged(photo, real, fake)

    def _discriminator_gradients(self, judged: _Judged, hole: Tensor) -> dict[str, Tensor]:
        """Leave the gradient of the discriminator's loss in its parameters."""
        assert self.discriminator is not None
        fake = judged.fake.scores
        loss = discriminator_loss(judged.real.scores, fake, touched_patches(hole, *fake.shape[-2:]))
        values = {"discriminator": loss}
        if self._penalized():
            values["r1"] = gradient_penalty(judged.real.scores, judged.photo)
            loss = loss + self.config.r1 * self.config.r1_every * values["r1"]
        scaler, optimizer = self.discriminator_scaler, self.discriminator_optimizer
        _backward(loss, self.discriminator, optimizer, scaler, keep_graph=True)
        return values

    def _adversarial_losses(self, judged: _Judged) -> dict[str, Tensor]:
        """What the discriminator's judgement costs the generator."""
        losses = {"adversarial": generator_adversarial_loss(judged.fake.scores)}
        if self.config.feature_matching:
            want = [features.detach() for features in judged.real.features]
            losses["feature_matching"] = feature_difference(judged.fake.features, want)
        return losses

    def _mixed(self, *, enabled: bool = True) -> AbstractContextManager[object]:
        precision = self.precision
        return torch.autocast(self.device.type, dtype=precision, enabled=enabled and precision is not None)

    def _new_scaler(self) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)

    def _update_ema(self) -> None:
        # Early on the average must not remember the random start.
        keep = min(self.config.ema, (1 + self.steps_done) / (10 + self.steps_done))
        mine, theirs = self.ema.state_dict(), self.generator.state_dict()
        names = [name for name, value in mine.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([mine[name] for name in names], [theirs[name] for name in names], 1 - keep)
            for name in mine.keys() - names:
                mine[name].copy_(theirs[name])


def has_bfloat16_instructions() -> bool:
    """Whether this CPU multiplies in bfloat16 (AVX512-BF16, AMX, Arm's BF16)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def _adam(network: nn.Module, rate: float, weight_decay: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=weight_decay)


def _backward(
    loss: Tensor,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    keep_graph: bool = False,
) -> None:
    """Put the gradient of a loss into the parameters of one network alone, whatever others it passes."""
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward(retain_graph=keep_graph, inputs=list(network.parameters()))  # type: ignore[no-untyped-call]


def _descend(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    rate: float,
    clip: float,
) -> Tensor:
    """Go one step down at a learning rate.

    Returns:
        Scalar: the norm of the gradient before it was clipped.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(network.parameters(), clip)
    scaler.step(optimizer)
    scaler.update()
    return norm


def learning_rate(config: TrainingConfig, step: int) -> float:
    """The learning rate of a step: a linear rise over the warm-up, then a cosine down to a fiftieth."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    progress = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
