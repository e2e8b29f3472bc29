"""Nothing in a file is executed, and no file can ask for more than it holds."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from lama_core.model import Generator
from lama_core.model.checkpoint import CheckpointError, DamagedFileError, detect
from lama_core.model.checkpoint.safe_unpickler import MAX_OPCODES, BadPickleError, Global, Opaque, read_pickle
from lama_core.model.checkpoint.torch_pickle import CONSTRUCTORS, named_tensors, storage_of
from lama_core.model.installed.load import load_generator
from tests.model import files
from tests.model.attacks import Calls, attacks
from tests.model.reference_official import FFCResNetGenerator

Same = Callable[[Generator], None]


def read(data: bytes) -> object:
    return read_pickle(io.BytesIO(data), constructors=CONSTRUCTORS, persistent=storage_of)


@pytest.fixture
def forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears if anything below is executed."""
    return tmp_path / "executed"


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_attacks_are_inert_and_the_weights_load(
    tmp_path: Path,
    official: FFCResNetGenerator,
    is_official: Same,
    forbidden: Path,
    legacy: bool,
    protocol: int,
) -> None:
    extra = {f"attack {n}": attack for n, attack in enumerate(attacks(forbidden))}
    path = files.save_lightning(
        tmp_path / "best.ckpt", official, legacy=legacy, protocol=protocol, extra=extra
    )
    # The attacks do work where a pickle is run.
    with zipfile.ZipFile(path) if not legacy else path.open("rb") as stream:
        data = stream.read("best/data.pkl") if not legacy else stream.read()
    assert b"posix\nsystem" in data or b"system" in data
    before = set(sys.modules)
    is_official(load_generator(path))
    assert not forbidden.exists()
    assert not {name for name in set(sys.modules) - before if name.startswith(("pytorch_l", "omegaconf"))}


def test_an_attack_in_the_place_of_a_tensor(
    tmp_path: Path, official: FFCResNetGenerator, forbidden: Path
) -> None:
    for attack in attacks(forbidden):
        state = {**official.state_dict(), "model.1.ffc.convl2l.weight": attack}
        torch.save(state, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match=r"has no tensor model\.1\.ffc\.convl2l\.weight"):
            load_generator(tmp_path / "x.pth")
    assert not forbidden.exists()


def test_names_are_never_imported() -> None:
    data = b"\x80\x04\x8c\x09antigravi\x8c\x01t\x93."
    assert read(data) == Global("antigravi", "t")
    assert read(b"cthis\nno\n.") == Global("this", "no")
    assert "this" not in sys.modules


def test_dotted_names_reach_nothing() -> None:
    # Protocol 4 lets a name have dots, by which a permitted module would lead to any other.
    for module, name in (("torch", "os.system"), ("torch._utils", "_rebuild_tensor_v2.__globals__")):
        data = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name))
        made = read(data + b"\x93\x8c\x02id\x85R.")
        assert isinstance(made, Opaque)
        assert made.name == f"{module}.{name}"


@pytest.mark.parametrize("opcode", [b"R", b"\x81", b"o", b"b"])
@pytest.mark.parametrize("target", [b"cposix\nsystem\n", b"]", b"}", b"N", b"K\x01", b")"])
def test_calls_of_anything_make_something_inert(opcode: bytes, target: bytes) -> None:
    mark = b"(" if opcode == b"o" else b""
    arguments = b"U\x02id" if opcode == b"o" else b"U\x02id\x85"
    made = read(b"\x80\x02" + mark + target + arguments + opcode + b".")
    assert made is None or isinstance(made, (Opaque, Global, list, dict, int, tuple))


