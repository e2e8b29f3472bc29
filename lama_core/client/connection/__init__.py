"""Finding, starting and talking to the server: blocking, for plug-ins and the command line.

    with connect(client="my-plugin", start=True) as server:
        result = server.fill(Fill(width=..., height=..., format="rgba", depth="u8", pixels=..., hole=...))

Standard library, websockets (13 or later) and msgpack, both as pure Python if need be; Python 3.9.
"""

from lama_core.client.connection.accounts import Account, find_account
from lama_core.client.connection.client import Client, connect
from lama_core.client.connection.errors import (
    AccountError,
    AddressError,
    BusyError,
    CertificateChangedError,
    CertificateInvalidError,
    CertificateUnknownError,
    ClientError,
    ConnectionLostError,
    FillCancelledError,
    FillFailedError,
    NotTrustedError,
    SandboxError,
    ServerNotFoundError,
    ServerSilentError,
    ServerStartError,
    ServerUnreachableError,
    SharedServerBusyError,
    SharedServerError,
    ShutdownRefusedError,
    TokenRefusedError,
    VersionError,
)

__all__ = [
    "Account",
    "AccountError",
    "AddressError",
    "BusyError",
    "CertificateChangedError",
    "CertificateInvalidError",
    "CertificateUnknownError",
    "Client",
    "ClientError",
    "ConnectionLostError",
    "FillCancelledError",
    "FillFailedError",
    "NotTrustedError",
    "SandboxError",
    "ServerNotFoundError",
    "ServerSilentError",
    "ServerStartError",
    "ServerUnreachableError",
    "SharedServerBusyError",
    "SharedServerError",
    "ShutdownRefusedError",
    "TokenRefusedError",
    "VersionError",
    "connect",
    "find_account",
]
