"""Which server a command uses, and tokens in the system's keyring."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.client.connection import Account

_SERVICE = "lama-fill"


class KeyringError(LamaFillError):
    """The system's keyring cannot be used."""


def add_server_option(parser: argparse.ArgumentParser) -> None:
    """Let a command name a shared server."""
    parser.add_argument(
        "--server",
        metavar="ADDRESS",
        default="",
        help="a shared server, such as wss://HOST:PORT, or local (default: as `lama-fill login` has set)",
    )


def chosen_account(args: argparse.Namespace) -> Account | None:
    """The shared server that a command is to use; None for this machine's own.

    Raises:
        LamaFillError: it is no address, or there is no token for it.
    """
    from lama_core.client.connection import find_account

    return find_account(args.server, keyring=token_of)


def token_of(address: str, user: str) -> str:
    """The token that the keyring has; "" when it has none."""
    try:
        return str(_keyring().get_password(f"{_SERVICE} {address}", user) or "")
    except LamaFillError:
        raise
    except Exception as error:
        raise KeyringError(f"the keyring cannot be read ({error}): unlock it, or log in again") from error


def keep_token(address: str, user: str, token: str) -> None:
    """Put a token into the keyring.

    Raises:
        KeyringError: it does not take it.
    """
    try:
        _keyring().set_password(f"{_SERVICE} {address}", user, token)
    except LamaFillError:
        raise
    except Exception as error:
        raise KeyringError(f"the keyring takes no token ({error}): log in without --keyring") from error


def drop_token(address: str, user: str) -> None:
    """Take a token out of the keyring, where it is."""
    keyring = _keyring()
    try:
        keyring.delete_password(f"{_SERVICE} {address}", user)
    except keyring.errors.PasswordDeleteError:
        pass
    except Exception as error:
        raise KeyringError(f"the keyring cannot be changed ({error}): unlock it") from error


def _keyring() -> Any:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise KeyringError(
            'the keyring needs a package: pip install "lama-fill[keyring]", or log in without --keyring'
        ) from None
    return keyring
