"""The shared servers that this user has an account at: `servers.json` in the state folder, mode 0600.

    {"default": "wss://fill.example:8443",
     "servers": {"wss://fill.example:8443": {"user": "anna", "token": "...", "fingerprint": "..."}}}

Editors and the command line read the same file, sandboxed ones too.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lama_core.client import places
from lama_core.client.connection import runtime
from lama_core.client.connection.errors import AccountError, NotTrustedError
from lama_core.client.connection.server_address import LOCAL, ServerAddress, parse_address
from lama_core.client.errors import LamaFillError
from lama_core.client.files import make_own_folder, write_atomically

ACCOUNTS_FILE: Final = "servers.json"
Keyring = Callable[[str, str], str]
"""Gives the token of an address and a user; "" when it has none."""
_FIELDS: Final = ("user", "token", "fingerprint", "ca", "certificate", "key")


class AccountsFileError(LamaFillError):
    """The file of accounts cannot be written."""


@dataclass(frozen=True)
class Account:
    """How to get into one shared server.

    Attributes:
        address: where it is, without secrets.
        user: who this is; "" with a client certificate.
        token: the secret; "" with a client certificate.
        fingerprint: of the server's certificate, which then needs nobody who vouches for it; "" otherwise.
        ca: path of the authority's certificate; "": the system's authorities.
        certificate: path of a client certificate, PEM; "" for none.
        key: path of its key; "" when it is in the same file.
        in_keyring: whether the token is in the system's keyring.
    """

    address: ServerAddress
    user: str = ""
    token: str = ""
    fingerprint: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    in_keyring: bool = False

    def __repr__(self) -> str:
        return f"Account({self.user}@{self.address})"


def find_account(
    asked: str = "", *, folder: Path | None = None, keyring: Keyring | None = None
) -> Account | None:
    """The shared server to use; None for this machine's own.

    Args:
        asked: an address, "local", or "" for what is set: $LAMA_FILL_SERVER, else the file's default. An
            address with a token is remembered, so that without it is enough from then on.
        folder: of the file; by default the state folder.
        keyring: asked where the token is in the system's keyring.

    Raises:
        AddressError: it is no address.
        AccountError: there is no account at that server.
        NotTrustedError: somebody else may have written the file, or can read it.
    """
    folder = folder or places.state_folder()
    known = _read(folder)
    asked = asked.strip() or os.environ.get(places.SERVER_VARIABLE, "").strip() or known.default
    if not asked or asked == LOCAL:
        return None
    address = parse_address(asked)
    if address.token:
        account = of_address(address)
        before = known.accounts.get(str(account.address))
        if before is None or (before.token, before.user) != (account.token, account.user):
            remember(account, folder=folder)
        return account
    found = known.accounts.get(str(address))
    if found is None:
        raise AccountError(
            f"there is no token for {address} on this machine: give the whole address that your "
            "administrator gave you, or run `lama-fill login`",
            server=str(address),
        )
    account = replace(found, fingerprint=address.fingerprint or found.fingerprint)
    if account.in_keyring:
        token = keyring(str(account.address), account.user) if keyring is not None else ""
        if not token:
            raise AccountError(
                f"the token for {address} is in the keyring, where it was not found: give the whole address "
                "that your administrator gave you",
                server=str(address),
            )
        account = replace(account, token=token)
    return account


def of_address(address: ServerAddress) -> Account:
    """The account that a whole address stands for."""
    return Account(
        address=address.without_secrets(),
        user=address.user,
        token=address.token,
        fingerprint=address.fingerprint,
    )


def remember(account: Account, *, folder: Path | None = None, default: bool = False) -> None:
    """Keep an account, in place of one that was there for the same server.

    Args:
        account: to keep; the token of one in the keyring is not written.
        folder: of the file; by default the state folder.
        default: whether it is used from now on where nothing else is said.

    Raises:
        AccountsFileError: the file cannot be written.
        NotTrustedError: somebody else may have written the file, or can read it.
    """
    folder = folder or places.state_folder()
    known = _read(folder)
    known.accounts[str(account.address)] = account
    _write(folder, known.accounts, str(account.address) if default else known.default)


def forget(address: ServerAddress, *, folder: Path | None = None) -> Account | None:
    """Forget the account at a server; returns it, or None where there was none. Raises as `remember`."""
    folder = folder or places.state_folder()
    known = _read(folder)
    account = known.accounts.pop(str(address), None)
    if account is not None:
        _write(folder, known.accounts, "" if known.default == str(address) else known.default)
    return account


@dataclass(frozen=True)
class Known:
    """What the file says. `default`: the address that is used where nothing else is said; "" for none."""

    default: str
    accounts: dict[str, Account]


def known_accounts(folder: Path | None = None) -> Known:
    """All accounts. Raises `NotTrustedError`."""
    return _read(folder or places.state_folder())


def _read(folder: Path) -> Known:
    path = folder / ACCOUNTS_FILE
    content = runtime.read_private(path)
    if content is None:
        return Known("", {})
    if sys.platform != "win32" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise NotTrustedError(
            f"{path} holds tokens and can be read by others: run chmod 600 on it, and ask for new tokens"
        )
    try:
        fields: Any = json.loads(content.decode("utf-8"))
        accounts = {}
        for address, account in fields["servers"].items():
            accounts[address] = _account(address, account)
        default = fields.get("default", "")
        return Known(default if default in accounts else "", accounts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, LamaFillError):
        raise NotTrustedError(
            f"{path} is not what LaMa Fill has written: remove it, and give the address of the server again"
        ) from None


def _account(address: str, fields: Mapping[str, Any]) -> Account:
    found = {name: fields.get(name, "") for name in _FIELDS}
    if not all(isinstance(value, str) for value in found.values()):
        raise ValueError
    return Account(address=parse_address(address), in_keyring=fields.get("in_keyring") is True, **found)


def _write(folder: Path, accounts: Mapping[str, Account], default: str) -> None:
    servers = {}
    for address, account in accounts.items():
        fields: dict[str, object] = {
            name: getattr(account, name) for name in _FIELDS if getattr(account, name)
        }
        if account.in_keyring:
            fields["in_keyring"] = True
            fields.pop("token", None)
        servers[address] = fields
    path = folder / ACCOUNTS_FILE
    try:
        make_own_folder(folder)
        content = json.dumps({"default": default, "servers": servers}, indent=1)
        write_atomically(path, content.encode(), mode=0o600)
    except OSError as error:
        raise AccountsFileError(
            f"{path} cannot be written ({error.strerror or error}): make room, or give the folder back to "
            "this user"
        ) from error
