"""Feature refinement, with a tiny generator."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lama_core.fill import FillCancelled, Progress
from lama_core.fill import refine as module
from lama_core.fill.refine import refine
from lama_core.model import Generator, GeneratorConfig


@pytest.fixture(autouse=True)
def small_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MIN_SIDE", 16)
    monkeypatch.setattr(module, "ITERATIONS", 6)


@pytest.fixture(params=["sigmoid", "residual"])
def generator(request: pytest.FixtureRequest) -> Generator:
    torch.manual_seed(1)
    config = GeneratorConfig(width=6, blocks=2, downsamplings=2, output=request.param)
    made = Generator(config)
    torch.nn.init.normal_(made.head.weight, std=0.05)
    return made.eval().requires_grad_(False)


def window(side: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    coarse = torch.from_numpy(rng.random((1, 3, side // 8, side // 8), np.float32))
    picture = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)[0].numpy()
    hole = np.zeros((side, side), bool)
    hole[side // 4 : side * 3 // 4, side // 4 : side * 3 // 4] = True
    return np.where(hole, np.float32(0), picture), hole


def halved(x: np.ndarray) -> np.ndarray:
    return F.avg_pool2d(torch.from_numpy(x)[None], 2)[0].numpy()


def test_the_layers_in_two_parts_are_the_network(generator: Generator) -> None:
    x = torch.rand(1, 4, 40, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole, parts = generator.network(x), generator.decode(generator.encode(x))
        again = generator.decode(generator.encode(x), keep=False)
    assert torch.equal(whole, parts)
    assert torch.equal(whole, again)


def test_gradients_are_the_same_when_the_insides_are_worked_out_again(generator: Generator) -> None:
    x = torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    gradients = []
    for keep in (True, False):
        local, wide = (
            branch.detach().requires_grad_() for branch in generator.encode(x) if branch is not None
        )
        generator.decode((local, wide), keep=keep).square().sum().backward()
        gradients.append((local.grad, wide.grad))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_the_fill_follows_the_coarser_one(generator: Generator) -> None:
    colour, hole = window()
    with torch.inference_mode():
        plain = generator(torch.from_numpy(colour)[None], torch.from_numpy(hole)[None, None].float())[0]
        small = generator(
            torch.from_numpy(halved(colour))[None], torch.from_numpy(halved(hole[None] * np.float32(1)))[None]
        )[0]
    filled = refine(generator, colour, hole, memory=1 << 32, progress=Progress())
    assert filled is not None
    assert filled.shape == colour.shape
    assert np.array_equal(filled[:, ~hole], colour[:, ~hole])
    inner = slice(15, 17)

    def distance(planes: np.ndarray) -> float:
        return float(np.abs(halved(planes) - small.numpy())[:, inner, inner].mean())

    assert distance(filled) < 0.9 * distance(plain.numpy())


def test_weights_stay_as_they_are(generator: Generator) -> None:
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    colour, hole = window()
    refine(generator, colour, hole, memory=1 << 32, progress=Progress())
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_it_stays_within_its_memory(generator: Generator) -> None:
    colour, hole = window(128)
    sizes = {}
    for memory in (1 << 32, 1 << 20, 1 << 10):
        filled = refine(generator, colour, hole, memory=memory, progress=Progress())
        sizes[memory] = None if filled is None else filled.shape[1]
    assert sizes[1 << 32] == 128
    assert sizes[1 << 20] in (32, 64)
    assert sizes[1 << 10] is None


def test_what_a_step_keeps_is_known_beforehand(generator: Generator) -> None:
    device = torch.device("cpu")
    kept = {keep: module._kept_bytes(generator, keep=keep, device=device) for keep in (True, False)}
    assert 0 < kept[False] < kept[True]
    # All that autograd holds on to in a whole pass, counted another way.
    held: dict[int, int] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in generator.parameters()}

    def note(x: torch.Tensor) -> torch.Tensor:
        held[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    side = 2 * module.PROBE
    with torch.no_grad():
        local, wide = generator.encode(torch.zeros(1, 4, side, side))
    assert wide is not None
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        out = generator.decode((local.requires_grad_(), wide.requires_grad_()))
    total = sum(size for place, size in held.items() if place not in weights)
    assert out.requires_grad
    assert 0.75 * 4 * kept[True] <= total <= 4 * kept[True]


def test_progress_and_cancel_at_each_step(generator: Generator) -> None:
    colour, hole = window()
    told: list[float] = []
    progress = Progress(on_report=lambda stage, fraction: told.append(fraction))
    refine(generator, colour, hole, memory=1 << 32, progress=progress)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1)
    assert len(told) >= module.ITERATIONS
    asked = iter([False] * 5 + [True])
    with pytest.raises(FillCancelled):
        refine(generator, colour, hole, memory=1 << 32, progress=Progress(cancelled=lambda: next(asked)))


def test_a_window_too_small_for_two_scales_is_left_to_others(generator: Generator) -> None:
    colour, hole = window(24)
    assert refine(generator, colour, hole, memory=1 << 32, progress=Progress()) is None
