"""Models that are at hand by name."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
import torch

from lama_core.client.places import DATA_DIR_VARIABLE
from lama_core.inference import load_fast
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import CheckpointError, SaveError, write_safetensors
from lama_core.model.installed import importing, registry
from lama_core.model.installed.load import load_generator
from tests.model import files
from tests.model.reference_official import FFCResNetGenerator

Same = Callable[[Generator], None]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, and a built-in model that does not depend on what ships."""
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path / "data"))
    built_in = tmp_path / "package" / "compact.safetensors"
    built_in.parent.mkdir()
    compact = Generator(GeneratorConfig(width=8, blocks=1, output="residual"))
    write_safetensors(compact, built_in, metadata={"origin": "trained here"}, dtype=torch.float16)
    monkeypatch.setattr(registry, "built_in_path", lambda: built_in)
    return tmp_path / "data" / "models"


@pytest.fixture
def source(tmp_path: Path, official: FFCResNetGenerator) -> Path:
    return files.zip_folder(files.save_folder(tmp_path / "big-lama", official), tmp_path / "big-lama.zip")


def test_nothing_is_installed_at_first(folder: Path) -> None:
    (found,) = registry.list_models()
    assert found.name == "compact"
    assert found.built_in
    assert found.origin == "trained here"
    assert found.parameters == sum(value.numel() for value in load_generator("compact").parameters())
    assert found.problem == ""
    assert registry.default_model() == "compact"
    assert not folder.exists()
    assert load_generator("compact").config.output == "residual"


def test_import(folder: Path, source: Path, is_official: Same) -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    model = importing.import_model(source)
    assert model.name == "big-lama"
    assert model.path == folder / "big-lama.safetensors"
    assert model.origin == "big-lama.zip"
    assert model.source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert before <= datetime.fromisoformat(model.imported) <= datetime.now(timezone.utc)
    assert model.config["blocks"] == 2
    assert not model.built_in
    assert [found.name for found in registry.list_models()] == ["compact", "big-lama"]
    assert registry.default_model() == "big-lama"
    assert registry.find_model("big-lama") == model
    assert importing.verify_model("big-lama") == model
    is_official(load_generator("big-lama"))
    assert [path.name for path in folder.iterdir()] == ["big-lama.safetensors"]


def test_import_of_a_folder_hashes_its_checkpoint(source: Path, tmp_path: Path) -> None:
    model = importing.import_model(tmp_path / "big-lama", origin="https://example.org/big-lama")
    checkpoint = tmp_path / "big-lama" / "models" / "best.ckpt"
    assert model.source_sha256 == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert model.origin == "https://example.org/big-lama"


def test_import_keeps_what_weights_cannot_tell(tmp_path: Path, official: FFCResNetGenerator) -> None:
    importing.import_model(files.save_folder(tmp_path / "drawings", official, output="tanh"))
    assert load_generator("drawings").config.output == "tanh"


def test_import_twice_needs_replace(source: Path) -> None:
    first = importing.import_model(source)
    with pytest.raises(registry.ModelNameError, match="big-lama is installed already"):
        importing.import_model(source)
    assert registry.find_model("big-lama") == first
    importing.import_model(source, replace=True)
    importing.import_model(source, name="other")
    assert [found.name for found in registry.list_models()] == ["compact", "big-lama", "other"]


def test_import_of_a_bad_file_leaves_nothing(folder: Path, source: Path) -> None:
    source.write_bytes(source.read_bytes()[:-3000])
    with pytest.raises(CheckpointError, match="cut short"):
        importing.import_model(source)
    assert not folder.exists()


def test_import_into_a_folder_that_cannot_be(folder: Path, source: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("a file in the way")
    with pytest.raises(registry.StoreError, match="cannot be made"):
        importing.import_model(source)


def test_import_without_room(folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match="No space left on device"):
        importing.import_model(source)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "..\\a",
        "/etc/passwd",
        "Big",
        "a b",
        "-a",
        "a-",
        ".a",
        "a.",
        "x" * 65,
        "nul",
        "con.a",
        "ä",
        "a\n",
    ],
)
def test_names_that_cannot_be(folder: Path, source: Path, name: str) -> None:
    with pytest.raises(registry.ModelNameError, match="cannot be a model's name"):
        importing.import_model(source, name=name)
    with pytest.raises(registry.UnknownModelError):
        registry.remove_model(name)
    assert not folder.exists()


def test_the_built_in_name_is_taken(source: Path) -> None:
    with pytest.raises(registry.ModelNameError, match="ships with lama-fill"):
        importing.import_model(source, name="compact", replace=True)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("big-lama.zip", "big-lama"),
        ("Big LaMa (2).pt", "big-lama-2"),
        ("anime-manga-big-lama.pt", "anime-manga-big-lama"),
        ("big-lama/models/best.ckpt", "big-lama"),
        ("x/best.ckpt", "best"),
        ("lama.v2", "lama.v2"),
        ("model.SAFETENSORS", "model"),
    ],
)
def test_names_made_of_paths(tmp_path: Path, path: str, name: str) -> None:
    assert registry.name_for(tmp_path / path) == name


