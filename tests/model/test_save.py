"""Weights are written as a whole, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import SaveError, hash_weights, write_safetensors
from lama_core.model.installed.load import load_generator


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorConfig(width=8, blocks=1))


def test_half_precision(tmp_path: Path, generator: Generator) -> None:
    path = tmp_path / "x.safetensors"
    write_safetensors(generator, path, metadata={}, dtype=torch.float16)
    found = load_generator(path)
    for name, value in generator.named_parameters():
        assert torch.equal(found.get_parameter(name), value.half().float())
    count = sum(value.numel() for value in generator.parameters())
    assert path.stat().st_size < 2.6 * count


def test_replaces_a_file(tmp_path: Path, generator: Generator) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("old")
    write_safetensors(generator, path, metadata={})
    load_generator(path)
    assert os.listdir(tmp_path) == ["x.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits")
def test_permissions_are_those_of_any_new_file(tmp_path: Path, generator: Generator) -> None:
    write_safetensors(generator, tmp_path / "x.safetensors", metadata={})
    (tmp_path / "plain").touch()
    assert (tmp_path / "x.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_no_such_folder(tmp_path: Path, generator: Generator) -> None:
    with pytest.raises(SaveError, match="could not be written: No such file"):
        write_safetensors(generator, tmp_path / "none" / "x.safetensors", metadata={})


FULL = """
import resource, sys
from pathlib import Path
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import SaveError, write_safetensors
generator = Generator(GeneratorConfig(width=8, blocks=1))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_safetensors(generator, Path(sys.argv[1]), metadata={})
except SaveError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_no_room_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("old")
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert "could not be written: File too large" in found.stdout
    assert found.stdout.count("\n") == 1
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_an_interruption_leaves_what_was_there(
    tmp_path: Path, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "x.safetensors"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_safetensors(generator, path, metadata={})
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_hash_depends_on_values_alone(generator: Generator) -> None:
    state = generator.state_dict()
    digest = hash_weights(state)
    assert hash_weights(dict(reversed(state.items()))) == digest
    assert hash_weights({n: v for n, v in state.items() if not n.endswith("batches_tracked")}) == digest
    changed = {n: v.clone() for n, v in state.items()}
    changed["head.bias"][0] += 1e-6
    assert hash_weights(changed) != digest
