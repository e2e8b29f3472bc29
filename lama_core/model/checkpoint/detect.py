"""Telling what a path is, and getting at the tensors in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lama_core.model.checkpoint.archive import Archive
from lama_core.model.checkpoint.errors import (
    CheckpointError,
    DamagedFileError,
    MissingFileError,
    NotACheckpointError,
)
from lama_core.model.checkpoint.official_config import FFC_KINDS, read_official_output
from lama_core.model.checkpoint.official_config import MAX_BYTES as MAX_CONFIG_BYTES
from lama_core.model.checkpoint.safetensors_file import SafetensorsFile, starts_like_safetensors
from lama_core.model.checkpoint.tensors import TensorFile
from lama_core.model.checkpoint.torch_legacy import open_torch_legacy, starts_like_legacy
from lama_core.model.checkpoint.torch_zip import find_root, open_torch_zip
from lama_core.model.config import Output

SUFFIXES = (".ckpt", ".pt", ".pth", ".safetensors")
CONFIG = "config.yaml"
MAX_PACKED_BYTES = 4 << 30
"""Of a checkpoint inside an archive; big-lama's has 410 MB."""

_KNOWN_STARTS = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7-Zip archive; unpack it first"),
    (b"\xfd7zXZ", "an xz archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"version https://git-lfs", "a pointer of git-lfs: fetch the file itself with `git lfs pull`"),
    (b"\x08\x00", "an ONNX model"),
    (b"\x89HDF", "an HDF5 file"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file of weights, open for reading."""

    file: TensorFile
    output: Output | None
    """What a config.yaml beside it says of the activation at the end."""


def weights_file(path: Path) -> Path:
    """The file that holds the weights: the path itself, or the checkpoint of an official folder.

    Raises:
        MissingFileError: there is none.
    """
    if not path.is_dir():
        return path
    for folder in (
        path / "models",
        path,
        *(sub / "models" for sub in sorted(path.iterdir()) if sub.is_dir()),
    ):
        candidates = sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES) if folder.is_dir() else []
        chosen = [p for p in candidates if p.name == "best.ckpt"] or candidates
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            raise MissingFileError(
                f"{path} holds {len(chosen)} checkpoints and no best.ckpt: name the one to load"
            )
    raise MissingFileError(f"{path} holds no checkpoint: expected models/best.ckpt in it")


@contextmanager
def open_weights(path: Path, *, kinds: tuple[str, ...] = FFC_KINDS) -> Iterator[Opened]:
    """Open any form of weights; the file is open for as long as the context.

    Args:
        path: of the file or the official folder.
        kinds: of generators that a config.yaml beside the weights may speak of.

    Raises:
        CheckpointError: one of its kinds, with a message that says what is wrong.
    """
    try:
        path = weights_file(path)
        with ExitStack() as stack:
            output = None
            for folder in (path.parent, path.parent.parent):
                if (folder / CONFIG).is_file() and (folder == path.parent or path.parent.name == "models"):
                    output = _read_config(folder / CONFIG, kinds)
                    break
            yield _open_file(path, str(path), stack, output=output, kinds=kinds, nested=False)
    except OSError as error:
        raise MissingFileError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_config(path: Path, kinds: tuple[str, ...]) -> Output | None:
    with path.open("rb") as stream:
        text = stream.read(MAX_CONFIG_BYTES + 1)
    if len(text) > MAX_CONFIG_BYTES:
        raise DamagedFileError(
            f"{path} is too large for a config.yaml: fetch it again, or load the .ckpt alone"
        )
    return read_official_output(text, str(path), kinds)


def _open_file(
    path: Path,
    label: str,
    stack: ExitStack,
    *,
    output: Output | None,
    kinds: tuple[str, ...],
    nested: bool,
) -> Opened:
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError as error:
        raise MissingFileError(f"{label}: there is no such file") from error
    if head.startswith(b"PK"):
        archive = stack.enter_context(closing(Archive(path, label)))
        root = find_root(archive.names)
        if root is not None:
            return Opened(file=open_torch_zip(archive, root), output=output)
        if nested:
            raise NotACheckpointError(f"{label} is an archive inside of an archive: unpack it first")
        return _open_packed(archive, stack, output=output, kinds=kinds)
    if starts_like_safetensors(head):
        return Opened(file=stack.enter_context(closing(SafetensorsFile(path, label))), output=output)
    if starts_like_legacy(head):
        return Opened(file=stack.enter_context(closing(open_torch_legacy(path, label))), output=output)
    raise _unknown(head, label)


def _open_packed(
    archive: Archive, stack: ExitStack, *, output: Output | None, kinds: tuple[str, ...]
) -> Opened:
    """An archive as the official one: a checkpoint and config.yaml, with or without a folder around."""
    # Archives from a Mac have a shadow of each file.
    names = [name for name in archive.names if not name.startswith("__MACOSX/")]
    checkpoints = [name for name in names if PurePosixPath(name).suffix in SUFFIXES]
    chosen = [name for name in checkpoints if PurePosixPath(name).name == "best.ckpt"] or checkpoints
    if not chosen:
        raise NotACheckpointError(f"{archive.label} is an archive without a checkpoint in it")
    if len(chosen) > 1:
        raise NotACheckpointError(
            f"{archive.label} holds {len(chosen)} checkpoints: unpack it and name the one to load"
        )
    configs = [name for name in names if PurePosixPath(name).name == CONFIG]
    if configs:
        config = min(configs, key=len)
        output = read_official_output(
            archive.read(config, limit=MAX_CONFIG_BYTES), f"{archive.label} ({config})", kinds
        )
    # What is packed cannot be read here and there, so it goes to the disk first; memory stays free of it.
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lama-fill-")))
    unpacked = folder / "packed"
    size = archive.size(chosen[0])
    if size > MAX_PACKED_BYTES or size > shutil.disk_usage(folder).free:
        raise CheckpointError(f"{archive.label}: there is no room to unpack {size >> 20} MB")
    with archive.open(chosen[0], limit=MAX_PACKED_BYTES) as packed, unpacked.open("wb") as stream:
        shutil.copyfileobj(packed, stream, 1 << 20)
    if unpacked.stat().st_size != size:
        raise DamagedFileError(f"{archive.label} is cut short or damaged: fetch it again")
    return _open_file(
        unpacked, f"{archive.label} ({chosen[0]})", stack, output=output, kinds=kinds, nested=True
    )


def _unknown(head: bytes, label: str) -> NotACheckpointError:
    if not head:
        return NotACheckpointError(f"{label} is empty: fetch it again")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return NotACheckpointError(
            f"{label} is a web page, not a checkpoint: the download failed, fetch it again"
        )
    for start, what in _KNOWN_STARTS:
        if head.startswith(start):
            return NotACheckpointError(f"{label} is {what}, not a checkpoint")
    return NotACheckpointError(
        f"{label} is not a checkpoint: expected LaMa's folder, zip or .ckpt, TorchScript or safetensors"
    )
