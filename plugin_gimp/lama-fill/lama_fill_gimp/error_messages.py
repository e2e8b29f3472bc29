"""Errors in the artist's language: what is wrong, and what to do about it."""

from __future__ import annotations

from lama_core.client.connection import (
    BusyError,
    ConnectionLostError,
    FillFailedError,
    SandboxError,
    ServerStartError,
)
from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.errors import ErrorCode
from lama_fill_gimp.texts import N_, _

_FAILURES: dict[ErrorCode, str] = {
    "unknown_model": N_(
        "The model is not installed: choose another one, or install it with “lama-fill models download”."
    ),
    "too_large": N_(
        "The hole is too large for the server: choose a smaller context, or select less at once."
    ),
    "busy": N_("The server has too much to do already: wait until other fills are done and try again."),
    "out_of_memory": N_(
        "There is not enough memory for this fill: choose a smaller context, or select less at once."
    ),
    "device_lost": N_("The graphics device stopped in the middle of the fill: try again."),
    "timeout": N_("The fill made no progress and was given up: try again, or choose a smaller context."),
    "shutting_down": N_("The server is being shut down: try again in a moment."),
}


def explain(error: LamaFillError) -> str:
    """What to show for an error; the details that a server or the system gave stay in their language."""
    reason = str(error)
    if isinstance(error, FillFailedError):
        if error.code in _FAILURES:
            return _(_FAILURES[error.code])
        return _("The server could not fill this: {reason}").format(reason=reason)
    if isinstance(error, SandboxError):
        return _(
            "The LaMa Fill server is not running, and GIMP cannot start it from inside its sandbox. Run "
            "“lama-fill service install” once in a terminal: the server then starts with your session."
        )
    if isinstance(error, ServerStartError):
        return _("The LaMa Fill server could not be started: {reason}").format(reason=reason)
    if isinstance(error, ConnectionLostError):
        return _("The connection to the LaMa Fill server was lost. Nothing was changed; try again.")
    if isinstance(error, BusyError):
        busy = _FAILURES["busy"]
        return _(busy)
    return reason[:1].upper() + reason[1:]
