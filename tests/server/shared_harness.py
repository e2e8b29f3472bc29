"""A shared server for a test: certificates, users, and the real process that listens for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import trustme

from lama_cli.invitation import fingerprint_of
from lama_core.client.connection import Account, Client, connect
from lama_core.client.connection.server_address import parse_address
from lama_core.client.protocol import auth, user_proof
from lama_server.shared.users import USERS_FILE, new_user, read_users, write_users
from tests.server.harness import ServerProcess, wait_until

Start = Callable[..., ServerProcess]


@dataclass(frozen=True)
class Certificate:
    """Files of one certificate."""

    chain: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.chain)


class Authority:
    """Signs certificates. `file`: its own certificate."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.file = folder / f"ca-{len(list(folder.iterdir()))}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def issue(self, *names: str, days: float = 30.0, common_name: str | None = None) -> Certificate:
        """`days`: from now; a negative number has expired."""
        end = datetime.now(timezone.utc) + timedelta(days=days)
        leaf = self._ca.issue_cert(
            *names, common_name=common_name, not_before=end - timedelta(days=60), not_after=end
        )
        number = len(list(self._folder.iterdir()))
        files = Certificate(self._folder / f"cert-{number}.pem", self._folder / f"key-{number}.pem")
        leaf.private_key_pem.write_to_path(str(files.key))
        files.chain.unlink(missing_ok=True)
        for part in leaf.cert_chain_pems:
            part.write_to_path(str(files.chain), append=True)
        return files


class Shared:
    """A server that listens for users, and its file of users."""

    def __init__(
        self, start: Start, folder: Path, *flags: str, certificate: Certificate | None = None
    ) -> None:
        self.folder = folder
        self.certificate = certificate
        tls = (
            ()
            if certificate is None
            else ("--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key))
        )
        self.process = start("scripted", "--listen", "127.0.0.1:0", *tls, *flags).ready()
        found = wait_until(
            lambda: re.search(r"serves \d+ users on 127\.0\.0\.1:(\d+)", self.process.log()), what="listening"
        )
        self.port = int(found[1])

    @property
    def url(self) -> str:
        return f"{'ws' if self.certificate is None else 'wss'}://127.0.0.1:{self.port}"

    def account(self, name: str, token: str, **changes: Any) -> Account:
        """An account at this server; by default the fingerprint of its certificate is known."""
        fields = {"fingerprint": self.certificate.fingerprint if self.certificate else "", **changes}
        return Account(address=parse_address(self.url), user=name, token=token, **fields)

    def connect(self, account: Account) -> Client:
        return connect(client="tests", account=account)

    def audit(self) -> str:
        return (self.folder / "audit.log").read_text()


def add_user(folder: Path, name: str, *, certificate: bool = False, **limits: int) -> str:
    """Let somebody in, also into a server that runs already; returns the token."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / USERS_FILE
    users = read_users(path)
    token = "" if certificate else auth.new_token()
    verifier = user_proof.verifier(token, name) if token else None
    users[name] = new_user(name, verifier, certificate=certificate, limits=limits)
    write_users(path, users)
    return token


def remove_user(folder: Path, name: str) -> None:
    path = folder / USERS_FILE
    users = read_users(path)
    del users[name]
    write_users(path, users)
