"""The tensors of a file that was written by `torch.save` or `torch.jit.save`.

Both pickle an object in which each tensor is a call of `torch._utils._rebuild_tensor_v2` with a storage, an
offset, a shape and strides; the storages' bytes lie elsewhere in the file, in a way that depends on its form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lama_core.client.text import one_line
from lama_core.model.checkpoint.errors import DamagedFileError
from lama_core.model.checkpoint.safe_unpickler import Constructor, Global, Opaque
from lama_core.model.checkpoint.tensors import StoredTensor

STORAGE_TYPES: Mapping[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexDoubleStorage": torch.complex128,
    "ComplexFloatStorage": torch.complex64,
}

_MAX_DIMENSIONS = 8
_MAX_KEY_LENGTH = 200
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A run of numbers in the file."""

    key: str
    dtype: torch.dtype
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PickledTensor:
    """A view of a storage, as `torch.as_strided` has it; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def end(self) -> int:
        """One past the last element of the storage that the view reaches."""
        if 0 in self.shape:
            return self.offset
        return self.offset + 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))


class Storages(Protocol):
    """Where the bytes of the storages are."""

    def read(self, storage: Storage, start: int, stop: int) -> Tensor:
        """Elements `start` to `stop` of a storage: (stop - start,) of its type.

        Raises:
            DamagedFileError: the file does not hold them.
        """

    def close(self) -> None:
        """Let go of the file."""


def storage_of(persistent_id: object) -> object:
    """The storage that a persistent id of `torch.save` stands for, or an `Opaque` for any other."""
    match persistent_id:
        case (
            "storage",
            Global(module="torch" | "torch.cuda", name=kind),
            str(key),
            _,
            int(length),
            *view,
        ) if kind in STORAGE_TYPES and length >= 0 and view in ([], [None]):
            return Storage(key=key, dtype=STORAGE_TYPES[kind], length=length)
    return Opaque("storage")


def _sizes(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > _MAX_DIMENSIONS:
        raise ValueError("not a shape")
    sizes = tuple(n for n in value if isinstance(n, int) and n >= 0)
    if len(sizes) != len(value):
        raise ValueError("not a shape")
    return sizes


def _tensor(arguments: tuple[object, ...]) -> object:
    """`torch._utils._rebuild_tensor(storage, offset, shape, strides)`, and `_v2` with more behind."""
    match arguments:
        case (Storage() as storage, int(offset), shape, strides, *_) if offset >= 0:
            tensor = PickledTensor(
                storage=storage, offset=offset, shape=_sizes(shape), strides=_sizes(strides)
            )
            if len(tensor.shape) == len(tensor.strides):
                return tensor
    raise ValueError("not a tensor")


def _parameter(arguments: tuple[object, ...]) -> object:
    """`torch._utils._rebuild_parameter(tensor, requires_grad, hooks)`: the tensor itself."""
    if not arguments or not isinstance(arguments[0], PickledTensor):
        raise ValueError("not a parameter")
    return arguments[0]


def _typed_tensor(arguments: tuple[object, ...]) -> object:
    """`torch._tensor._rebuild_from_type_v2(function, type, arguments, state)`: what the function makes."""
    match arguments:
        case (Global() as function, _, tuple() as inner, *_) if (
            function != _FROM_TYPE and function in CONSTRUCTORS
        ):
            return CONSTRUCTORS[function](inner)
    raise ValueError("not a tensor")


_FROM_TYPE = Global("torch._tensor", "_rebuild_from_type_v2")

CONSTRUCTORS: Mapping[Global, Constructor] = {
    Global("collections", "OrderedDict"): lambda _: {},
    Global("torch._utils", "_rebuild_tensor"): _tensor,
    Global("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Global("torch._utils", "_rebuild_parameter"): _parameter,
    Global("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    _FROM_TYPE: _typed_tensor,
}
"""All that is known of what a pickle may call. What is not here stays inert."""


def _parts(value: object) -> Iterator[dict[object, object]]:
    """The dictionaries of an object: itself, its items, its state."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, Opaque):
        yield value.items
        states = value.state if isinstance(value.state, tuple) else (value.state,)
        for state in states:
            if isinstance(state, dict):
                yield state


def named_tensors(root: object) -> dict[str, PickledTensor]:
    """All tensors that are reached by names, each under its path of names, joined by dots.

    Dictionaries, modules and traced modules are all gone through the same way, so wrappers do not matter.
    """
    found: dict[str, PickledTensor] = {}
    seen: set[int] = set()
    pending: list[tuple[str, object, int]] = [("", root, 0)]
    while pending:
        path, value, depth = pending.pop()
        if isinstance(value, PickledTensor):
            found[path[:-1]] = value
            continue
        # An object that is reached twice counts once: what is shared again and again would never end.
        if id(value) in seen or depth == _MAX_DEPTH:
            continue
        seen.add(id(value))
        for part in _parts(value):
            for key, child in part.items():
                if isinstance(key, str) and len(key) <= _MAX_KEY_LENGTH:
                    # Where a whole module was pickled, these three are not part of a tensor's name.
                    hidden = key in ("_parameters", "_buffers", "_modules")
                    pending.append((path if hidden else f"{path}{key}.", child, depth + 1))
    return found


class PickledFile:
    """A `TensorFile` over pickled tensors and their storages."""

    def __init__(self, label: str, root: object, storages: Storages) -> None:
        self.label = label
        self.metadata: Mapping[str, str] = {}
        self._views = named_tensors(root)
        self._storages = storages
        self.tensors: Mapping[str, StoredTensor] = {
            name: StoredTensor(shape=view.shape, dtype=view.storage.dtype)
            for name, view in self._views.items()
        }

    def read(self, name: str) -> Tensor:
        """As `TensorFile.read`."""
        view = self._views[name]
        if view.end > view.storage.length:
            raise DamagedFileError(
                f"{self.label} is damaged: tensor {one_line(name)} reaches outside of its data"
            )
        if 0 in view.shape:
            return torch.empty(view.shape, dtype=view.storage.dtype)
        flat = self._storages.read(view.storage, view.offset, view.end)
        return flat.as_strided(view.shape, view.strides)

    def close(self) -> None:
        """As `TensorFile.close`."""
        self._storages.close()
