"""Changed files load or end in a `CheckpointError`: no other error, nothing run, and memory stays bounded."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.model.checkpoint.safe_unpickler import BadPickleError, read_pickle
from lama_core.model.checkpoint.torch_pickle import CONSTRUCTORS, named_tensors, storage_of
from tests.model.mutating import FORMS, mutate, small_samples, survives

MOST_MEMORY = 300 << 20


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return small_samples(tmp_path_factory.mktemp("samples"))


def fuzz(samples: dict[str, bytes], folder: Path, form: str, rounds: int, seed: int) -> None:
    chance = random.Random(f"{form} {seed}")
    assert survives(folder / "x", samples[form])
    before = psutil.Process().memory_info().rss
    loaded = sum(survives(folder / "x", mutate(samples[form], chance)) for _ in range(rounds))
    assert psutil.Process().memory_info().rss - before < MOST_MEMORY
    # Were none refused, or all, the changes would not be what they are meant to be.
    assert 0 < loaded < rounds


@pytest.mark.parametrize("form", FORMS)
def test_changed_files(samples: dict[str, bytes], tmp_path: Path, form: str) -> None:
    fuzz(samples, tmp_path, form, rounds=200, seed=0)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", FORMS)
def test_many_changed_files(samples: dict[str, bytes], tmp_path: Path, form: str) -> None:
    fuzz(samples, tmp_path, form, rounds=20_000, seed=1)


@pytest.mark.parametrize("form", ["zip", "torchscript"])
def test_changed_pickles_in_a_whole_archive(samples: dict[str, bytes], tmp_path: Path, form: str) -> None:
    # A changed archive mostly fails its checksum; here the change is made before the checksum is.
    chance = random.Random(form)
    with zipfile.ZipFile(io.BytesIO(samples[form])) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(n for n in members if n.endswith("/data.pkl"))
    for _ in range(200):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, mutate(data, chance) if member == name else data)
        survives(tmp_path / "x", stream.getvalue())


@given(st.binary(max_size=200))
def test_any_bytes_as_a_pickle(data: bytes) -> None:
    for start in (b"", b"\x80\x02", b"\x80\x04\x95"):
        try:
            made = read_pickle(
                io.BytesIO(start + data + b"."), constructors=CONSTRUCTORS, persistent=storage_of
            )
        except BadPickleError:
            continue
        named_tensors(made)


@given(
    st.lists(
        st.sampled_from(
            [bytes([n]) for n in b"().012NQRbadelost}]\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"]
            + [b"K\x01", b"U\x01a", b"q\x01", b"h\x01", b"cposix\nsystem\n", b"ccollections\nOrderedDict\n"]
            + [b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"U\x07storage"]
        ),
        max_size=60,
    )
)
def test_any_instructions_as_a_pickle(instructions: list[bytes]) -> None:
    stream = io.BytesIO(b"\x80\x02" + b"".join(instructions) + b".")
    try:
        made = read_pickle(stream, constructors=CONSTRUCTORS, persistent=storage_of)
    except BadPickleError:
        return
    named_tensors(made)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_file(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bytes"
    for start in (b"", b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", b"\x20\0\0\0\0\0\0\0{"):
        assert not survives(path, start + data)
