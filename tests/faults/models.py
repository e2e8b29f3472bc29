"""6. Models: files of weights that run something, that lie, that are cut or changed."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path
from unittest import mock

import safetensors.torch

from lama_core.client.places import DATA_DIR_VARIABLE
from lama_core.inference import load_fast
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import CheckpointError, write_safetensors
from lama_core.model.installed.importing import import_model
from lama_core.model.installed.load import load_generator
from tests.faults.downloads import bad_downloads
from tests.faults.row import Bench, Section
from tests.model import files
from tests.model.attacks import attacks
from tests.model.mutating import mutate, small_samples, survives
from tests.model.reference_official import random_official

SECTION = Section(6, "Models")


@SECTION.row(
    "pickles that call something",
    "files with os.system, exec, eval, getattr chains, map, torch.load in each form and pickle protocol",
    short=36,
    soak=36,
    figure="called",
)
def _canaries(bench: Bench, count: int) -> float:
    witness = bench.folder / "called"
    official = random_official(ngf=4, n_blocks=1)
    ways = itertools.product(attacks(witness), (False, True), (2, 4))
    called = 0
    for attack, legacy, protocol in itertools.islice(ways, count):
        path = bench.folder / "x.ckpt"
        files.save_lightning(path, official, legacy=legacy, protocol=protocol, extra={"attack": attack})
        load_generator(path)
        called += witness.exists()
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
