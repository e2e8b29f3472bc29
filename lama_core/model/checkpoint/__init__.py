"""Reading weights in every form that they come in, and writing them in one.

Everything read is material of unknown origin: nothing in a file is executed, and whatever is wrong with one
ends in a `CheckpointError` of one line.
"""

from __future__ import annotations

from lama_core.model.checkpoint.errors import (
    ArchitectureError,
    CheckpointError,
    DamagedFileError,
    MissingFileError,
    NotACheckpointError,
    SaveError,
    WeightsError,
)
from lama_core.model.checkpoint.load import read_generator
from lama_core.model.checkpoint.safetensors_file import hash_weights, write_safetensors

__all__ = [
    "ArchitectureError",
    "CheckpointError",
    "DamagedFileError",
    "MissingFileError",
    "NotACheckpointError",
    "SaveError",
    "WeightsError",
    "hash_weights",
    "read_generator",
    "write_safetensors",
]
