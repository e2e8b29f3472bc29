"""Every form that weights come in gives the same generator."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors
from lama_core.model.installed.load import load_generator
from tests.model import files
from tests.model.reference_official import FFCResNetGenerator, random_official

Same = Callable[[Generator], None]


def test_official_folder(tmp_path: Path, official: FFCResNetGenerator, is_official: Same) -> None:
    generator = load_generator(files.save_folder(tmp_path / "big-lama", official))
    is_official(generator)
    assert generator.config == GeneratorConfig(width=8, blocks=2)


def test_folder_around_the_official_one(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same
) -> None:
    files.save_folder(tmp_path / "unpacked" / "big-lama", official)
    is_official(load_generator(tmp_path / "unpacked"))


@pytest.mark.parametrize("top", [True, False])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_official_zip(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same, top: bool, compression: int
) -> None:
    folder = files.save_folder(tmp_path / "big-lama", official)
    is_official(
        load_generator(files.zip_folder(folder, tmp_path / "x.zip", top=top, compression=compression))
    )


def test_zip_made_on_a_mac(tmp_path: Path, official: FFCResNetGenerator, is_official: Same) -> None:
    path = files.zip_folder(files.save_folder(tmp_path / "big-lama", official), tmp_path / "x.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/big-lama/._config.yaml", b"\x00\x05\x16\x07")
        archive.writestr("__MACOSX/big-lama/models/best.ckpt", b"\x00\x05\x16\x07")
    is_official(load_generator(path))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoint_alone(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same, legacy: bool, protocol: int
) -> None:
    path = files.save_lightning(tmp_path / "best.ckpt", official, legacy=legacy, protocol=protocol)
    is_official(load_generator(str(path)))


@pytest.mark.parametrize("wrapped", [True, False])
def test_torchscript(tmp_path: Path, official: FFCResNetGenerator, is_official: Same, wrapped: bool) -> None:
    is_official(load_generator(files.save_torchscript(tmp_path / "big-lama.pt", official, wrapped=wrapped)))


def test_torchscript_is_not_run(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.save_torchscript(tmp_path / "big-lama.pt", official)

    def refuse(*_: object) -> None:
        raise AssertionError("the file's own code must not be loaded")

    monkeypatch.setattr(torch.jit, "load", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    is_official(load_generator(path))


@pytest.mark.parametrize(
    "prefix", ["", "model.", "generator.model.", "module.generator.model.", "module.model."]
)
@pytest.mark.parametrize("legacy", [False, True])
def test_bare_state_dict(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same, prefix: str, legacy: bool
) -> None:
    state = {name.replace("model.", prefix, 1): value for name, value in official.state_dict().items()}
    torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)
    is_official(load_generator(tmp_path / "x.pth"))


@pytest.mark.parametrize("wrapper", ["state_dict", "generator", "params_ema"])
def test_wrapped_state_dict(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same, wrapper: str
) -> None:
    torch.save({wrapper: official.state_dict(), "step": 7}, tmp_path / "x.pth")
    is_official(load_generator(tmp_path / "x.pth"))


def test_state_dict_in_an_unknown_kind_of_dict(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same
) -> None:
    torch.save(defaultdict(list, official.state_dict()), tmp_path / "x.pth")
    is_official(load_generator(tmp_path / "x.pth"))


def test_whole_module(tmp_path: Path, official: FFCResNetGenerator, is_official: Same) -> None:
    torch.save(official, tmp_path / "x.pth")
    is_official(load_generator(tmp_path / "x.pth"))


def test_state_dict_with_our_names(tmp_path: Path, official: FFCResNetGenerator, is_official: Same) -> None:
    torch.save(official.state_dict(), tmp_path / "x.pth")
    ours = load_generator(tmp_path / "x.pth").state_dict()
    torch.save({"model": ours, "epoch": 3}, tmp_path / "ours.pth")
    is_official(load_generator(tmp_path / "ours.pth"))
    torch.save({f"module.{name}": value for name, value in ours.items()}, tmp_path / "module.pth")
    is_official(load_generator(tmp_path / "module.pth"))


@pytest.mark.parametrize("prefix", ["", "generator."])
def test_safetensors_of_others(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same, prefix: str
) -> None:
    state = {prefix + name: value for name, value in official.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "x.safetensors")
    is_official(load_generator(tmp_path / "x.safetensors"))


def test_our_safetensors(tmp_path: Path, official: FFCResNetGenerator, is_official: Same) -> None:
    torch.save(official.state_dict(), tmp_path / "x.pth")
    generator = load_generator(tmp_path / "x.pth")
    path = tmp_path / "x.safetensors"
    write_safetensors(generator, path, metadata={"name": "x", "origin": "a test"})
    is_official(load_generator(path))
    # Other programs read it too.
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        assert set(file.keys()) == {n for n in generator.state_dict() if not n.endswith("batches_tracked")}
    assert metadata["format"] == "lama-fill"
    assert metadata["origin"] == "a test"
    assert json.loads(metadata["config"])["blocks"] == 2


def test_our_safetensors_keep_what_weights_cannot_tell(tmp_path: Path) -> None:
    config = GeneratorConfig(width=8, blocks=1, downsamplings=2, global_ratio=0.5, output="residual")
    write_safetensors(Generator(config), tmp_path / "x.safetensors", metadata={}, dtype=torch.float16)
    assert load_generator(tmp_path / "x.safetensors").config == config


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_other_floating_types_become_float32(
    tmp_path: Path, official: FFCResNetGenerator, dtype: torch.dtype, form: str
) -> None:
    state = {n: v.to(dtype) if v.is_floating_point() else v for n, v in official.state_dict().items()}
    path = tmp_path / "x"
    if form == "safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    generator = load_generator(path)
    found = generator.head.weight
    assert found.dtype == torch.float32
    assert torch.equal(found, state["model.18.weight"].float())


def test_views_of_one_storage(tmp_path: Path, official: FFCResNetGenerator, is_official: Same) -> None:
    # Transposed and sliced tensors are stored as views of something larger.
    state = dict(official.state_dict())
    name = "model.5.conv1.ffc.convg2g.conv1.0.weight"
    value = state[name]
    larger = torch.full((value.shape[1] + 2, value.shape[0] + 3), torch.nan)
    larger[2:, 3:] = value[:, :, 0, 0].T
    state[name] = larger[2:, 3:].T[:, :, None, None]
    assert torch.equal(state[name], value)
    for legacy in (False, True):
        torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=not legacy)
        is_official(load_generator(tmp_path / "x.pth"))


def test_average_beside_the_generator(
    tmp_path: Path, official: FFCResNetGenerator, is_official: Same
) -> None:
    other = random_official(ngf=8, n_blocks=2, seed=5)
    state = {f"generator_average.{n}": v for n, v in other.state_dict().items()}
    state |= {f"generator.{n}": v for n, v in official.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "x.ckpt")
    is_official(load_generator(tmp_path / "x.ckpt"))


class TestArchitecture:
    @pytest.mark.parametrize(
        "config",
        [
            GeneratorConfig(width=8, blocks=1),
            GeneratorConfig(width=12, blocks=3, downsamplings=2),
            GeneratorConfig(width=8, blocks=2, downsamplings=1, global_ratio=0.5),
            GeneratorConfig(width=8, blocks=2, max_channels=48),
            GeneratorConfig(width=14, blocks=1, downsamplings=2, global_ratio=33 / 56),
            GeneratorConfig(width=8, blocks=2, local_fourier_unit=True),
            GeneratorConfig(width=10, blocks=11, downsamplings=4, global_ratio=0.25),
        ],
    )
    def test_is_found_from_the_weights(self, tmp_path: Path, config: GeneratorConfig) -> None:
        generator = Generator(config)
        torch.save(generator.state_dict(), tmp_path / "x.pth")
        found = load_generator(tmp_path / "x.pth")
        assert found.config.global_channels == config.global_channels
        assert found.config.local_channels == config.local_channels
        assert found.config.max_channels == config.max_channels
        assert found.config.local_fourier_unit == config.local_fourier_unit
        assert {n: v.shape for n, v in found.state_dict().items()} == {
            n: v.shape for n, v in generator.state_dict().items()
        }

    def test_of_the_released_models(self, tmp_path: Path) -> None:
        for config in (GeneratorConfig.big_lama(), GeneratorConfig.lama_fourier()):
            with torch.device("meta"):
                shapes = {n: v.shape for n, v in Generator(config).state_dict().items()}
            # One number stands for each tensor's values: the file stays small.
            state = {n: torch.zeros(()).expand(shape) for n, shape in shapes.items()}
            torch.save(state, tmp_path / "x.pth")
            assert load_generator(tmp_path / "x.pth").config == config


class TestOutput:
    @pytest.mark.parametrize(
        ("said", "meant"),
        [("sigmoid", "sigmoid"), ("tanh", "tanh"), ("true", "tanh"), ("'tanh'", "tanh"), ("True", "tanh")],
    )
    @pytest.mark.parametrize("form", ["folder", "zip", "checkpoint in a folder", "beside"])
    def test_comes_from_the_config(
        self, tmp_path: Path, official: FFCResNetGenerator, said: str, meant: str, form: str
    ) -> None:
        folder = files.save_folder(tmp_path / "lama", official, output=said)
        path = folder
        if form == "zip":
            path = files.zip_folder(folder, tmp_path / "lama.zip")
        elif form == "checkpoint in a folder":
            path = folder / "models" / "best.ckpt"
        elif form == "beside":
            path = folder / "best.ckpt"
            shutil.move(folder / "models" / "best.ckpt", path)
        assert load_generator(path).config.output == meant

    def test_is_tanh_where_the_config_leaves_it_to_the_official_code(
        self, tmp_path: Path, official: FFCResNetGenerator
    ) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "config.yaml").write_text("generator:\n  kind: ffc_resnet\n")
        assert load_generator(folder).config.output == "tanh"

    def test_is_sigmoid_without_a_config(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        torch.save(official.state_dict(), tmp_path / "x.pth")
        assert load_generator(tmp_path / "x.pth").config.output == "sigmoid"

    @pytest.mark.parametrize("text", ["", "a: 1", "- 1", "generator: big", "generator:\n- 1\n"])
    def test_is_sigmoid_with_a_config_of_something_else(
        self, tmp_path: Path, official: FFCResNetGenerator, text: str
    ) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "config.yaml").write_text(text)
        assert load_generator(folder).config.output == "sigmoid"


def test_weights_can_be_trained_on(tmp_path: Path, official: FFCResNetGenerator) -> None:
    torch.save(official.state_dict(), tmp_path / "x.pth")
    generator = load_generator(tmp_path / "x.pth")
    generator(torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)).sum().backward()
    assert all(value.grad is not None for value in generator.parameters())
    assert not any(value.is_meta for value in [*generator.buffers(), *generator.parameters()])
