"""The models on a node: the node's own where it is the same file, else a copy, fetched once and verified."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lama_core.client.errors import LamaFillError
from lama_core.client.files import OWN_FILE, hash_file, make_own_folder, write_atomically
from lama_core.client.places import cache_folder
from lama_core.model.installed.registry import UnknownModelError, find_model
from lama_server.lock import Lock

_LOCK_POLL_SECONDS = 0.05


class ModelCopyError(LamaFillError):
    """A model did not arrive on a node as it was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCopy:
    """A model that may be fetched.

    Attributes:
        sha256: of its file, in hexadecimal.
        fetch: gives the file's bytes, from the object store.
    """

    sha256: str
    fetch: Callable[[], bytes]


def model_on_node(name: str, copy: ModelCopy) -> tuple[Path, bool]:
    """The file of a model on this node, and whether it had to be fetched.

    Workers that start at the same time fetch it once: the others wait, and find it.

    Raises:
        ModelCopyError: what arrived is not what was sent, or cannot be kept.
    """
    with contextlib.suppress(UnknownModelError, OSError):
        own = find_model(name).path
        if hash_file(own) == copy.sha256:
            return own, False
    folder = cache_folder() / "cluster"
    path = folder / f"{copy.sha256}.safetensors"
    try:
        make_own_folder(folder)
        with _locked(folder / f"{copy.sha256}.lock"):
            if path.is_file() and hash_file(path) == copy.sha256:
                return path, False
            data = copy.fetch()
            if hashlib.sha256(data).hexdigest() != copy.sha256:
                raise ModelCopyError(f"the model {name} arrived damaged on this node: try again")
            write_atomically(path, data, mode=OWN_FILE)
    except OSError as error:
        raise ModelCopyError(
            f"{path} cannot be written ({error.strerror or error}): make room there"
        ) from error
    return path, True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = Lock(path)
    while not lock.acquire():
        time.sleep(_LOCK_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
