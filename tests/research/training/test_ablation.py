from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from lama_core.model import GeneratorConfig
from lama_core.model.checkpoint import CheckpointError
from lama_core.model.installed.load import load_generator
from lama_core.research.training.ablation import AblationGenerator, load_ablation, write_generator

WIDTH, BLOCKS, DEPTH = 8, 2, 2
BOTTLENECK = WIDTH * 2**DEPTH
BLOCK_CONVS = {
    "plain": {"1": None, "5": None},
    "multidilated": {"0": (1, 2, 4, 8), "3": (1, 2, 4, 8)},
}
BLOCK_NORMS = {"plain": ("2", "6"), "multidilated": ("1", "4")}


def official_state(kind: str) -> dict[str, Tensor]:
    """Tensors of an official generator, by the names in its checkpoints, written down from those."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}

    def conv(name: str, out: int, into: int, kernel: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, kernel, kernel) * 0.3 / (into * kernel) ** 0.5
        state[f"{name}.bias"] = torch.randn(out) * 0.1

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"] = torch.rand(channels) + 0.5
        state[f"{name}.bias"] = torch.randn(channels) * 0.1
        state[f"{name}.running_mean"] = torch.randn(channels) * 0.1
        state[f"{name}.running_var"] = torch.rand(channels) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("model.1", WIDTH, 4, 7)
    norm("model.2", WIDTH)
    for level in range(DEPTH):
        conv(f"model.{4 + 3 * level}", WIDTH * 2 ** (level + 1), WIDTH * 2**level, 3)
        norm(f"model.{5 + 3 * level}", WIDTH * 2 ** (level + 1))
    first = 4 + 3 * DEPTH
    for block in range(first, first + BLOCKS):
        for place, dilations in BLOCK_CONVS[kind].items():
            if dilations is None:
                conv(f"model.{block}.conv_block.{place}", BOTTLENECK, BOTTLENECK, 3)
            else:
                for index in range(4):
                    conv(f"model.{block}.conv_block.{place}.convs.{index}", BOTTLENECK, BOTTLENECK // 4, 3)
        for place in BLOCK_NORMS[kind]:
            norm(f"model.{block}.conv_block.{place}", BOTTLENECK)
    for level in range(DEPTH):
        name, channels = first + BLOCKS + 3 * level, BOTTLENECK // 2**level
        state[f"model.{name}.weight"] = torch.randn(channels, channels // 2, 3, 3) * 0.1
        state[f"model.{name}.bias"] = torch.randn(channels // 2) * 0.1
        norm(f"model.{name + 1}", channels // 2)
    conv(f"model.{first + BLOCKS + 3 * DEPTH + 1}", 3, WIDTH, 7)
    return state


def official_forward(kind: str, state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """The official computation in plain functions."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        scale = state[f"{name}.weight"] / torch.sqrt(var + 1e-5)
        return (x - mean.view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1) + state[f"{name}.bias"].view(
            1, -1, 1, 1
        )

    def conv(
        x: Tensor, name: str, pad: int, mode: str = "reflect", stride: int = 1, dilation: int = 1
    ) -> Tensor:
        x = F.pad(x, (pad,) * 4, mode=mode)
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=stride, dilation=dilation)

    x = norm(conv(x, "model.1", 3), "model.2").clamp(min=0)
    for level in range(DEPTH):
        x = conv(x, f"model.{4 + 3 * level}", 1, mode="constant", stride=2)
        x = norm(x, f"model.{5 + 3 * level}").clamp(min=0)
    first = 4 + 3 * DEPTH
    for block in range(first, first + BLOCKS):
        y = x
        for number, (place, dilations) in enumerate(BLOCK_CONVS[kind].items()):
            name = f"model.{block}.conv_block.{place}"
            if dilations is None:
                y = conv(y, name, 1)
            else:
                quarters = y.split(BOTTLENECK // 4, dim=1)
                y = sum(
                    conv(quarter, f"{name}.convs.{index}", dilation, dilation=dilation)
                    for index, (quarter, dilation) in enumerate(zip(quarters, dilations, strict=True))
                )
            y = norm(y, f"model.{block}.conv_block.{BLOCK_NORMS[kind][number]}")
            y = y.clamp(min=0) if number == 0 else y
        x = x + y
    for level in range(DEPTH):
        name = first + BLOCKS + 3 * level
        x = F.conv_transpose2d(
            x,
            state[f"model.{name}.weight"],
            state[f"model.{name}.bias"],
            stride=2,
            padding=1,
            output_padding=1,
        )
        x = norm(x, f"model.{name + 1}").clamp(min=0)
    return torch.sigmoid(conv(x, f"model.{first + BLOCKS + 3 * DEPTH + 1}", 3))


@pytest.mark.parametrize("kind", ["plain", "multidilated"])
@pytest.mark.parametrize("form", ["folder", "ckpt", "safetensors"])
def test_official_weights_give_the_official_picture(kind: str, form: str, tmp_path: Path) -> None:
    state = official_state(kind)
    path = tmp_path
    named = {f"generator.{name}": value for name, value in state.items()}
    if form == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file(named, path)
    else:
        # A training checkpoint holds more than the generator.
        (tmp_path / "models").mkdir()
        more = {
            "discriminator.model0.0.weight": torch.zeros(1),
            "generator_average.model.1.bias": torch.ones(2),
        }
        torch.save({"state_dict": named | more, "epoch": 3}, tmp_path / "models" / "best.ckpt")
        official = {"plain": "pix2pixhd_global", "multidilated": "pix2pixhd_multidilated"}[kind]
        (tmp_path / "config.yaml").write_text(f"generator:\n  kind: {official}\n  add_out_act: sigmoid\n")
        path = tmp_path if form == "folder" else tmp_path / "models" / "best.ckpt"
    generator = load_ablation(path)
    assert generator.kind == kind
    assert (generator.config.width, generator.config.blocks, generator.config.downsamplings) == (8, 2, 2)
    image = torch.rand(1, 3, 64, 48)
    hole = torch.zeros(1, 1, 64, 48)
    hole[..., 10:30, 5:20] = 1
    wanted = official_forward(kind, state, torch.cat((image * (1 - hole), hole), dim=1))
    with torch.no_grad():
        assert torch.allclose(generator(image, hole), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["plain", "multidilated"])
@pytest.mark.parametrize("size", [(61, 47), (36, 52), (64, 49)])
def test_sides_that_are_no_multiple_of_8_give_the_official_picture(
    kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    state = official_state(kind)
    torch.save(state, tmp_path / "weights.pth")
    height, width = size
    image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))
    hole = torch.zeros(1, 1, height, width)
    hole[..., height // 2 :, width // 2 :] = 1  # up to the edges, where the padding begins
    # The official pipeline mirrors both to a multiple of 8 with numpy, then cuts the result.
    room = ((0, 0), (0, 0), (0, -height % 8), (0, -width % 8))
    padded_image, padded_hole = (torch.from_numpy(np.pad(x, room, mode="symmetric")) for x in (image, hole))
    wanted = official_forward(kind, state, torch.cat((padded_image * (1 - padded_hole), padded_hole), dim=1))
    with torch.no_grad():
        found = load_ablation(tmp_path / "weights.pth")(image, hole)
    assert torch.allclose(found, wanted[..., :height, :width], atol=1e-5)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    config = GeneratorConfig(width=8, blocks=1, output="sigmoid")
    generator = AblationGenerator("multidilated", config).eval()
    write_generator(generator, tmp_path / "model.safetensors", origin="a test")
    again = load_ablation(tmp_path / "model.safetensors")
    assert again.config == config
    image, hole = torch.rand(1, 3, 75, 81), torch.zeros(1, 1, 75, 81)
    with torch.no_grad():
        assert generator(image, hole).shape == (1, 3, 75, 81)
        assert torch.allclose(generator(image, hole), again(image, hole), atol=2e-3)


def test_the_two_loaders_refuse_each_other_s_files(tmp_path: Path) -> None:
    write_generator(
        AblationGenerator("plain", GeneratorConfig(width=8, blocks=1)), tmp_path / "a.safetensors", origin=""
    )
    with pytest.raises(CheckpointError, match=r"none of its .* tensors is of an FFC generator"):
        load_generator(tmp_path / "a.safetensors")
    torch.save({"model.1.weight": torch.zeros(2)}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match="plain or multi-dilated"):
        load_ablation(tmp_path / "b.pth")
    short = {name: value for name, value in official_state("plain").items() if name != "model.5.weight"}
    torch.save(short, tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match=r"tensor model\.5\.weight is missing"):
        load_ablation(tmp_path / "c.pth")


def test_a_residual_output_is_not_the_paper_s() -> None:
    with pytest.raises(ValueError, match="sigmoid or tanh"):
        AblationGenerator("plain", GeneratorConfig(width=8, blocks=1, output="residual"))
