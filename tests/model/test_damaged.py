"""What is wrong with a file is said in one line that names it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import (
    ArchitectureError,
    CheckpointError,
    DamagedFileError,
    MissingFileError,
    NotACheckpointError,
    WeightsError,
    write_safetensors,
)
from lama_core.model.installed.load import load_generator
from tests.model import files
from tests.model.reference_official import FFCResNetGenerator

L2L = "model.5.conv1.ffc.convl2l.weight"


def message(path: Path, kind: type[CheckpointError]) -> str:
    with pytest.raises(kind) as caught:
        load_generator(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def save(path: Path, state: object) -> Path:
    torch.save(state, path)
    return path


class TestSomethingElse:
    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "is empty"),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "a PNG picture"),
            (b"\xff\xd8\xff\xe0" + b"\0" * 100, "a JPEG picture"),
            (b"<!DOCTYPE html><html><body>Not found</body></html>", "a web page"),
            (b"\n  <html lang=en>", "a web page"),
            (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "a web page"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 205669692\n", "git lfs pull"),
            (b"hello", "is not a checkpoint"),
            (b"\0" * 5000, "is not a checkpoint"),
            (b"\x80", "is not a checkpoint"),
            (b"\x1f\x8b\x08" + b"\0" * 50, "gzip"),
            (pickle.dumps({"a": 1}, protocol=2), "a plain pickle"),
            (pickle.dumps({"a": 1}, protocol=4), "a plain pickle"),
        ],
    )
    def test_is_named(self, tmp_path: Path, content: bytes, what: str) -> None:
        path = tmp_path / "big-lama.pt"
        path.write_bytes(content)
        assert what in message(path, NotACheckpointError)

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert "no such file" in message(tmp_path / "none.ckpt", MissingFileError)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        assert "expected models/best.ckpt" in message(tmp_path, MissingFileError)

    def test_a_folder_with_many_checkpoints(self, tmp_path: Path) -> None:
        for name in ("a.ckpt", "b.ckpt"):
            (tmp_path / name).touch()
        assert "2 checkpoints" in message(tmp_path, MissingFileError)

    def test_a_file_that_may_not_be_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        path = tmp_path / "x.ckpt"
        path.touch()
        monkeypatch.setattr(Path, "open", refuse)
        assert "Permission denied" in message(path, MissingFileError)

    def test_an_archive_of_other_things(self, tmp_path: Path) -> None:
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "hello")
        assert "without a checkpoint" in message(path, NotACheckpointError)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("models/a.ckpt", "hello")
        assert "(models/a.ckpt) is not a checkpoint" in message(path, NotACheckpointError)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("models/b.ckpt", "hello")
        assert "holds 2 checkpoints" in message(path, NotACheckpointError)

    def test_an_archive_in_an_archive(self, tmp_path: Path) -> None:
        inner, outer = tmp_path / "best.ckpt", tmp_path / "x.zip"
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("best.ckpt", "hello")
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(inner, "best.ckpt")
        assert "archive inside of an archive" in message(outer, NotACheckpointError)

    def test_a_saved_object_without_tensors(self, tmp_path: Path) -> None:
        for content in ({"a": 1}, [1, 2], torch.zeros(3).tolist(), None, [torch.zeros(2)]):
            assert "no tensors by name" in message(save(tmp_path / "x.pt", content), NotACheckpointError)

    def test_another_network(self, tmp_path: Path) -> None:
        other = torch.nn.Sequential(torch.nn.Conv2d(4, 8, 3), torch.nn.BatchNorm2d(8))
        text = message(save(tmp_path / "x.pt", other.state_dict()), ArchitectureError)
        assert "none of its 7 tensors is of an FFC generator" in text


class TestCutShort:
    @pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "torchscript", "official zip"])
    @pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.999])
    def test_is_said(self, tmp_path: Path, official: FFCResNetGenerator, form: str, share: float) -> None:
        path = tmp_path / "x.weights"
        match form:
            case "zip" | "legacy":
                files.save_lightning(path, official, legacy=form == "legacy")
            case "torchscript":
                files.save_torchscript(path, official)
            case "safetensors":
                safetensors.torch.save_file(official.state_dict(), path)
            case _:
                files.zip_folder(files.save_folder(tmp_path / "lama", official), path)
        load_generator(path)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        assert "cut short" in message(path, DamagedFileError)

    def test_inside_of_an_archive(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        checkpoint = folder / "models" / "best.ckpt"
        checkpoint.write_bytes(checkpoint.read_bytes()[:-5000])
        path = files.zip_folder(folder, tmp_path / "x.zip")
        assert "(lama/models/best.ckpt) is cut short" in message(path, DamagedFileError)

    def test_a_flipped_byte_in_a_tensor(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        path = save(tmp_path / "x.pt", official.state_dict())
        data = bytearray(path.read_bytes())
        at = data.find(official.state_dict()[L2L].numpy().tobytes())
        assert at > 0
        data[at + 9] ^= 1
        path.write_bytes(data)
        assert "damaged" in message(path, DamagedFileError)


class TestWeights:
    @pytest.mark.parametrize("form", ["lightning", "bare", "safetensors"])
    def test_wrong_shape(self, tmp_path: Path, official: FFCResNetGenerator, form: str) -> None:
        prefix = "generator." if form == "lightning" else ""
        for name, value in official.state_dict().items():
            if value.dim() == 0:
                continue
            state = {prefix + n: v.clone() for n, v in official.state_dict().items()}
            state[prefix + name] = torch.zeros(value.shape[0] + 2, *value.shape[1:])
            path = tmp_path / "x.weights"
            if form == "safetensors":
                safetensors.torch.save_file(state, path)
            else:
                save(path, {"state_dict": state} if form == "lightning" else state)
            text = message(path, WeightsError)
            found = "x".join(map(str, state[prefix + name].shape))
            expected = "x".join(map(str, value.shape))
            assert f"{prefix}{name} has shape {found}, expected {expected}" in text
            if form != "bare":
                break

    def test_missing(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        for name, value in official.state_dict().items():
            if value.dim() > 0:
                state = {f"generator.{n}": v for n, v in official.state_dict().items() if n != name}
                text = message(save(tmp_path / "x.pt", {"state_dict": state}), CheckpointError)
                assert f"has no tensor state_dict.generator.{name}" in text

    def test_many_missing(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        state = {n: v for n, v in official.state_dict().items() if "conv2" not in n}
        assert "(nor " in message(save(tmp_path / "x.pt", state), WeightsError)
        only = {L2L: official.state_dict()[L2L]}
        message(save(tmp_path / "x.pt", only), CheckpointError)

    def test_counters_may_be_missing(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        state = {n: v for n, v in official.state_dict().items() if not n.endswith("batches_tracked")}
        load_generator(save(tmp_path / "x.pt", state))

    def test_too_many(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        state = {
            **official.state_dict(),
            "model.1.ffc.convl2g.weight": torch.zeros(8, 4, 7, 7),
            "model.99.x": L2L,
        }
        text = message(save(tmp_path / "x.pt", state), WeightsError)
        assert "has tensors that a LaMa generator has not: model.1.ffc.convl2g.weight" in text

    @pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
    @pytest.mark.parametrize("name", [L2L, "model.6.conv2.bn_g.running_var", "model.18.bias"])
    def test_not_finite(self, tmp_path: Path, official: FFCResNetGenerator, value: float, name: str) -> None:
        state = {n: v.clone() for n, v in official.state_dict().items()}
        state[name].view(-1)[-1] = value
        assert f"{name} holds a NaN or an infinite" in message(save(tmp_path / "x.pt", state), WeightsError)

    def test_too_large_for_float32(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        state = {**official.state_dict(), L2L: official.state_dict()[L2L].double() * 1e300}
        assert f"{L2L} holds a NaN or an infinite" in message(save(tmp_path / "x.pt", state), WeightsError)

    @pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool, torch.complex64])
    def test_no_floating_point(
        self, tmp_path: Path, official: FFCResNetGenerator, dtype: torch.dtype
    ) -> None:
        state = {**official.state_dict(), L2L: torch.ones(official.state_dict()[L2L].shape, dtype=dtype)}
        kind = str(dtype).removeprefix("torch.")
        assert f"{L2L} holds {kind}" in message(save(tmp_path / "x.pt", state), WeightsError)

    def test_integers_in_safetensors(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        path = tmp_path / "x.safetensors"
        state = {**official.state_dict(), L2L: official.state_dict()[L2L].to(torch.int8)}
        safetensors.torch.save_file(state, path)
        assert f"{L2L} holds int8" in message(path, WeightsError)
        state[L2L] = state[L2L].to(torch.float8_e4m3fn)
        safetensors.torch.save_file(state, path)
        assert f"{L2L} is of type F8_E4M3" in message(path, WeightsError)

    def test_names_fit_for_one_line(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        for name in ("evil\n\x1b[2J\u202e", "x" * 190):
            state = {**official.state_dict(), f"model.{name}": torch.zeros(1)}
            text = message(save(tmp_path / "x.pt", state), WeightsError)
            assert text.isprintable()
            assert len(text) < len(str(tmp_path)) + 250


class TestArchitecture:
    @pytest.mark.parametrize(
        ("name", "meaning"),
        [
            ("model.5.conv1.ffc.gate.weight", "gated FFC"),
            ("model.5.conv1.ffc.convg2g.fu.se.fc.0.weight", "squeeze-and-excitation"),
            ("model.5.impl.conv1.ffc.convl2l.weight", "learned spatial transforms"),
        ],
    )
    def test_unsupported_parts(
        self, tmp_path: Path, official: FFCResNetGenerator, name: str, meaning: str
    ) -> None:
        state = {**official.state_dict(), name: torch.zeros(1)}
        assert meaning in message(save(tmp_path / "x.pt", state), ArchitectureError)

    def test_spectral_position_encoding(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        state = dict(official.state_dict())
        for name, value in state.items():
            if name.endswith("fu.conv_layer.weight"):
                state[name] = torch.zeros(value.shape[0], value.shape[1] + 2, 1, 1)
        text = message(save(tmp_path / "x.pt", state), ArchitectureError)
        assert "spectral position encoding" in text

    def test_more_inputs(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        state = {**official.state_dict(), "model.1.ffc.convl2l.weight": torch.zeros(8, 5, 7, 7)}
        text = message(save(tmp_path / "x.pt", state), WeightsError)
        assert "model.1.ffc.convl2l.weight has shape 8x5x7x7, expected 8x4x7x7" in text

    @pytest.mark.parametrize(
        ("line", "what"),
        [
            ("add_out_act: false", "add_out_act false"),
            ("add_out_act: softmax", "add_out_act softmax"),
            ("add_out_act: [1]", "add_out_act"),
            ("kind: pix2pixhd_global", "kind pix2pixhd_global"),
            ("padding_type: zero", "padding_type zero"),
        ],
    )
    def test_unsupported_settings(
        self, tmp_path: Path, official: FFCResNetGenerator, line: str, what: str
    ) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "config.yaml").write_text(f"generator:\n  {line}\n")
        with pytest.raises(ArchitectureError, match=r"config\.yaml") as caught:
            load_generator(folder)
        assert what in str(caught.value)


class TestOurMetadata:
    @pytest.mark.parametrize(
        "config",
        [
            "{}x",
            "[]",
            '{"width": "8"}',
            '{"width": true}',
            '{"unknown": 1}',
            '{"width": 3}',
            '{"global_ratio": NaN}',
            '{"output": "none"}',
            "[" * 100_000,
        ],
    )
    def test_is_checked(self, tmp_path: Path, config: str) -> None:
        state = Generator(GeneratorConfig(width=8, blocks=1)).state_dict()
        path = tmp_path / "x.safetensors"
        safetensors.torch.save_file(state, path, metadata={"format": "lama-fill", "config": config})
        assert "description of the architecture" in message(path, DamagedFileError)

    @pytest.mark.parametrize(
        "config", ['{"blocks": 1000000000}', '{"width": 1000000}', '{"width": 8, "blocks": 2}', "{}"]
    )
    def test_that_does_not_fit_the_weights(self, tmp_path: Path, config: str) -> None:
        state = Generator(GeneratorConfig(width=8, blocks=1)).state_dict()
        path = tmp_path / "x.safetensors"
        safetensors.torch.save_file(state, path, metadata={"format": "lama-fill", "config": config})
        message(path, CheckpointError)

    def test_without_a_config(self, tmp_path: Path) -> None:
        state = Generator(GeneratorConfig(width=8, blocks=1)).state_dict()
        safetensors.torch.save_file(state, tmp_path / "x.safetensors", metadata={"format": "lama-fill"})
        message(tmp_path / "x.safetensors", DamagedFileError)


def test_nothing_of_a_good_file_is_refused(tmp_path: Path) -> None:
    generator = Generator(GeneratorConfig(width=8, blocks=1))
    write_safetensors(generator, tmp_path / "x.safetensors", metadata={})
    found = load_generator(tmp_path / "x.safetensors")
    for name, value in generator.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
