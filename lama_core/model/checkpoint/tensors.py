"""Tensors that are still in their file: known by name, shape and type, read one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """What a file says of one of its tensors."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class TensorFile(Protocol):
    """A file of named tensors, whatever its form."""

    @property
    def label(self) -> str:
        """How the file is called in errors."""

    @property
    def tensors(self) -> Mapping[str, StoredTensor]:
        """All tensors, by the name that the file has for them."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a safetensors file says of itself; empty for the other forms."""

    def read(self, name: str) -> Tensor:
        """The values of one tensor, in the file's own type, on the CPU.

        Raises:
            DamagedFileError: they are not there as the file says.
        """

    def close(self) -> None:
        """Let go of the file."""
