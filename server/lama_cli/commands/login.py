"""`lama-fill login` and `lama-fill logout`: use a shared server from this desk."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lama_cli.saying import say
from lama_core.client.errors import LamaFillError

if TYPE_CHECKING:
    from lama_core.client.connection import Account


class LoginError(LamaFillError):
    """The command line asks for something that cannot be done."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both commands."""
    login = commands.add_parser(
        "login",
        help="use a shared server from this desk",
        description="Use a shared server from this desk: both editors and the command line send their fills "
        "there from then on.",
    )
    login.add_argument(
        "address",
        metavar="ADDRESS",
        nargs="?",
        default="",
        help="the whole line that the administrator gave you, in quotes (default: asked for, and not shown)",
    )
    login.add_argument("--ca", metavar="FILE", help="certificate of who vouches for the server's, PEM")
    login.add_argument("--certificate", metavar="FILE", help="client certificate in place of a token, PEM")
    login.add_argument("--key", metavar="FILE", help="its private key, when it is not in the same file")
    login.add_argument(
        "--keyring",
        action="store_true",
        help="keep the token in the system's keyring; the editors do not read it there",
    )
    login.add_argument(
        "--no-default", action="store_true", help="only with --server, and where the address is set"
    )
    login.set_defaults(run=run)
    logout = commands.add_parser(
        "logout",
        help="forget a shared server",
        description="Forget a shared server and its token. Fills are this machine's own work again.",
    )
    logout.add_argument("address", metavar="ADDRESS", nargs="?", default="", help="(default: the one in use)")
    logout.set_defaults(run=_logout)


def run(args: argparse.Namespace) -> int:
    """Try the address, and remember it when the server takes it."""
    from lama_cli import accounts
    from lama_core.client.connection import connect
    from lama_core.client.connection.accounts import remember
    from lama_server import __version__

    account = _trusted(_account(args))
    with connect(client="lama-fill login", client_version=__version__, account=account) as server:
        welcome = server.welcome
    if args.keyring:
        accounts.keep_token(str(account.address), account.user, account.token)
        account = replace(account, in_keyring=True)
    remember(account, default=not args.no_default)
    who = account.user or "the client certificate"
    say(f"{account.address} takes {who}; it has version {welcome.server_version}")
    if not args.no_default:
        say("both editors and the command line fill there from now on; `lama-fill logout` takes it back")
    return 0


def _account(args: argparse.Namespace) -> Account:
    from lama_core.client.connection.accounts import known_accounts, of_address
    from lama_core.client.connection.server_address import parse_address

    asked = args.address
    if not asked:
        asked = getpass.getpass("the whole line that the administrator gave you (it is not shown): ")
    address = parse_address(asked)
    account = of_address(address)
    files = {name: _file(getattr(args, name)) for name in ("ca", "certificate", "key")}
    if not account.token and not files["certificate"]:
        known = known_accounts().accounts.get(str(account.address))
        if known is None or not known.token:
            raise LoginError(
                "the address has no token: give the whole line that your administrator gave you, in quotes"
            )
        account = replace(known, fingerprint=address.fingerprint or known.fingerprint)
    return replace(
        account,
        ca=files["ca"] or account.ca,
        certificate=files["certificate"] or account.certificate,
        key=files["key"] or account.key,
    )


def _file(path: str | None) -> str:
    if not path:
        return ""
    if not Path(path).is_file():
        raise LoginError(f"{path} is not there")
    return os.path.abspath(path)


def _trusted(account: Account) -> Account:
    """The account, with the fingerprint of a certificate that nobody vouches for when the user knows it."""
    from lama_core.client.connection import CertificateUnknownError, connect

    try:
        connect(client="lama-fill login", account=account).close()
    except CertificateUnknownError as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        say(f"the certificate of {account.address} is not known yet. Its fingerprint is", error=True)
        say(error.detail, error=True)
        print("Is that what your administrator says? [yes/no] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("yes", "y"):
            raise LoginError("nothing was sent, and nothing is remembered") from None
        return replace(account, fingerprint=error.detail.partition(":")[2])
    return account


def _logout(args: argparse.Namespace) -> int:
    from lama_cli import accounts
    from lama_core.client.connection.accounts import forget, known_accounts
    from lama_core.client.connection.server_address import parse_address

    asked = args.address or known_accounts().default
    if not asked:
        say("no shared server is in use")
        return 0
    forgotten = forget(parse_address(asked))
    if forgotten is None:
        raise LoginError(f"there is no account at {asked} on this machine")
    if forgotten.in_keyring:
        accounts.drop_token(str(forgotten.address), forgotten.user)
    say(f"{forgotten.address} is forgotten, and its token with it")
    return 0
