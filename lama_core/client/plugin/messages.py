"""What an error and a stage of a fill are called: the same in both editors."""

from __future__ import annotations

from typing import Final

from lama_core.client.connection import (
    AccountError,
    AddressError,
    BusyError,
    CertificateChangedError,
    CertificateInvalidError,
    CertificateUnknownError,
    ConnectionLostError,
    FillFailedError,
    SandboxError,
    ServerSilentError,
    ServerStartError,
    ServerUnreachableError,
    SharedServerBusyError,
    SharedServerError,
    ShutdownRefusedError,
    TokenRefusedError,
    VersionError,
)
from lama_core.client.errors import LamaFillError
from lama_core.client.plugin.pieces import AnswerError
from lama_core.client.plugin.texts import N_, Message
from lama_core.client.protocol.errors import ErrorCode

FAILURES: Final[dict[ErrorCode, str]] = {
    "unknown_model": N_(
        "The model is not installed: choose another one, or install it with “lama-fill models download”."
    ),
    "model_failed": N_("The model could not be used: choose another one."),
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
"""What went wrong at the server, and what to do. The other codes say why in the server's words."""

_ERRORS: Final[tuple[tuple[type[LamaFillError], str], ...]] = (
    (FillFailedError, N_("The server could not fill this: {reason}")),
    (
        SandboxError,
        N_(
            "The LaMa Fill server is not running, and {editor} cannot start it from inside its sandbox. Run "
            "“lama-fill service install” once in a terminal: the server then starts with your session."
        ),
    ),
    (ServerStartError, N_("The LaMa Fill server could not be started: {reason}")),
    (
        ServerSilentError,
        N_("The LaMa Fill server does not answer: run “lama-fill stop” in a terminal and fill again."),
    ),
    (
        BusyError,
        N_(
            "The LaMa Fill server has too many connections: close other programs that use it, or run "
            "“lama-fill stop” in a terminal, and fill again."
        ),
    ),
    (
        ConnectionLostError,
        N_(
            "The connection to the LaMa Fill server was lost. Nothing was changed: fill again, and look at "
            "“lama-fill logs” if that does not help."
        ),
    ),
    (
        ServerUnreachableError,
        N_("{server} cannot be reached: check the address and the network, or ask your administrator."),
    ),
    (
        CertificateUnknownError,
        N_(
            "{server} is not known yet, so nothing was sent. If your administrator confirms the fingerprint "
            "{detail}, paste the address with “#{detail}” behind it."
        ),
    ),
    (
        CertificateChangedError,
        N_(
            "The certificate of {server} has changed, so nothing was sent. Ask your administrator whether "
            "that is right, and paste the new address."
        ),
    ),
    (CertificateInvalidError, N_("The certificate of {server} is not valid: {detail}.")),
    (
        TokenRefusedError,
        N_("{server} does not take your token: ask your administrator for a new address, and paste it."),
    ),
    (
        AccountError,
        N_(
            "There is no token for {server} on this machine: paste the whole address that your administrator "
            "gave you."
        ),
    ),
    (
        SharedServerBusyError,
        N_(
            "{server} takes no more connections of yours now: close other programs that use it, or try again "
            "later."
        ),
    ),
    (
        ShutdownRefusedError,
        N_("{server} is shared with others: only its administrator can stop it."),
    ),
    (
        AddressError,
        N_(
            "This is not the address of a server: paste the whole line that your administrator gave you, "
            "such as wss://HOST:PORT."
        ),
    ),
    (
        VersionError,
        N_("LaMa Fill here and on the server are of versions that do not fit: update the older one."),
    ),
    (AnswerError, N_("The server answered with pixels that were not asked for: update it.")),
)
"""The first of these classes that an error belongs to says what is wrong."""

STAGES: Final = {
    "starting": N_("Starting the server…"),
    "queued": N_("Waiting…"),
    "loading": N_("Loading the model…"),
    "preparing": N_("Looking at the surroundings…"),
    "filling": N_("Filling…"),
    "blending": N_("Blending…"),
}

STAGES_WITHOUT_PROGRESS: Final = ("starting", "queued", "loading")
"""Stages that report no fraction, because their end cannot be foreseen."""


def error_message(error: BaseException, *, editor: str) -> Message:
    """What is wrong and what to do, in one line.

    Details that a server or the system gave stay in their language. Any other exception than the project's
    own is a bug, and is called by its type.

    Args:
        error: what was raised.
        editor: the editor's name.
    """
    reason = str(error)
    if not isinstance(error, LamaFillError):
        bug = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
        return Message(N_("LaMa Fill failed, and nothing was changed: {error}"), {"error": bug})
    if isinstance(error, FillFailedError) and error.code in FAILURES:
        return Message(FAILURES[error.code])
    for kind, text in _ERRORS:
        if isinstance(error, kind):
            values = {"reason": reason, "editor": editor}
            if isinstance(error, SharedServerError):
                values |= {"server": error.server, "detail": error.detail}
            return Message(text, values)
    return Message("{reason}", {"reason": reason[:1].upper() + reason[1:]})


def stage_message(stage: str, position: int = 0) -> Message:
    """What a fill is doing.

    Args:
        stage: as the server or the client says; an unknown one is "filling".
        position: how many fills of others come first.
    """
    if position > 0:
        return Message(N_("Waiting, {count} before it"), {"count": position})
    return Message(STAGES.get(stage, STAGES["filling"]))