def test_state_changes_nothing_but_what_is_inert() -> None:
    assert read(b"\x80\x02}}U\x01aK\x01sb.") == {}
    made = read(b"\x80\x02cos\nX\n)\x81}U\x01aK\x01sb.")
    assert isinstance(made, Opaque)
    assert made.state == {"a": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x02a.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02K\x01K\x02K\x03s.",
        b"\x80\x02h\x05.",
        b"\x80\x02e.",
        b"\x80\x02(u.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02\x85.",
        b"\x80\x02R.",
        b"\x80\x05\x97.",
        b"\x80\x02\xff.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.",
        b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
        b"I" + b"9" * 10_000 + b"\n.",
    ],
)
def test_no_pickle_at_all(data: bytes) -> None:
    with pytest.raises(BadPickleError):
        read(data)


class TestBounds:
    @pytest.fixture(autouse=True)
    def _bounded_memory(self) -> object:
        before = psutil.Process().memory_info().rss
        yield
        assert psutil.Process().memory_info().rss - before < 400 << 20

    def test_of_memo_indices(self) -> None:
        # Python's own unpickler makes a table as long as the index.
        assert read(b"\x80\x02Nr\xff\xff\xff\xff.") is None

    def test_of_instructions(self) -> None:
        with pytest.raises(BadPickleError, match="too many"):
            read(b"\x80\x02" + b"]" * (MAX_OPCODES + 10) + b".")

    def test_of_hashing(self) -> None:
        # Forty tuples, each of the one before twice: as a key, 2^40 hashes.
        made = read(b"\x80\x02}K\x01" + b"2\x86" * 40 + b"K\x01s.")
        assert isinstance(made, dict)
        assert len(made) == 1

    def test_of_sharing(self) -> None:
        # Forty dicts, each with the one before under two names: 2^40 paths.
        data = b"\x80\x02}q\x00"
        for n in range(40):
            data += b"}(U\x01ah" + bytes([n]) + b"U\x01bh" + bytes([n]) + b"uq" + bytes([n + 1])
        assert named_tensors(read(data + b".")) == {}

    def test_of_a_loop(self) -> None:
        assert named_tensors(read(b"\x80\x02}q\x00U\x01ah\x00s.")) == {}

    def test_of_depth(self) -> None:
        assert named_tensors(read(b"\x80\x02" + b"}U\x01a" * 100_000 + b"}" + b"s" * 100_000 + b".")) == {}


def tensor_pickle(storage: object, offset: object, shape: object, strides: object) -> bytes:
    """A tensor as a pickle, with anything for its parts."""

    class Pickler(pickle._Pickler):  # type: ignore[misc]
        def persistent_id(self, value: object) -> object:
            return value[1] if isinstance(value, tuple) and value[:1] == ("persistent",) else None

    stream = io.BytesIO()
    call = Calls(torch._utils._rebuild_tensor_v2, ("persistent", storage), offset, shape, strides, False, {})
    Pickler(stream, protocol=2).dump({"model.1.ffc.convl2l.weight": call})
    return stream.getvalue()


GOOD = ("storage", torch.FloatStorage, "0", "cpu", 4)


@pytest.mark.parametrize(
    ("storage", "offset", "shape", "strides"),
    [
        (GOOD, -1, (2,), (1,)),
        (GOOD, 0, (-2,), (1,)),
        (GOOD, 0, (2,), (-1,)),
        (GOOD, 0, (2, 2), (1,)),
        (GOOD, 0, (1,) * 100, (1,) * 100),
        (GOOD, "0", (2,), (1,)),
        (GOOD, 0, [2], [1]),
        (GOOD, 0, ("2",), (1,)),
        (None, 0, (2,), (1,)),
        ("storage", 0, (2,), (1,)),
        (("storage", torch.FloatStorage, "0", "cpu", -4), 0, (2,), (1,)),
        (("storage", torch.FloatStorage, 0, "cpu", 4), 0, (2,), (1,)),
        (("storage", os.system, "0", "cpu", 4), 0, (2,), (1,)),
        (("storage", "FloatStorage", "0", "cpu", 4), 0, (2,), (1,)),
        (("module", torch.FloatStorage, "0", "cpu", 4), 0, (2,), (1,)),
        (("storage", torch.FloatStorage, "0", "cpu", 4, ("1", 0, 4)), 0, (2,), (1,)),
    ],
)
def test_malformed_tensors_are_no_tensors(
    storage: object, offset: object, shape: object, strides: object
) -> None:
    assert named_tensors(read(tensor_pickle(GOOD, 0, (2,), (1,)))) != {}
    assert named_tensors(read(tensor_pickle(storage, offset, shape, strides))) == {}


