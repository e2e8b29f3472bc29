"""TLS to a shared server: an authority vouches for its certificate, or its fingerprint is known.

A fingerprint that is known decides alone, as a host's key does in ssh: neither the name in the certificate
nor its date matters then, and any other certificate is refused.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import Final

from lama_core.client.connection.accounts import Account
from lama_core.client.connection.errors import (
    AccountError,
    CertificateChangedError,
    CertificateInvalidError,
    CertificateUnknownError,
    ServerUnreachableError,
)
from lama_core.client.connection.tls_socket import TlsSocket

_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_OTHER_NAME: Final = (62, 64)
"""OpenSSL's numbers of what is wrong with a certificate (X509_V_ERR): another host's name, or IP address."""


def secure(plain: socket.socket, account: Account) -> TlsSocket:
    """TLS over a connected socket, with the server that the account is at.

    Raises:
        CertificateUnknownError, CertificateChangedError, CertificateInvalidError: it is not, or nobody knows.
        AccountError: the client certificate cannot be used.
        OSError: the connection ended.
    """
    place = str(account.address)
    context = _context(account)
    try:
        wrapped = TlsSocket(plain, context, account.address.host)
    except ssl.SSLCertVerificationError as error:
        raise _invalid(error, account) from error
    if account.fingerprint:
        found = _fingerprint(wrapped)
        if found != account.fingerprint:
            raise CertificateChangedError(
                f"the certificate of {place} is not the one that is remembered: nothing was sent. Ask your "
                "administrator whether it was changed; if so, run `lama-fill login` with the new address. "
                f"The one that is shown now has the fingerprint sha256:{found}",
                server=place,
                detail=f"sha256:{found}",
            )
    return wrapped


def _context(account: Account) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=account.ca or None)
        if account.certificate:
            context.load_cert_chain(account.certificate, account.key or None)
    except (OSError, ValueError) as error:
        raise AccountError(
            f"the certificate files of {account.address} cannot be used ({error}): run `lama-fill "
            "login` again",
            server=str(account.address),
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if account.fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _invalid(error: ssl.SSLCertVerificationError, account: Account) -> Exception:
    place = str(account.address)
    code = error.verify_code
    reason = ""
    if code == _EXPIRED:
        reason = "it has expired, and the administrator of the server has to renew it"
    elif code == _NOT_YET_VALID:
        reason = "it is not valid yet: look whether this machine's clock is right"
    elif code in _OTHER_NAME:
        reason = f"it is that of another host than {account.address.host}: use the name that it was made for"
    elif account.ca:
        reason = f"the authority in {account.ca} has not signed it"
    if reason:
        return CertificateInvalidError(
            f"the certificate of {place} is not valid: {reason}", server=place, detail=reason
        )
    try:
        found = f"sha256:{seen_fingerprint(account)}"
    except OSError:
        return ServerUnreachableError(
            f"{place} cannot be reached: check the address and the network", server=place
        )
    return CertificateUnknownError(
        f"{place} is not known yet: nothing was sent. Compare the fingerprint of its certificate with your "
        f"administrator's, and run `lama-fill login {place}#{found}` if they are alike",
        server=place,
        detail=found,
    )


def seen_fingerprint(account: Account, seconds: float = 10.0) -> str:
    """The fingerprint of whatever certificate the server shows: 64 hexadecimal digits.

    Raises:
        OSError: it does not answer.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = (account.address.host, account.address.port)
    with socket.create_connection(address, timeout=seconds) as plain:
        return _fingerprint(TlsSocket(plain, context, account.address.host))


def _fingerprint(wrapped: TlsSocket) -> str:
    return hashlib.sha256(wrapped.certificate()).hexdigest()
