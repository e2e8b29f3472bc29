"""TLS of a shared server: the certificate that it shows, and those that it takes from clients."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from typing import Any

from lama_core.client.errors import LamaFillError

log = logging.getLogger(__name__)


class TlsError(LamaFillError):
    """A certificate or its key cannot be used; the message says which and why."""


class ServerTls:
    """The TLS context of a listener, whose certificate is read again when its file has changed.

    Attributes:
        context: for the listener.
    """

    def __init__(self, *, certificate: str, key: str, client_ca: str = "") -> None:
        """Read the files.

        Args:
            certificate: path of the certificate and those between it and its authority, PEM.
            key: path of its private key, PEM, without a password.
            client_ca: path of the certificates of those who sign users' certificates; "" takes none.

        Raises:
            TlsError: one of them cannot be used.
        """
        self._certificate, self._key = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._seen = self._stamp()
        self._load()
        if client_ca:
            try:
                self.context.load_verify_locations(cafile=client_ca)
            except (OSError, ValueError) as error:
                raise TlsError(f"tls_client_ca: {client_ca} cannot be used ({_reason(error)})") from error
            # Whoever shows none still has the token.
            self.context.verify_mode = ssl.CERT_OPTIONAL

    def _load(self) -> None:
        for name, path in (("tls_cert", self._certificate), ("tls_key", self._key)):
            if not os.access(path, os.R_OK):
                raise TlsError(f"{name}: {path} is not there, or this user may not read it")
        try:
            # A key with a password would have the server wait for somebody to type it.
            self.context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except (OSError, ValueError) as error:
            raise TlsError(
                f"tls_cert and tls_key: {self._certificate} and {self._key} cannot be used "
                f"({_reason(error)}): they are a certificate and its own key, PEM, without a password"
            ) from error

    def refresh(self) -> None:
        """Take the files again where they have changed; new connections get the new certificate."""
        now = self._stamp()
        if now == self._seen:
            return
        self._seen = now
        try:
            self._load()
        except TlsError as error:
            # A renewal writes one file after the other: the second one brings us here again.
            log.warning("the old certificate stays in use: %s", error)
        else:
            log.info("the certificate was read again")

    def _stamp(self) -> tuple[int, ...]:
        return _changed(self._certificate), _changed(self._key)


def _changed(path: str) -> int:
    """When a file was changed the last time; 0 for one that is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _no_password() -> str:
    raise ValueError("the key has a password")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """The common name of a client's certificate that was verified; "" when there is none, or several."""
    subject = (certificate or {}).get("subject", ())
    names = [value for part in subject for kind, value in part if kind == "commonName"]
    return str(names[0]) if len(names) == 1 else ""
