"""Zip archives that are made to harm: bombs, and names and links that lead elsewhere."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from lama_core.model.checkpoint.official_config import MAX_BYTES

_BIG = 32 << 20
"""What a bomb stands for, where it may be unpacked at all."""
_PART = 1 << 20


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive:
        for name, data in members:
            archive.writestr(name, data, compress_type=packing)
    return stream.getvalue()


def _zeros(name: str, size: int, *, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """One member of zeros, written piece by piece."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", packing) as archive, archive.open(name, "w", force_zip64=True) as file:
        for _ in range(size // _PART):
            file.write(bytes(_PART))
    return stream.getvalue()


def _claiming(data: bytes, old: int, new: int) -> bytes:
    """Every 32 bit number `old` made `new`: sizes are in the list of contents, and before the member too."""
    return data.replace(struct.pack("<L", old), struct.pack("<L", new))


def with_member(checkpoint: bytes, ending: str, data: bytes, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A checkpoint of which one member is another."""
    with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    return packed(
        *((name, data if name.endswith(ending) else content) for name, content in members), packing=packing
    )


def _overlapping(checkpoint: bytes, count: int) -> bytes:
    """So many names for the bytes of one member."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lama/models/best.ckpt", checkpoint)
        first = archive.infolist()[0]
        for number in range(count):
            again = zipfile.ZipInfo(f"lama/models/{number}.ckpt")
            for field in ("header_offset", "file_size", "compress_size", "compress_type", "CRC"):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
    return stream.getvalue()


def bombs(checkpoint: bytes, config: bytes) -> Iterator[tuple[str, bytes]]:
    """Archives of kilobytes that stand for much more, by what they do.

    Args:
        checkpoint: a good one, in torch's form.
        config: a good config.yaml.
    """
    good = ("lama/models/best.ckpt", checkpoint)
    yield "config.yaml of 64 MiB", packed(good, ("lama/config.yaml", bytes(64 << 20)))
    lies = packed(good, ("lama/config.yaml", b" " * (8 * MAX_BYTES)))
    yield "config.yaml that lies about its size", _claiming(lies, 8 * MAX_BYTES, 100)
    yield "a checkpoint of zeros", _zeros("lama/models/best.ckpt", _BIG)
    zeros = _zeros("lama/models/best.ckpt", 4 << 20)
    yield "a checkpoint that claims 4 GiB", _claiming(zeros, 4 << 20, (1 << 32) - 2)
    yield "a checkpoint that claims less than it has", _claiming(zeros, 4 << 20, 1000)
    pickled = b"\x80\x02X" + struct.pack("<L", 64 << 20) + b"a" * (64 << 20) + b"."
    yield "a pickle of 64 MiB", with_member(checkpoint, "data.pkl", pickled)
    yield "a weight of zeros", with_member(checkpoint, "/data/0", bytes(_BIG))
    nested = _zeros("x", 16 << 20)
    for number in range(6):
        nested = packed((f"lama/models/{number}.ckpt", nested))
    yield "archives in archives", nested
    yield "many names for the same bytes", _overlapping(checkpoint, 3000)
    yield "10,000 members", packed(*((f"lama/{number}", b"") for number in range(10_000)), good)
    yield "lzma", packed(good, packing=zipfile.ZIP_LZMA)
    yield "bzip2", _zeros("lama/models/best.ckpt", 16 << 20, packing=zipfile.ZIP_BZIP2)
    whole = packed(good, ("lama/config.yaml", config))
    # The flag that says "encrypted", in the list of contents and before each member.
    yield "encrypted", whole.replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0")
    yield "a comment of 64 KiB", whole[:-2] + b"\xff\xff" + b"PK\5\6" * 16_383 + b"abc"


def _link(name: str, to: str) -> tuple[zipfile.ZipInfo, bytes]:
    """A symbolic link, as zip has them."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, to.encode()


def leading_elsewhere(checkpoint: bytes, config: bytes, target: Path) -> Iterator[tuple[str, bytes]]:
    """Archives whose names and links lead out of them, by what they do. `target`: a file that exists."""
    up = "../" * 12 + str(target).lstrip("/")
    names = (
        str(target),
        up,
        up + "/models/best.ckpt",
        f"lama/models/{up}",
        f"lama/models/{up}.ckpt",
        up.replace("/", "\\") + ".ckpt",
        f"C:{target}.ckpt",
        f"//{target}.ckpt",
        f"lama/\0{target}.ckpt",
        "lama/models/best.ckpt/../../../best.ckpt",
        "lama/models/" + "n" * 5000 + ".ckpt",
        "CON.ckpt",
        "lama/models/\x1b[2J\r\n.ckpt",
    )
    for name in names:
        yield f"a checkpoint named {name!r:.60}", packed((name, checkpoint))
        yield f"config.yaml beside {name!r:.60}", packed((name, config), ("a/models/best.ckpt", checkpoint))
    for to in (str(target), up, "/etc/passwd", "best.ckpt", "/dev/zero", "/proc/self/mem"):
        yield f"best.ckpt is a link to {to:.60}", packed(_link("lama/models/best.ckpt", to))
        yield (
            f"config.yaml is a link to {to:.60}",
            packed(_link("lama/config.yaml", to), ("lama/models/best.ckpt", checkpoint)),
        )
        yield (
            f"the folder is a link to {to:.60}",
            packed(_link("lama/models", to), ("lama/models/best.ckpt", checkpoint)),
        )
        yield f"a weight is a link to {to:.60}", with_member(checkpoint, "/data/0", to.encode())


def saved(weights: dict[str, torch.Tensor]) -> bytes:
    """A checkpoint in torch's form."""
    stream = io.BytesIO()
    torch.save(weights, stream)
    return stream.getvalue()
