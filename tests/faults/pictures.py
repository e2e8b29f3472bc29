"""7. Pictures: bombs, and files of every kind with bytes changed."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.faults.row import Bench, Section
from tests.model.mutating import mutate

SECTION = Section(7, "Pictures")
KINDS = ("png", "jpeg", "webp", "tiff")

_READ = """
import sys
from pathlib import Path
from lama_cli.pictures import PictureError, read_mask, read_picture
otherwise = 0
for path in sorted(Path(sys.argv[1]).iterdir()):
    for read in (read_picture, read_mask):
        try:
            read(path, max_pixels=1 << 22)
        except PictureError as error:
            otherwise += not str(error)
        except Exception as error:
            print(path.name, repr(error), file=sys.stderr)
            otherwise += 1
status = Path("/proc/self/status").read_text()  # not getrusage, which knows what the parent took
print(otherwise, int(status.partition("VmHWM:")[2].split()[0]) >> 10)
"""


def _read_all(folder: Path) -> tuple[int, int]:
    """Read every file of a folder as a picture and as a mask, in one process of its own, as a batch does.

    Returns:
        How many ended otherwise than with a picture or one line, and the MiB that the process took.
    """
    if sys.platform != "linux":
        pytest.skip("only Linux says how much memory a process had at most")
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"the process died ({done.returncode}): {done.stderr[-2000:]}"
    otherwise, memory = map(int, done.stdout.split())
    assert not otherwise, done.stderr[-2000:]
    return otherwise, memory


def _samples() -> dict[str, list[bytes]]:
    """Small pictures of each kind, with metadata."""
    randoms = np.random.default_rng(7)
    rgba = Image.fromarray(randoms.integers(0, 256, (24, 32, 4), np.uint8))
    found: dict[str, list[bytes]] = {}
    for kind in KINDS:
        for picture in (rgba.convert("RGB"), rgba.convert("L"), rgba):
            if kind == "jpeg" and picture.mode == "RGBA":
                continue
            for options in ({}, {"compression": "tiff_lzw"} if kind == "tiff" else {"quality": 40}):
                stream = io.BytesIO()
                picture.save(stream, kind, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", **options)
                found.setdefault(kind, []).append(stream.getvalue())
    return found


@SECTION.row(
    "changed files",
    "PNG, JPEG, WebP and TIFF with bytes flipped, dropped, repeated or cut, read by one process",
    short=200,
    soak=8000,
    figure="neither a picture nor one line",
)
def _changed(bench: Bench, count: int) -> float:
    randoms = random.Random(7)
    samples = _samples()
    folder = bench.folder / "changed"
    folder.mkdir()
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        data = mutate(randoms.choice(samples[kind]), randoms)
        (folder / f"{number:05}.{kind}").write_bytes(data)
    otherwise, memory = _read_all(folder)
    bench.record(f"{memory} MiB at most")
    return otherwise


_FILL = """
import contextlib, io, sys
from pathlib import Path
from lama_cli import main
from lama_cli.pictures import read_picture
folder = Path(sys.argv[1])
picture, mask = folder / "picture.png", folder / "mask.png"
filled = otherwise = 0
for number, path in enumerate(sorted(folder.glob("changed*"))):
    out = folder / f"out{path.suffix}"
    given = [str(path), "--mask", str(mask)] if number % 4 else [str(picture), "--mask", str(path)]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            status = main(["fill", *given, "-o", str(out)])
    except Exception as error:
        print(path.name, repr(error), file=sys.stderr)
        otherwise += 1
        continue
    lines = said.getvalue().splitlines()
    if status == 0:
        filled += 1
        before, after = (read_picture(one).pixels.shape[:2] for one in (Path(given[0]), out))
        fine = before == after
        out.unlink()
    else:
        fine = status == 2 and not out.exists() and lines[-1].startswith("lama-fill: ")
    if not fine or not all(line.isprintable() for line in lines):
        print(path.name, status, ascii(lines), file=sys.stderr)
        otherwise += 1
print(otherwise, filled)
"""


@SECTION.row(
    "changed files, through `lama-fill fill`",
    "as above, 2,000 of each kind, as picture and as mask, all of them by one process and one server",
    short=60,
    soak=8000,
    figure="neither filled nor one line that says why",
)
def _changed_and_filled(bench: Bench, count: int) -> float:
    server = bench.start("scripted").ready()
    randoms = random.Random(12)
    samples = _samples()
    pixels = np.random.default_rng(7).integers(0, 256, (24, 32, 3), np.uint8)
    mask = np.zeros((24, 32), np.uint8)
    mask[8:14, 10:20] = 255
    Image.fromarray(pixels).save(bench.folder / "picture.png")
    Image.fromarray(mask).save(bench.folder / "mask.png")
    holes = {kind: _saved(Image.fromarray(mask), kind) for kind in KINDS}
    for number in range(count):
        kind = KINDS[number // 4 % len(KINDS)]
        sample = randoms.choice(samples[kind]) if number % 4 else holes[kind]
        path = bench.folder / f"changed{number:05}.{kind}"
        path.write_bytes(mutate(sample, randoms))
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(bench.folder)],
        env={**os.environ, "LAMA_FILL_RUNTIME_DIR": str(server.folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the process died ({done.returncode}): {done.stderr[-2000:]}"
    otherwise, filled = map(int, done.stdout.split())
    assert not otherwise, done.stderr[-3000:]
    bench.record(f"{filled:,} were still pictures, and filled")
    return otherwise


def _saved(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def _png(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, and whose data are a megabyte of zeros, packed."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def _bombs() -> dict[str, bytes]:
    """Files of some kilobytes that stand for gigabytes."""
    found = {f"{side}.png": _png(side, side) for side in (50_000, 1_000_000, (1 << 31) - 1)}
    huge = Image.new("L", (12_000, 12_000))
    for kind, options in (
        ("webp", {"lossless": True}),
        ("jpeg", {}),
        ("png", {}),
        ("tiff", {"compression": "tiff_lzw"}),
    ):
        stream = io.BytesIO()
        huge.save(stream, kind, **options)
        found[f"flat.{kind}"] = stream.getvalue()
    text = zlib.compress(bytes(256 << 20), 9)
    whole = _png(1, 1)
    name = b"zTXt"
    payload = b"Comment\0\0" + text
    bomb = struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
    found["text.png"] = whole[:33] + bomb + whole[33:]
    return found


@SECTION.row(
    "bombs",
    "PNG, TIFF, WebP and JPEG of kilobytes that stand for gigabytes, and 256 MiB of packed text",
    short=8,
    soak=8,
    figure="MiB that reading took",
    limit=200,
)
def _bombed(bench: Bench, count: int) -> float:
    folder = bench.folder / "bombs"
    folder.mkdir()
    for name, data in list(_bombs().items())[:count]:
        (folder / name).write_bytes(data)
    return _read_all(folder)[1]
