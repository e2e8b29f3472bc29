"""The form that `torch.save` had before PyTorch 1.6.

Five pickles in a row, then all storages, each with its length before it.
"""

from __future__ import annotations

import os
import pickle
import struct
from io import BufferedReader
from pathlib import Path

import torch
from torch import Tensor

from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import DamagedFileError, NotACheckpointError
from lama_core.model.checkpoint.safe_unpickler import BadPickleError, read_pickle
from lama_core.model.checkpoint.torch_pickle import CONSTRUCTORS, PickledFile, Storage, storage_of

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_LENGTH = struct.Struct("<q")


def starts_like_legacy(head: bytes) -> bool:
    """Whether a file's first bytes are those of a pickle of protocol 2 to 5."""
    return len(head) > 1 and head[:1] == pickle.PROTO and 2 <= head[1] <= 5


def open_torch_legacy(path: Path, label: str) -> PickledFile:
    """The tensors of a file; none of their values are read yet.

    Raises:
        NotACheckpointError: a pickle, but not written by `torch.save`.
        DamagedFileError: it is cut short or damaged.
    """
    stream = path.open("rb")
    try:
        return _open(stream, label)
    except BadPickleError as error:
        stream.close()
        raise DamagedFileError(f"{label} is damaged: {error}") from error
    except BaseException:
        stream.close()
        raise


def _open(stream: BufferedReader, label: str) -> PickledFile:
    storages: dict[str, Storage] = {}

    def persistent(persistent_id: object) -> object:
        storage = storage_of(persistent_id)
        if isinstance(storage, Storage):
            storages[storage.key] = storage
        return storage

    def load() -> object:
        return read_pickle(stream, constructors=CONSTRUCTORS, persistent=persistent)

    if load() != _MAGIC:
        raise NotACheckpointError(f"{label} is a plain pickle, not a checkpoint that torch.save wrote")
    if load() != _VERSION:
        raise DamagedFileError(f"{label} is damaged: its version is unknown")
    load()  # the sizes of numbers on the machine that wrote it; the storages do not depend on them
    content = load()
    keys = load()
    if not isinstance(keys, list):
        raise DamagedFileError(f"{label} is damaged: the list of its storages is missing")
    places: dict[str, int] = {}
    end = os.fstat(stream.fileno()).st_size
    place = stream.tell()
    for key in keys:
        storage = storages.get(key) if isinstance(key, str) else None
        if storage is None:
            raise DamagedFileError(f"{label} is damaged: storage {one_line(str(key))} is not described")
        stream.seek(place)
        length = stream.read(_LENGTH.size)
        stop = place + _LENGTH.size + storage.length * storage.dtype.itemsize
        if stop > end or _LENGTH.unpack(length)[0] != storage.length:
            raise DamagedFileError(f"{label} is cut short or damaged: fetch it again")
        places[storage.key] = place + _LENGTH.size
        place = stop
    return PickledFile(label, content, _LegacyStorages(stream, label, places))


class _LegacyStorages:
    def __init__(self, stream: BufferedReader, label: str, places: dict[str, int]) -> None:
        self._stream = stream
        self._label = label
        self._places = places

    def read(self, storage: Storage, start: int, stop: int) -> Tensor:
        """As `Storages.read`."""
        if storage.key not in self._places:
            raise DamagedFileError(f"{self._label} is damaged: storage {one_line(storage.key)} is missing")
        size = storage.dtype.itemsize
        data = torch.empty((stop - start) * size, dtype=torch.uint8)
        self._stream.seek(self._places[storage.key] + start * size)
        if self._stream.readinto(data.numpy().data) != data.numel():
            raise DamagedFileError(f"{self._label} is cut short: fetch it again")
        return data.view(storage.dtype)

    def close(self) -> None:
        """As `Storages.close`."""
        self._stream.close()
