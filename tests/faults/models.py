"""6. Models: files of weights that run something, that lie, that are cut or changed."""

from __future__ import annotations

import itertools
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import safetensors.torch
import torch

from lama_core.client.places import DATA_DIR_VARIABLE
from lama_core.inference import load_fast
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import CheckpointError, write_safetensors
from lama_core.model.installed.importing import import_model
from lama_core.model.installed.load import load_generator
from tests.faults.archives import bombs, leading_elsewhere, packed, saved, with_member
from tests.faults.downloads import bad_downloads
from tests.faults.row import Bench, Section
from tests.model import files
from tests.model.attacks import attacks
from tests.model.mutating import mutate, small_samples, survives
from tests.model.reference_official import random_official

SECTION = Section(6, "Models")
BOMBS, LEADING, CANARIES = 14, 50, 72


def _canary_files(folder: Path, witness: Path) -> Iterator[Path]:
    """Files in every form whose pickles call something that makes `witness`."""
    official = random_official(ngf=4, n_blocks=1)
    path = folder / "x.ckpt"
    for attack, legacy, protocol in itertools.product(attacks(witness), (False, True), (2, 4)):
        yield files.save_lightning(path, official, legacy=legacy, protocol=protocol, extra={"attack": attack})
    script = files.save_torchscript(folder / "script.pt", official).read_bytes()
    checkpoint = saved(official.state_dict())
    for attack in attacks(witness):
        raw = pickle.dumps(attack, 2)
        path.write_bytes(with_member(script, "data.pkl", raw))
        yield path
        path.write_bytes(with_member(script, "constants.pkl", raw))
        yield path
        inner = files.save_lightning(folder / "inner.ckpt", official, extra={"attack": attack}).read_bytes()
        path.write_bytes(packed(("lama/models/best.ckpt", inner)))
        yield path
    call = b"cposix\nsystem\nU" + bytes([len(f"touch {witness}")]) + f"touch {witness}".encode() + b"\x85R"
    for raw in (b"\x80\x02" + call + b"Q.", b"\x80\x02}U\x01a" + call + b"Qs.", b"Pcposix\nsystem\n."):
        for whole in (checkpoint, script):
            path.write_bytes(with_member(whole, "data.pkl", raw))
            yield path
        begin = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in begin) + raw)
        yield path


@SECTION.row(
    "pickles that call something",
    "files with os.system, exec, eval, getattr chains, map, torch.load, persistent ids in each form of file",
    short=CANARIES,
    soak=CANARIES,
    figure="called",
)
def _canaries(bench: Bench, count: int) -> float:
    witness = bench.folder / "called"
    called = tried = 0
    for path in itertools.islice(_canary_files(bench.folder, witness), count):
        survives(path, path.read_bytes())
        tried += 1
        called += witness.exists()
    assert tried == count
    return called


def _mutated(bench: Bench, count: int, change: object) -> float:
    randoms = random.Random(6)
    samples = small_samples(bench.folder)
    path = bench.folder / "x.weights"
    loaded = 0
    for number in range(count):
        form = list(samples)[number % len(samples)]
        loaded += survives(path, change(samples[form], randoms))  # type: ignore[operator]
    return loaded


@SECTION.row(
    "cuts",
    "files of every form (.ckpt new and old, TorchScript, safetensors, the official zip), cut anywhere",
    short=50,
    soak=500,
    figure="loaded as if whole",
)
def _cuts(bench: Bench, count: int) -> float:
    return _mutated(bench, count, lambda data, randoms: data[: randoms.randrange(len(data) - 1)])


@SECTION.row(
    "changes",
    "files of every form with bytes flipped, dropped, repeated or made extreme: a model, or one line",
    short=50,
    soak=1000,
    figure="other outcomes",
)
def _changes(bench: Bench, count: int) -> float:
    bench.record(f"{_mutated(bench, count, mutate):.0f} loaded")
    return 0.0


@SECTION.row(
    "an installed model, bit by bit",
    "flips of one bit of its weights, found when it is loaded",
    short=40,
    soak=1000,
    figure="loaded without a word",
)
def _flips(bench: Bench, count: int) -> float:
    randoms = random.Random(7)
    tiny = bench.folder / "tiny.safetensors"
    write_safetensors(Generator(GeneratorConfig(width=8, blocks=1)).eval(), tiny, metadata={})
    with mock.patch.dict("os.environ", {DATA_DIR_VARIABLE: str(bench.folder / "data")}):
        path = import_model(tiny, name="mine").path
        whole = path.read_bytes()
        begin = 8 + int.from_bytes(whole[:8], "little")
        unseen = 0
        for _ in range(count):
            data = bytearray(whole)
            data[randoms.randrange(begin, len(data))] ^= 1 << randoms.randrange(8)
            path.write_bytes(data)
            try:
                load_fast("mine", precision="fp32")
                unseen += 1
            except CheckpointError:
                pass
        path.write_bytes(whole)
        load_fast("mine", precision="fp32")
    return unseen


def _lying_headers(whole: bytes) -> list[bytes]:
    """Safetensors whose header lies about places, sizes, shapes and itself."""
    length = int.from_bytes(whole[:8], "little")
    header, data = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    names = [name for name in header if name.endswith(".weight")]
    found = []

    def add(changed: dict[str, object]) -> None:
        text = json.dumps(changed).encode()
        found.append(len(text).to_bytes(8, "little") + text + data)

    end = len(data)
    places = ([0, 4], [-8, 8], [0, 1 << 62], [end, end + 4], [8, 4], [0.5, 4], ["0", "4"], [0])
    for offsets in places:
        add({**header, names[0]: {**header[names[0]], "data_offsets": offsets}})
    for shape in ([1 << 40, 1 << 40], [-1, 4], [0], [1] * 5000, ["x"]):
        add({**header, names[0]: {**header[names[0]], "shape": shape}})
    add({**header, names[0]: {**header[names[0]], "dtype": "F8_E9M9"}})
    add({**header, names[1]: header[names[0]]})
    lengths = (0, 1, length - 1, length + 1, 1 << 40, (1 << 64) - 1)
    return found + [claimed.to_bytes(8, "little") + whole[8:] for claimed in lengths]