@pytest.mark.parametrize("change", ["offset", "strides", "length", "key"])
def test_tensors_that_reach_outside_of_their_data(
    tmp_path: Path, official: FFCResNetGenerator, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def reduce(tensor: torch.Tensor, protocol: int) -> object:
        function, arguments = original(tensor, protocol)
        storage, offset, shape, strides, *rest = arguments
        if tensor.shape == (3, 8, 7, 7):
            offset += 5 * (change == "offset")
            strides = (strides[0] + 1, *strides[1:]) if change == "strides" else strides
        return function, (storage, offset, shape, strides, *rest)

    original = torch.Tensor.__reduce_ex__
    monkeypatch.setattr(torch.Tensor, "__reduce_ex__", reduce)
    torch.save(official.state_dict(), tmp_path / "x.pth")
    monkeypatch.undo()
    if change in ("length", "key"):
        rewrite(tmp_path / "x.pth", drop_last=change == "key")
    with pytest.raises(DamagedFileError, match=r"reaches outside|too short|is missing"):
        load_generator(tmp_path / "x.pth")


def rewrite(path: Path, *, drop_last: bool) -> None:
    """Take away a storage, or a part of it, and leave the archive whole."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = max((n for n in members if "/data/" in n), key=lambda n: len(members[n]))
    if drop_last:
        del members[name]
    else:
        members[name] = members[name][:-4]
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


class TestBombs:
    def test_of_a_config(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        with (folder / "config.yaml").open("ab") as stream:
            stream.truncate(10 << 30)
        with pytest.raises(DamagedFileError, match=r"config\.yaml is too large"):
            load_generator(folder)

    def test_of_a_packed_config(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "config.yaml").write_bytes(b" " * (64 << 20))
        path = files.zip_folder(folder, tmp_path / "x.zip")
        with pytest.raises(DamagedFileError, match=r"config\.yaml says it has 67108864 bytes"):
            load_generator(path)

    def test_that_lies_about_its_size(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "config.yaml").write_bytes(b" " * (1 << 20))
        path = files.zip_folder(folder, tmp_path / "x.zip")
        data = path.read_bytes()
        size = struct.pack("<L", 1 << 20)
        path.write_bytes(data.replace(size, struct.pack("<L", 100)))
        with pytest.raises(DamagedFileError):
            load_generator(path)

    def test_of_a_packed_checkpoint(
        self, tmp_path: Path, official: FFCResNetGenerator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(detect, "MAX_PACKED_BYTES", 1 << 20)
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "models" / "best.ckpt").write_bytes(b"\0" * (8 << 20))
        path = files.zip_folder(folder, tmp_path / "x.zip")
        assert path.stat().st_size < 100_000
        with pytest.raises(CheckpointError, match="no room to unpack 8 MB"):
            load_generator(path)

    def test_of_a_packed_checkpoint_that_lies_about_its_size(
        self, tmp_path: Path, official: FFCResNetGenerator
    ) -> None:
        folder = files.save_folder(tmp_path / "lama", official)
        path = files.zip_folder(folder, tmp_path / "x.zip", compression=zipfile.ZIP_STORED)
        size = (folder / "models" / "best.ckpt").stat().st_size
        data = bytearray(path.read_bytes())
        at = data.rfind(struct.pack("<LL", size, size))
        data[at + 4 : at + 8] = struct.pack("<L", 1 << 30)
        path.write_bytes(data)
        with pytest.raises(DamagedFileError, match="cut short or damaged"):
            load_generator(path)

    @pytest.mark.parametrize(
        "text",
        [
            "generator: !!python/object/apply:os.system ['touch EXECUTED']",
            "generator:\n  add_out_act: !!python/object/apply:os.system ['touch EXECUTED']",
            "generator:\n  add_out_act: !!python/name:os.system",
            "&a [*a, *a]: 1",
            "[" * 100_000,
            "a: &a {b: 1}\n" + "\n".join(f"c{n}: {{<<: [*a, *a, *a]}}" for n in range(50)),
            "x: " + "1:" * 100_000 + "1",
            "{{{{",
            "\x00",
            "a: \ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
        ],
    )
    def test_of_yaml(
        self, tmp_path: Path, official: FFCResNetGenerator, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        folder = files.save_folder(tmp_path / "lama", official)
        (folder / "config.yaml").write_text(text)
        # Either it means nothing, or it is refused.
        try:
            assert load_generator(folder).config.output == "sigmoid"
        except CheckpointError as error:
            message = str(error)
        else:
            message = "config.yaml was ignored"
        assert "config.yaml" in message
        assert not (tmp_path / "EXECUTED").exists()

    @pytest.mark.parametrize("value", ["*x12", "[*x12]", "{a: b}", "[a]"])
    @pytest.mark.parametrize("name", ["kind", "padding_type", "add_out_act"])
    def test_of_aliases(self, tmp_path: Path, official: FFCResNetGenerator, name: str, value: str) -> None:
        """Thirteen lines that stand for 9^12 values: none of them is ever unfolded."""
        folder = files.save_folder(tmp_path / "lama", official)
        lines = ["x0: &x0 word", *(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 13))]
        (folder / "config.yaml").write_text("\n".join([*lines, f"generator: {{{name}: {value}}}"]))
        with pytest.raises(CheckpointError, match=r"config\.yaml is not readable"):
            load_generator(folder)
        (folder / "config.yaml").write_text(f"generator: {{{name}: {value.replace('*x12', '{}')}}}")
        with pytest.raises(CheckpointError, match=rf"generator\.{name} is no word"):
            load_generator(folder)

    def test_of_an_index(self, tmp_path: Path) -> None:
        state = {
            "model.1.ffc.convl2l.weight": torch.zeros(8, 4, 7, 7),
            "model.2.ffc.convl2l.weight": torch.zeros(16, 8, 3, 3),
            "model.999999999.conv1.ffc.convl2l.weight": torch.zeros(4),
        }
        torch.save(state, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match="FFC blocks; 1 to 100"):
            load_generator(tmp_path / "x.pth")

    def test_of_shapes(self, tmp_path: Path, official: FFCResNetGenerator) -> None:
        # One stored number, and a shape of terabytes.
        for shape in ((1 << 20, 1 << 20), (8, 4, 7, 1 << 40)):
            state = {**official.state_dict(), "model.1.ffc.convl2l.weight": torch.zeros(1).expand(shape)}
            torch.save(state, tmp_path / "x.pth")
            with pytest.raises(CheckpointError, match=r"model\.1\.ffc\.convl2l\.weight has shape"):
                load_generator(tmp_path / "x.pth")

    def test_of_width(self, tmp_path: Path) -> None:
        # An architecture that fits itself, of 4 million weights for each number in the file.
        one = torch.zeros(1)
        state = {
            "stem.ffc.local_to_local.weight": one.expand(8000, 4, 7, 7),
            "stem.norm_local.weight": one.expand(8000),
            "downs.0.ffc.local_to_local.weight": one.expand(2000, 8000, 3, 3),
            "downs.0.ffc.local_to_global.weight": one.expand(6000, 8000, 3, 3),
            "blocks.99.conv2.ffc.local_to_local.weight": one.expand(2000, 2000, 3, 3),
            "blocks.99.conv2.ffc.local_to_global.weight": one.expand(6000, 2000, 3, 3),
        }
        torch.save(state, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match="more than 536870912 weights"):
            load_generator(tmp_path / "x.pth")
