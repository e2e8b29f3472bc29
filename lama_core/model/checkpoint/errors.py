"""What can be wrong with a file of weights.

CheckpointError
├── MissingFileError      there is no such file or folder
├── NotACheckpointError   it is something else: a picture, a web page, an empty file
├── DamagedFileError      it was a checkpoint once: cut short, or changed on its way
├── ArchitectureError     a network, but not one that `Generator` covers
├── WeightsError          a tensor is missing, has the wrong shape or type, or holds a NaN
└── SaveError             it could not be written
"""

from __future__ import annotations

from lama_core.client.errors import LamaFillError


class CheckpointError(LamaFillError):
    """A file of weights cannot be used; the message names the file and what is wrong with it."""


class MissingFileError(CheckpointError):
    """There is no such file or folder, or it may not be read."""


class NotACheckpointError(CheckpointError):
    """The file is of another kind."""


class DamagedFileError(CheckpointError):
    """The file is cut short or changed."""


class ArchitectureError(CheckpointError):
    """The weights are of a network that `Generator` does not cover."""


class WeightsError(CheckpointError):
    """A tensor is missing, too many, of the wrong shape or type, or not finite."""


class SaveError(CheckpointError):
    """The weights could not be written; nothing was left behind."""
