"""The address of this machine's shared server, as its users need it."""

from __future__ import annotations

import hashlib
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Final

from lama_core.client.connection.server_address import ServerAddress, parse_address
from lama_core.client.errors import LamaFillError
from lama_server.settings import Settings, load_settings
from lama_server.shared.tls import ServerTls

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - compared with, not listened on


class InvitationError(LamaFillError):
    """There is no shared server to hand out an address of."""


def server_address() -> ServerAddress:
    """Where users find the server: by the settings, with the fingerprint of a certificate nobody vouches for.

    Raises:
        LamaFillError: `listen` is not set, or the certificate cannot be used.
    """
    settings = load_settings()
    if not settings.listen:
        raise InvitationError(
            'there is no shared server: set listen = "0.0.0.0:8443", tls_cert and tls_key in config.toml'
        )
    if settings.public_address:
        address = parse_address(settings.public_address).without_secrets()
    else:
        host, _, port = settings.listen.rpartition(":")
        host = host.strip("[]")
        if host in (_EVERYWHERE, "::", ""):
            host = socket.getfqdn()
        scheme = "wss" if settings.tls_cert else "ws"
        host = f"[{host}]" if ":" in host else host
        address = parse_address(f"{scheme}://{host}:{port}{settings.path_prefix}")
    if settings.tls_cert and not _is_vouched_for(settings, address.host):
        return replace(address, fingerprint=fingerprint_of(Path(settings.tls_cert)))
    return address


def fingerprint_of(path: Path) -> str:
    """The SHA-256 of the first certificate in a PEM file: 64 hexadecimal digits.

    Raises:
        InvitationError: there is none.
    """
    try:
        text = path.read_text(encoding="ascii", errors="replace")
        begin = text.index("-----BEGIN CERTIFICATE-----")
        end = text.index("-----END CERTIFICATE-----", begin) + len("-----END CERTIFICATE-----")
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(text[begin:end])).hexdigest()
    except (OSError, ValueError) as error:
        raise InvitationError(f"tls_cert: {path} cannot be read as a certificate ({error})") from error


def _is_vouched_for(settings: Settings, host: str) -> bool:
    """Whether a client with this system's authorities takes the certificate for that host.

    A handshake within this process tells: it is what clients do.
    """
    server_context = ServerTls(certificate=settings.tls_cert, key=settings.tls_key).context
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
            if side is client:
                return True
    return False
