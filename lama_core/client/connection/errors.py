"""Everything that can go wrong between a plug-in and the server.

    LamaFillError
    └── ClientError                 retryable: whether trying again may help
        ├── ServerNotFoundError     no server runs, and none was to be started
        ├── ServerStartError        it could not be started, or did not come up in time
        │   └── SandboxError        this program may not start others (Flatpak, Snap)
        ├── ServerSilentError       something accepts connections and never answers
        ├── NotTrustedError         what answers is not this user's server, or the runtime file is not
        ├── VersionError            client and server speak different versions of the protocol
        ├── BusyError               the server has as many connections as it takes
        ├── ConnectionLostError     the server went away, or fell silent, in the middle of something
        ├── FillFailedError         the server answered a fill with an error; code is one of the protocol's
        └── FillCancelledError      the fill was cancelled by whoever asked for it

Each message is one line for the user: what is wrong, and what to do.
"""

from __future__ import annotations

from lama_core.client.errors import LamaFillError
from lama_core.client.protocol.errors import ErrorCode


class ClientError(LamaFillError):
    """The base of what `lama_core.client.connection` raises."""

    retryable = False


class ServerNotFoundError(ClientError):
    """No server runs, and none was to be started."""


class ServerStartError(ClientError):
    """The server could not be started, or did not come up in time."""


class SandboxError(ServerStartError):
    """This program runs where it may not start others."""


class ServerSilentError(ClientError):
    """Something accepts connections and never answers."""

    retryable = True


class NotTrustedError(ClientError):
    """What answers is not this user's server, or the runtime file is not this user's."""


class VersionError(ClientError):
    """Client and server speak different versions of the protocol."""


class BusyError(ClientError):
    """The server has as many connections as it takes."""

    retryable = True


class ConnectionLostError(ClientError):
    """The server went away, or fell silent, in the middle of something."""

    retryable = True


class FillFailedError(ClientError):
    """The server answered a fill with an error. `code` is one of the protocol's."""

    def __init__(self, code: ErrorCode, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.retryable = retryable


class FillCancelledError(ClientError):
    """The fill, or the wait for the server, was cancelled by whoever asked for it."""