def test_no_name_can_be_made_of_some_paths() -> None:
    with pytest.raises(registry.ModelNameError, match="--name"):
        registry.name_for(Path("模型.pt"))


def test_remove(folder: Path, source: Path) -> None:
    importing.import_model(source)
    registry.remove_model("big-lama")
    assert registry.default_model() == "compact"
    assert list(folder.iterdir()) == []
    with pytest.raises(
        registry.UnknownModelError, match=r"no model 'big-lama' is installed \(installed: compact\)"
    ):
        registry.remove_model("big-lama")
    with pytest.raises(registry.StoreError, match="ships with lama-fill"):
        registry.remove_model("compact")
    assert load_generator("compact")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_nobody_else_may_change_a_model(source: Path) -> None:
    old = os.umask(0)
    try:
        path = importing.import_model(source).path
        registry.choose_model("big-lama")
    finally:
        os.umask(old)
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o644)
    assert (path.parent / "default").stat().st_mode & 0o777 == 0o644


class TestVerify:
    def test_built_in(self) -> None:
        assert importing.verify_model("compact").tensors_sha256

    def test_a_changed_value(self, source: Path) -> None:
        path = importing.import_model(source).path
        data = bytearray(path.read_bytes())
        data[-10] ^= 1
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="has changed since it was written"):
            importing.verify_model("big-lama")

    def test_every_flipped_bit_of_the_weights_is_found_when_they_are_loaded(self, source: Path) -> None:
        path = importing.import_model(source).path
        whole = path.read_bytes()
        begin = 8 + int.from_bytes(whole[:8], "little")
        randoms = random.Random(5)
        for _ in range(40):
            data = bytearray(whole)
            data[randoms.randrange(begin, len(data))] ^= 1 << randoms.randrange(8)
            path.write_bytes(data)
            with pytest.raises(CheckpointError):
                load_fast("big-lama", precision="fp32")
        path.write_bytes(whole)
        assert load_fast("big-lama", precision="fp32")

    def test_a_nan(self, source: Path) -> None:
        path = importing.import_model(source).path
        path.write_bytes(path.read_bytes()[:-4] + b"\xff\xff\xff\x7f")
        with pytest.raises(CheckpointError, match="NaN"):
            importing.verify_model("big-lama")

    def test_a_cut(self, source: Path) -> None:
        path = importing.import_model(source).path
        path.write_bytes(path.read_bytes()[:-1000])
        (found,) = (model for model in registry.list_models() if not model.built_in)
        assert found.problem.startswith("damaged")
        with pytest.raises(CheckpointError, match="cut short"):
            importing.verify_model("big-lama")
        registry.remove_model("big-lama")


class TestResolve:
    def test_names_before_paths(self, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert registry.resolve("big-lama") == Path(
            "big-lama"
        )  # the folder, while no such model is installed
        installed = importing.import_model(source).path
        assert registry.resolve("big-lama") == installed
        assert registry.resolve("./big-lama") == Path("big-lama")
        assert registry.resolve(Path("big-lama")) == Path("big-lama")
        assert registry.resolve("big-lama.zip") == Path("big-lama.zip")

    def test_unknown(self, source: Path) -> None:
        with pytest.raises(registry.UnknownModelError) as caught:
            load_generator("big-lamma")
        assert str(caught.value) == (
            "no model 'big-lamma' is installed (installed: compact); "
            "add one with: lama-fill models import FILE"
        )

    def test_a_path_that_is_not_there_is_no_name(self) -> None:
        for path in ("none.pt", "some/where", "./big-lama"):
            with pytest.raises(CheckpointError, match="no such file"):
                load_generator(path)


def test_without_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "built_in_path", lambda: tmp_path / "none")
    assert registry.list_models() == ()
    with pytest.raises(registry.UnknownModelError, match="installed: none"):
        registry.resolve("compact")


def test_files_that_are_being_written_are_not_listed(folder: Path, source: Path) -> None:
    importing.import_model(source)
    (folder / ".x.safetensors.abc.tmp").write_text("")
    (folder / ".y.safetensors").write_text("")
    assert [model.name for model in registry.list_models()] == ["compact", "big-lama"]


def test_listing_needs_no_torch(source: Path) -> None:
    importing.import_model(source)
    script = (
        "import sys\n"
        "from lama_core.model.installed import registry\n"
        "assert 'big-lama' in [model.name for model in registry.list_models()]\n"
        "assert registry.default_model() == 'big-lama'\n"
        "assert registry.resolve('big-lama').is_file()\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_users_folder_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_DIR_VARIABLE)
    assert registry.models_folder().parts[-2:] == ("lama-fill", "models")
