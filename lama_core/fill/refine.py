"""Feature refinement: a fill at many scales, each following the coarser one.

Networks see large structure best in small pictures and detail best in large ones. So the window is filled at
a small scale first. At each larger one the features in the middle of the network are changed, by gradient
descent, until what comes out of them agrees with the picture where it is known and, made smaller, with the
coarser fill where it is not (Kulshreshtha et al., 2022, "Feature Refinement to Improve High Resolution Image
Inpainting").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lama_core.fill.common.filters import dilate
from lama_core.fill.common.progress import Progress
from lama_core.fill.common.pyramid import downsample_mask, downsample_window
from lama_core.image.pixels import Floats, Mask
from lama_core.model.generator import Generator, predict_with
from lama_core.model.prefill import downsample2

ITERATIONS = 15
RATE = 0.002
"""Adam's, and its steps a scale, as in the paper's code."""

MAX_SCALES = 3
"""Each scale is half the size of the next."""
MIN_SIDE = 512
"""Sides of the coarsest scale, pixels, are at least this, the geometric mean of both."""

EROSION = 7
"""Pixels at the edge of the hole that need not agree with the coarser fill: they follow the picture."""

HEADROOM = 1.6
"""What a step takes, as a multiple of what it keeps: gradients, and what single layers need meanwhile."""
PROBE = 64
"""Sides of the picture with which it is found out what a step keeps, pixels."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A window at one scale: (1, 3, H, W) in 0..1, and (1, 1, H, W), 1 in the hole."""

    image: Tensor
    hole: Tensor


def refine(
    generator: Generator,
    colour: Floats,
    unknown: Mask,
    *,
    memory: int,
    progress: Progress,
) -> Floats | None:
    """Fill a window at many scales.

    Args:
        generator: the plain one, in evaluation mode; its weights stay as they are.
        colour: (3, H, W) float32 in 0..1, 0 in the hole.
        unknown: (H, W), True in the hole.
        memory: bytes it may take. A scale that would take more, even with everything worked out twice, is
            left out, and what follows it.
        progress: reported to after each step, asked before each whether to go on.

    Returns:
        (3, h, w) float32, the picture as `colour` is but filled: of the same size, or of a half, a quarter
        ... of it, rounded up, where memory ends; None where nothing can be gained, as the window is small or
        the memory is.

    Raises:
        FillCancelled: `progress` said so.
    """
    device = next(generator.parameters()).device
    scales = _scales(torch.from_numpy(colour), torch.from_numpy(unknown))
    kept = {keep: _kept_bytes(generator, keep=keep, device=device) for keep in (True, False)}

    def needs(scale: Scale, keep: bool) -> float:
        height, width = scale.hole.shape[2:]
        return HEADROOM * kept[keep] * height * width / PROBE**2

    scales = [scale for scale in scales if needs(scale, False) <= memory]
    if len(scales) < 2:
        return None
    works = [float(scale.hole.numel()) for scale in scales]
    works[0] /= 3 * ITERATIONS  # one pass, forward only
    done, total = 0.0, sum(works)
    filled: Tensor | None = None
    for scale, work in zip(scales, works, strict=True):
        step = progress.part(done / total, (done + work) / total)
        step.check()
        image, hole = scale.image.to(device), scale.hole.to(device)
        if filled is None:
            with torch.inference_mode():
                prediction = generator(image, hole)
        else:
            keep = needs(scale, True) <= memory
            prediction = _follow(generator, image, hole, filled, keep, step)
        filled = torch.where(hole > 0, prediction.clone(), image)
        done += work
        step.report(1.0)
    assert filled is not None
    result: Floats = filled[0].cpu().numpy()
    return result


def _follow(
    generator: Generator,
    image: Tensor,
    hole: Tensor,
    coarser: Tensor,
    keep: bool,
    progress: Progress,
) -> Tensor:
    """The prediction at one scale whose half looks like the coarser fill."""
    encoded = []

    def encode(x: Tensor) -> Tensor:
        encoded.append(generator.encode(x))
        return x[:, :3]

    with torch.no_grad():
        predict_with(encode, generator.config, image, hole)
        inner = (~dilate(downsample_mask(hole)[0, 0] == 0, EROSION)).to(hole.dtype)
        known = 1 - hole
    with torch.enable_grad():
        features = [branch.detach().clone().requires_grad_() for branch in encoded[0] if branch is not None]
        optimizer = torch.optim.Adam(features, lr=RATE)

        def decode(_: Tensor) -> Tensor:
            return generator.decode((features[0], features[1]), keep=keep)

        prediction = image
        for step in range(ITERATIONS):
            progress.check()
            last = step == ITERATIONS - 1
            with torch.set_grad_enabled(not last):
                prediction = predict_with(decode, generator.config, image, hole)
                if last:
                    break
                loss = _mean((prediction - image).abs(), known)
                loss = loss + _mean((downsample2(prediction) - coarser).abs(), inner)
            gradients = torch.autograd.grad(loss, features)
            for feature, gradient in zip(features, gradients, strict=True):
                feature.grad = gradient
            optimizer.step()
            progress.report((step + 1) / ITERATIONS)
    return prediction.detach()


def _mean(x: Tensor, where: Tensor) -> Tensor:
    """The mean of (1, 3, H, W) where (1, 1, H, W) is 1; 0 where it is so nowhere."""
    return (x * where).sum() / (3 * where.sum()).clamp(min=1)


def _scales(image: Tensor, unknown: Tensor) -> list[Scale]:
    """The window at all scales, the coarsest first."""
    hole = unknown[None, None].float()
    scales = [Scale(image[None] * (1 - hole), hole)]
    while len(scales) < MAX_SCALES:
        finest = scales[-1]
        height, width = finest.hole.shape[2:]
        if height * width < (2 * MIN_SIDE) ** 2:
            break
        coarse = Scale(*downsample_window(finest.image, finest.hole))
        if coarse.hole.all():
            break
        scales.append(coarse)
    return scales[::-1]


def _kept_bytes(generator: Generator, *, keep: bool, device: torch.device) -> int:
    """Bytes that a forward pass of the decoder keeps for the backward pass, for PROBE x PROBE pixels.

    Without `keep` the insides of each part are computed again, so those of one part at a time count: of the
    one that needs most.
    """
    with torch.no_grad():
        branches = generator.encode(torch.zeros(1, 4, PROBE, PROBE, device=device))
    parts: list[int] = []
    between = 0
    y: object = tuple(branch.requires_grad_() for branch in branches if branch is not None)
    for part in generator.decoder_parts():
        between += sum(x.nbytes for x in (y if isinstance(y, tuple) else (y,)))
        seen: dict[int, int] = {}

        def note(x: Tensor, seen: dict[int, int] = seen) -> Tensor:
            seen[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
            return x

        weights = {parameter.untyped_storage().data_ptr() for parameter in generator.parameters()}
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
            y = part(y)
        parts.append(sum(size for place, size in seen.items() if place not in weights))
    return sum(parts) if keep else between + max(parts)
