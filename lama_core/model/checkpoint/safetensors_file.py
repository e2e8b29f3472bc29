"""The safetensors form: ours, and other people's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from lama_core.client.files import OWN_FILE, is_full, write_atomically
from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import DamagedFileError, SaveError, WeightsError
from lama_core.model.checkpoint.keys import is_batchnorm_counter
from lama_core.model.checkpoint.tensors import StoredTensor
from lama_core.model.generator import Generator
from lama_core.model.safetensors_header import MAX_HEADER

FORMAT = "lama-fill"
TENSORS_HASH = "sha256_tensors"
"""The key of the hash of all tensors in the metadata of our own files; see `hash_weights`."""

_TYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def starts_like_safetensors(head: bytes) -> bool:
    """Whether a file's first bytes are the length of a header of less than 100 MB, and its opening brace."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < MAX_HEADER


class SafetensorsFile:
    """A `TensorFile` over a safetensors file."""

    def __init__(self, path: Path, label: str) -> None:
        """Open the file.

        Raises:
            DamagedFileError: its header does not fit the file.
            WeightsError: it has a tensor of an unknown type.
        """
        self.label = label
        try:
            with _text_path(path) as name:
                self._file = cast(Any, safetensors.safe_open(name, framework="pt"))
            self.metadata: Mapping[str, str] = dict(self._file.metadata() or {})
            described = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118
            found = {name: (tuple(s.get_shape()), str(s.get_dtype())) for name, s in described.items()}
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise DamagedFileError(f"{label} is cut short or damaged: fetch it again") from error
        tensors: dict[str, StoredTensor] = {}
        for name, (shape, kind) in found.items():
            if kind not in _TYPES:
                raise WeightsError(
                    f"{label}: tensor {one_line(name)} is of type {kind}, which is not supported"
                )
            tensors[name] = StoredTensor(shape=shape, dtype=_TYPES[kind])
        self.tensors: Mapping[str, StoredTensor] = tensors

    def read(self, name: str) -> Tensor:
        """As `TensorFile.read`."""
        try:
            tensor: Tensor = self._file.get_tensor(name)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise DamagedFileError(
                f"{self.label} is damaged: tensor {one_line(name)} cannot be read"
            ) from error
        return tensor

    def close(self) -> None:
        """As `TensorFile.close`: the library maps the file for as long as this object lives."""
        del self._file


@contextlib.contextmanager
def _text_path(path: Path) -> Iterator[str]:
    """A name of the file that is valid text, which is all that the library opens."""
    name = str(path)
    if not _has_surrogates(name):
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="lama-fill-") as folder:
        link = os.path.join(folder, "weights")
        os.symlink(path.absolute(), link)
        yield link


def _has_surrogates(name: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in name)


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of a generator's tensors as float32: names, shapes and values, in any order."""
    digest = hashlib.sha256()
    for name in sorted(state):
        if not is_batchnorm_counter(name):
            values = state[name].detach().to("cpu", torch.float32).contiguous()
            digest.update(f"{name} {tuple(values.shape)}\n".encode())
            digest.update(values.numpy().data)
    return digest.hexdigest()


def write_safetensors(
    generator: Generator,
    path: Path,
    *,
    metadata: Mapping[str, str],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a generator in our own form: all of it, or nothing.

    Args:
        generator: on any device.
        path: replaced at once when the new file is complete and on the disk.
        metadata: what else to say of it, such as `name` and `origin`; the format, the architecture and a hash
            of the tensors are added.
        dtype: of the tensors in the file: torch.float32 or torch.float16.

    Raises:
        SaveError: no such folder, no right to write there, or the disk is full.
    """
    state = {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in generator.state_dict().items()
        if not is_batchnorm_counter(name)
    }
    described = {
        **metadata,
        "format": FORMAT,
        "config": json.dumps(asdict(generator.config), sort_keys=True),
        TENSORS_HASH: hash_weights(state),
    }
    try:
        write_atomically(path, save(state, metadata=described), mode=OWN_FILE, fsync=True)
    except OSError as error:
        remedy = "; make room there and try again" if is_full(error) else ""
        raise SaveError(f"{path} could not be written: {error.strerror or error}{remedy}") from error
