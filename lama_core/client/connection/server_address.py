"""The address of a shared server, as an administrator gives it out and as it is remembered."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from lama_core.client.connection.errors import AddressError
from lama_core.client.protocol.auth import is_token
from lama_core.client.protocol.user_proof import is_user

LOCAL: Final = "local"
"""Stands for this machine's own server."""
_PORT: Final = 443
_FINGERPRINT: Final = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_BREAK: Final = re.compile(r"\s*\n\s*")
_HOST: Final = re.compile(r"[\w.-]+|[0-9a-f:.]+(?:%\w+)?")
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServerAddress:
    """`wss://[USER:TOKEN@]HOST[:PORT][/PREFIX][#sha256:FINGERPRINT]`, in parts.

    Attributes:
        secure: whether with TLS; without it only on this machine, for tunnels and tests.
        host: a name or an IP address.
        port: TCP port.
        prefix: path under which a proxy has the server: "" or "/" and a word.
        user: whose token it is; "" when the address has none.
        token: the secret; "" likewise.
        fingerprint: the SHA-256 of the server's certificate, 64 hexadecimal digits; "" when it is not named.
    """

    secure: bool
    host: str
    port: int
    prefix: str = ""
    user: str = ""
    token: str = ""
    fingerprint: str = ""

    def __repr__(self) -> str:
        return f"ServerAddress({self})"

    def __str__(self) -> str:
        """The address without token and fingerprint: what may be shown, and by which it is remembered."""
        return f"{'wss' if self.secure else 'ws'}://{self.place}{self.prefix}"

    @property
    def place(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def whole(self) -> str:
        """The address with everything in it, for whoever is to have the token."""
        account = f"{quote(self.user)}:{self.token}@" if self.user else ""
        fingerprint = f"#sha256:{self.fingerprint}" if self.fingerprint else ""
        scheme, _, rest = str(self).partition("://")
        return f"{scheme}://{account}{rest}{fingerprint}"

    def without_secrets(self) -> ServerAddress:
        """Where it is, and nothing else."""
        return replace(self, user="", token="", fingerprint="")


def parse_address(text: str) -> ServerAddress:
    """The address in a text.

    Raises:
        AddressError: it is none.
    """
    text = _BREAK.sub("", text.strip())  # a mail program may have broken the line
    if "://" not in text:
        text = f"wss://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        user, token = unquote(parts.username or ""), parts.password or ""
    except ValueError:
        raise AddressError(_WORDS) from None
    fingerprint = _FINGERPRINT.fullmatch(parts.fragment.lower().replace("%3a", ":"))
    right = (
        parts.scheme in ("wss", "ws")
        and _HOST.fullmatch(host) is not None
        and not parts.query
        and _PREFIX.fullmatch(parts.path) is not None
        and bool(user) == bool(token)
        and (not user or (is_user(user) and is_token(token)))
        and (not parts.fragment or fingerprint is not None)
        and port != 0
    )
    if not right:
        raise AddressError(_WORDS)
    secure = parts.scheme == "wss"
    if not secure and host not in _LOOPBACK:
        raise AddressError(
            f"the address of the server begins with ws://, so anybody on the way to {host} could read the "
            "pictures: use wss://"
        )
    return ServerAddress(
        secure=secure,
        host=host,
        port=port or _PORT,
        prefix=parts.path.rstrip("/"),
        user=user,
        token=token,
        fingerprint="" if fingerprint is None else fingerprint[1],
    )


_WORDS: Final = (
    "this is not the address of a LaMa Fill server: it looks like wss://HOST:PORT, or like the whole line "
    "that your administrator gave you"
)