@SECTION.row(
    "safetensors that lie",
    "headers with overlapping, huge, negative and missing offsets, impossible shapes, another length",
    short=21,
    soak=21,
    figure="loaded",
)
def _lies(bench: Bench, count: int) -> float:
    path = bench.folder / "x.safetensors"
    safetensors.torch.save_file(random_official(ngf=4, n_blocks=1).state_dict(), path)
    lies = _lying_headers(path.read_bytes())
    assert len(lies) == 21
    return sum(survives(path, lie) for lie in lies[:count])


_BOMB = ["x0: &x0 word", *(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 13))]
_YAML = (
    "\n".join([*_BOMB, "generator: {kind: *x12}"]),
    "generator: &a {kind: *a}",
    "generator: !!python/object/apply:os.system ['touch called']",
    "generator:\n  add_out_act: !!python/name:os.system",
    "generator: {kind: " + "[" * 50_000,
    "generator: {kind: [a]}",
    "generator: {kind: {b: c}}",
    "a: &a {b: 1}\ngenerator: {<<: [*a, *a]}",
)


@SECTION.row(
    "config.yaml",
    "bombs of aliases, references to themselves, tags that would call something, 50,000 brackets",
    short=len(_YAML),
    soak=len(_YAML),
    figure="otherwise than one line, or a tag that is only text",
)
def _yaml(bench: Bench, count: int) -> float:
    folder = files.save_folder(bench.folder / "lama", random_official(ngf=4, n_blocks=1))
    otherwise = 0
    for text in _YAML[:count]:
        (folder / "config.yaml").write_text(text)
        try:
            load_generator(folder)
        except CheckpointError as error:
            otherwise += "\n" in str(error)
        otherwise += Path("called").exists()
    return otherwise


@SECTION.row(
    "a download",
    "servers that stall, trickle, cut, lie about lengths, send us to file: or http:, or change the file",
    short=65,
    soak=2000,
    figure="other files, or places asked that are not https",
)
def _downloads(bench: Bench, count: int) -> float:
    outcome = bad_downloads(bench.folder, count)
    assert not outcome.wrong, outcome.wrong
    return outcome.elsewhere


_LOAD = """
import sys
from pathlib import Path
from lama_core.model.checkpoint import CheckpointError
from lama_core.model.installed.load import load_generator
def most():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10
load_generator(Path(sys.argv[1]) / "good.zip")
before = most()
for path in sorted(Path(sys.argv[1]).glob("bomb*.zip")):
    try:
        load_generator(path)
        print(path.name, "loaded", file=sys.stderr)
    except CheckpointError as error:
        print(path.name, ascii(str(error)), file=sys.stderr)
        assert str(error).isprintable(), ascii(str(error))
print(most() - before)
"""


@SECTION.row(
    "zip bombs",
    "archives that stand for much more than they have, lie about size, overlap, nest, or have 10,000 members",
    short=BOMBS,
    soak=BOMBS,
    figure="MiB that loading took",
    limit=200,
)
def _zip_bombs(bench: Bench, count: int) -> float:
    if sys.platform != "linux":
        pytest.skip("only Linux says how much memory a process had at most")
    checkpoint, config = saved(random_official(ngf=4, n_blocks=1).state_dict()), b"generator: {}"
    made = list(bombs(checkpoint, config))
    assert len(made) == BOMBS
    for number, (_, data) in enumerate(made[:count]):
        (bench.folder / f"bomb{number:02}.zip").write_bytes(data)
    with zipfile.ZipFile(bench.folder / "good.zip", "w") as archive:
        archive.writestr("lama/models/best.ckpt", checkpoint)
    temporary = bench.folder / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(bench.folder)],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not list(temporary.iterdir()), "what is unpacked is removed again"
    return int(done.stdout)


@SECTION.row(
    "names and links in zips",
    "members named by paths that lead out of the archive, and symbolic links, of every part of a model",
    short=LEADING,
    soak=LEADING,
    figure="files written or changed elsewhere",
)
def _zip_names(bench: Bench, count: int) -> float:
    target = bench.folder / "elsewhere" / "target"
    target.parent.mkdir()
    temporary = bench.folder / "temporary"
    temporary.mkdir()
    checkpoint, config = saved(random_official(ngf=4, n_blocks=1).state_dict()), b"generator: {}"
    target.write_bytes(checkpoint)  # so that what follows a link would load
    made = list(leading_elsewhere(checkpoint, config, target))
    assert len(made) == LEADING
    loaded = 0
    path = bench.folder / "x.zip"
    with mock.patch.object(tempfile, "tempdir", str(temporary)):
        for name, data in made[:count]:
            inside = survives(path, data)
            assert not (inside and name.startswith(("best.ckpt is a link", "a weight is a link"))), name
            loaded += inside
    bench.record(f"{loaded} loaded, each from the archive's own bytes")
    there = {str(entry.relative_to(bench.folder)) for entry in bench.folder.rglob("*")}
    other = there - {"x.zip", "temporary", "elsewhere", "elsewhere/target"}
    return len(other) + (target.read_bytes() != checkpoint)
