"""What a load leaves for the next one, and what happens when that is damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from lama_core.inference import cache, load, load_fast
from lama_core.inference.cache import Cache, processor_name, read_kernel_use, write_kernel_use
from lama_core.inference.kernel_use import NO_KERNELS, KernelUse
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors

CONFIG = GeneratorConfig(width=8, blocks=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAMA_FILL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fast"


@pytest.fixture
def model(tmp_path: Path, make_generator) -> Path:
    path = tmp_path / "model.safetensors"
    write_safetensors(make_generator(CONFIG), path, metadata={})
    return path


def _same(path: Path, make_generator, picture) -> None:
    image, hole = picture(40, 48)
    with torch.no_grad():
        expected = make_generator(CONFIG)(image, hole)
    assert torch.allclose(load_fast(path, precision="fp32")(image, hole), expected, atol=2e-5)


def test_second_load_reads_no_checkpoint(
    folder: Path, model: Path, make_generator, picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _same(model, make_generator, picture)
    read: list[Path] = []
    plain = load.read_generator
    monkeypatch.setattr(load, "read_generator", lambda path: (read.append(path), plain(path))[1])
    _same(model, make_generator, picture)
    assert read == []
    fast = load_fast(model, precision="fp32")
    assert isinstance(fast.plain, Generator)
    assert fast.plain is fast.plain
    assert read == [model]


def test_model_that_was_replaced_is_loaded_anew(folder: Path, model: Path, make_generator, picture) -> None:
    _same(model, make_generator, picture)
    torch.manual_seed(9)
    other = Generator(CONFIG).eval()
    write_safetensors(other, model, metadata={})
    image, hole = picture(40, 48)
    with torch.no_grad():
        expected = other(image, hole)
    assert torch.allclose(load_fast(model, precision="fp32")(image, hole), expected, atol=2e-5)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "no sum", "other facts"])
def test_damaged_entry_is_made_again(folder: Path, model: Path, make_generator, picture, damage: str) -> None:
    _same(model, make_generator, picture)
    (entry,) = folder.glob("*.safetensors")
    good = entry.read_bytes()
    if damage == "cut":
        entry.write_bytes(good[:-100])
    elif damage == "flip":
        entry.write_bytes(good[:-50] + bytes([good[-50] ^ 255]) + good[-49:])
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "no sum":
        entry.with_suffix(".crc").unlink()
    else:
        known = Cache.of(model)
        assert known is not None
        known.write_weights("fp32", {"stem.weight": torch.zeros(3)}, {"widht": 8})
    _same(model, make_generator, picture)
    assert entry.read_bytes() == good


def test_folder_that_cannot_be_written(model: Path, make_generator, picture, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMA_FILL_CACHE_DIR", str(tmp_path / "file"))
        _same(model, make_generator, picture)


def test_choice_of_a_precision_is_remembered(folder: Path, model: Path) -> None:
    known = Cache.of(model)
    assert known is not None
    assert known.read_choice("cpu") is None
    known.write_choice("cpu", "bf16")
    known.write_choice("cuda:0", "fp16")
    assert (known.read_choice("cpu"), known.read_choice("cuda:0")) == ("bf16", "fp16")
    (folder / f"{known.key}.json").write_text("[broken")
    assert known.read_choice("cpu") is None


def test_choice_is_used(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "compile_folded", lambda *args, precision, **more: precision)
    known = Cache.of(model)
    assert known is not None
    known.write_choice("cpu", "fp32")
    known.write_weights("fp32", {}, {})
    assert load_fast(model) == "fp32"


def test_oldest_entries_go(folder: Path, tmp_path: Path) -> None:
    for number in range(cache._MAX_ENTRIES + 3):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(b"\0" * 20)
        known = Cache.of(path)
        assert known is not None
        known.write_weights("fp32", {"w": torch.full((3,), float(number))}, {})
        os.utime(folder / f"{known.key}-fp32.safetensors", (number, number))
    assert len(list(folder.glob("*.safetensors"))) <= cache._MAX_ENTRIES + 1
    assert known.read_weights("fp32") is not None


MIXED = KernelUse(convolutions=("winograd", "direct", "library"))


def test_what_the_kernels_are_good_for_is_remembered_for_this_processor(folder: Path) -> None:
    assert read_kernel_use("cpu", "fp32 8+24") is None
    write_kernel_use("cpu", "fp32 8+24", MIXED)
    write_kernel_use("cpu", "bf16 8+24", NO_KERNELS)
    assert read_kernel_use("cpu", "fp32 8+24") == MIXED
    assert read_kernel_use("cpu", "bf16 8+24") == NO_KERNELS
    assert read_kernel_use("cpu", "fp32 16+48") is None
    assert all(processor_name() in name for name in json.loads((folder / "kernels.json").read_text()))


def test_another_processor_is_measured_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_kernel_use("cpu", "fp32 8+24", MIXED)
    monkeypatch.setattr(cache, "processor_name", lambda: "Another")
    assert read_kernel_use("cpu", "fp32 8+24") is None
    write_kernel_use("cpu", "fp32 8+24", NO_KERNELS)
    monkeypatch.undo()
    monkeypatch.setenv("LAMA_FILL_CACHE_DIR", str(folder.parent))
    assert read_kernel_use("cpu", "fp32 8+24") == MIXED


@pytest.mark.parametrize(
    "note",
    [
        None,
        7,
        {"convolutions": 3},
        {"convolutions": ["direct", "library"]},
        {"convolutions": [True, True, True]},
        {"convolutions": [["direct"], "direct", "direct"]},
        {"fourier": [1, 1, 1]},
        {"convolutions": ["library"] * 3, "other": []},
    ],
)
def test_a_note_that_makes_no_sense_is_none(folder: Path, note: object) -> None:
    write_kernel_use("cpu", "fp32 8+24", MIXED)
    path = folder / "kernels.json"
    path.write_text(json.dumps(dict.fromkeys(json.loads(path.read_text()), note)))
    assert read_kernel_use("cpu", "fp32 8+24") is None


def test_notes_do_not_grow_for_ever(folder: Path) -> None:
    for number in range(cache._MAX_NOTES + 3):
        write_kernel_use("cpu", str(number), MIXED)
    assert read_kernel_use("cpu", "2") is None
    assert read_kernel_use("cpu", "3") == MIXED
    assert read_kernel_use("cpu", str(number)) == MIXED


def test_what_the_kernels_are_good_for_is_measured_once(
    folder: Path, model: Path, make_generator, picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[GeneratorConfig] = []

    def choose(folded: object, config: GeneratorConfig, backend_of: object) -> KernelUse:
        asked.append(config)
        return MIXED

    monkeypatch.setattr(load, "choose_kernel_use", choose)
    monkeypatch.setattr(load.kernels, "available", lambda precision="fp32": True)
    for _ in range(2):
        load_fast(model, precision="fp32")
    assert asked == [CONFIG]
