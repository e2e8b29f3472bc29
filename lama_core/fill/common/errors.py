"""How a fill ends when it does not end with a picture."""

from __future__ import annotations

from lama_core.client.errors import LamaFillError


class FillError(LamaFillError):
    """This hole cannot be filled in this picture."""


class PredictionError(FillError):
    """What the model returned is no picture."""


class FillCancelled(LamaFillError):  # noqa: N818 - it is asked for, not an error
    """The caller no longer wants the fill."""
