"""The zip form of `torch.save`, and of TorchScript.

ROOT/data.pkl, and one member ROOT/data/KEY for each storage.
"""

from __future__ import annotations

import io

import torch
from torch import Tensor

from lama_core.client.text import one_line
from lama_core.model.checkpoint.archive import Archive
from lama_core.model.checkpoint.errors import DamagedFileError
from lama_core.model.checkpoint.safe_unpickler import MAX_BYTES, BadPickleError, read_pickle
from lama_core.model.checkpoint.torch_pickle import CONSTRUCTORS, PickledFile, Storage, storage_of


def find_root(names: list[str]) -> str | None:
    """The folder that holds data.pkl, with a slash behind; None when the archive is no such file."""
    roots = [name.removesuffix("data.pkl") for name in names if name.split("/")[-1] == "data.pkl"]
    return min(roots, key=len) if roots else None


def open_torch_zip(archive: Archive, root: str) -> PickledFile:
    """The tensors of an archive; none of their values are read yet.

    Raises:
        DamagedFileError: its parts do not fit together.
    """
    names = set(archive.names)
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder", limit=16) == b"big":
        raise DamagedFileError(f"{archive.label} was saved on a big-endian machine; save it again on another")
    data = archive.read(f"{root}data.pkl", limit=MAX_BYTES)
    try:
        content = read_pickle(io.BytesIO(data), constructors=CONSTRUCTORS, persistent=storage_of)
    except BadPickleError as error:
        raise DamagedFileError(f"{archive.label} is damaged: {error}") from error
    return PickledFile(archive.label, content, _ZipStorages(archive, root))


class _ZipStorages:
    def __init__(self, archive: Archive, root: str) -> None:
        self._archive = archive
        self._root = root

    def read(self, storage: Storage, start: int, stop: int) -> Tensor:
        """As `Storages.read`."""
        name = f"{self._root}data/{storage.key}"
        size = storage.dtype.itemsize
        if self._archive.size(name) < storage.length * size:
            raise DamagedFileError(f"{self._archive.label} is damaged: {one_line(name)} is too short")
        with self._archive.open(name) as stream:
            stream.seek(start * size)
            data = torch.empty((stop - start) * size, dtype=torch.uint8)
            view = data.numpy().data
            while view and (got := stream.readinto(view)):  # one call may give less than is there
                view = view[got:]
        if view:
            raise DamagedFileError(f"{self._archive.label} is damaged: {one_line(name)} is too short")
        return data.view(storage.dtype)

    def close(self) -> None:
        """As `Storages.close`."""
        self._archive.close()
