"""Everything that can go wrong between a plug-in and the server.

    LamaFillError
    └── ClientError                 retryable: whether trying again may help
        ├── ServerNotFoundError     no server runs, and none was to be started
        ├── ServerStartError        it could not be started, or did not come up in time
        │   └── SandboxError        this program may not start others (Flatpak, Snap)
        ├── ServerSilentError       something accepts connections and never answers
        ├── NotTrustedError         what answers is not this user's server, or the runtime file is not
        │   ├── CertificateUnknownError  a shared server's certificate is seen for the first time
        │   ├── CertificateChangedError  it is not the one that was seen before
        │   ├── CertificateInvalidError  it has expired, or is another host's
        │   └── TokenRefusedError        a shared server does not take the token
        ├── AddressError            this is not the address of a shared server
        ├── SharedServerError       a shared server, by its address; those of NotTrustedError too
        │   ├── AccountError            there is no token for it on this machine
        │   ├── ServerUnreachableError  it does not answer, or is not there
        │   ├── ShutdownRefusedError    it is not ended from a desk
        │   └── SharedServerBusyError   it has no room for one more connection
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


class SharedServerError(ClientError):
    """The base of what can go wrong with a shared server alone.

    Attributes:
        server: its address, without token.
        detail: what else the words name: a fingerprint, or a reason.
    """

    def __init__(self, message: str, *, server: str, detail: str = "") -> None:
        super().__init__(message)
        self.server = server
        self.detail = detail


class ShutdownRefusedError(SharedServerError):
    """A shared server is not ended from a desk."""


class AddressError(ClientError):
    """This is not the address of a shared server."""


class AccountError(SharedServerError):
    """There is no token for a shared server on this machine."""


class ServerUnreachableError(SharedServerError):
    """A shared server is not there, or does not answer."""

    retryable = True


class CertificateUnknownError(SharedServerError, NotTrustedError):
    """A shared server shows a certificate that nobody vouches for. `detail`: its fingerprint."""


class CertificateChangedError(SharedServerError, NotTrustedError):
    """A shared server shows another certificate than the remembered one. `detail`: its fingerprint."""


class CertificateInvalidError(SharedServerError, NotTrustedError):
    """A shared server's certificate has expired, or is another host's. `detail`: why, in words."""


class TokenRefusedError(SharedServerError, NotTrustedError):
    """A shared server does not take the token, or no longer."""


class SharedServerBusyError(SharedServerError):
    """A shared server, or this user's share of it, has no room for one more connection."""

    retryable = True


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
