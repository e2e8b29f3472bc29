"""`lama-fill users`, `login` and `logout`: from nothing to a fill at a desk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import pyvips

import lama_cli
from lama_cli.commands import login
from lama_core.client.connection import find_account
from lama_core.client.protocol import user_proof
from lama_server.shared.users import read_users
from tests.server.harness import wait_until
from tests.server.shared_harness import Authority, Shared, Start


@pytest.fixture
def on_the_server(tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder of a server, whose settings name a certificate."""
    (tmp_path / "tls").mkdir()
    certificate = Authority(tmp_path / "tls").issue("127.0.0.1", "fill.example")
    config = tmp_path / "config.toml"
    config.write_text(
        f'listen = "0.0.0.0:8443"\ntls_cert = "{certificate.chain}"\ntls_key = "{certificate.key}"\n'
        'public_address = "wss://fill.example:8443/lama"\nmodel = "tiny"\n'
    )
    monkeypatch.setenv("LAMA_FILL_CONFIG", str(config))
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def told(capsys: pytest.CaptureFixture[str], *argv: str, status: int = 0) -> str:
    assert lama_cli.main(argv) == status
    out = capsys.readouterr()
    return out.out if status == 0 else out.err


def test_the_life_of_a_user(on_the_server: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added = json.loads(told(capsys, "users", "add", "anna", "--waiting", "3", "--json"))
    assert added["address"].startswith(f"wss://anna:{added['token']}@fill.example:8443/lama#sha256:")
    path = on_the_server / "users.json"
    kept = read_users(path)["anna"]
    assert kept.verifier == user_proof.verifier(added["token"], "anna")
    assert added["token"] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "rotate anna" in told(capsys, "users", "add", "anna", status=2)
    rotated = json.loads(told(capsys, "users", "rotate", "anna", "--json"))
    assert rotated["token"] != added["token"]
    assert read_users(path)["anna"].limits == {"waiting": 3}
    told(capsys, "users", "add", "carl", "--certificate")
    listed = told(capsys, "users", "list")
    assert "anna" in listed
    assert "waiting 3" in listed
    assert "certificate" in listed
    assert rotated["token"] not in listed
    told(capsys, "users", "remove", "anna")
    assert "no user anna" in told(capsys, "users", "remove", "anna", status=2)
    assert set(read_users(path)) == {"carl"}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("add", "an na"), "cannot be a name"),
        (("add", "anna", "--waiting", "0"), "a limit is"),
        (("add", "anna", "--memory-mib", "-5"), "a limit is"),
        (("rotate", "nobody"), "no user nobody"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    on_the_server: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], words: str
) -> None:
    said = told(capsys, "users", *argv, status=2)
    assert words in said
    assert len(said.splitlines()) == 1
    assert not (on_the_server / "users.json").exists() or read_users(on_the_server / "users.json") == {}


def test_from_nothing_to_a_fill_at_a_desk(
    on_the_server: Path,
    tmp_path: Path,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tls = Authority(tmp_path / "tls").issue("127.0.0.1")
    shared = Shared(start, on_the_server, certificate=tls)
    config = tmp_path / "config.toml"
    config.write_text(
        f'listen = "127.0.0.1:{shared.port}"\ntls_cert = "{tls.chain}"\ntls_key = "{tls.key}"\n'
        'model = "tiny"\n'
    )
    added: dict[str, Any] = json.loads(told(capsys, "users", "add", "anna", "--json"))
    wait_until(lambda: "there are 1 users now" in shared.process.log(), what="the user")
    # A desk: nothing here but the line.
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "desk"))
    monkeypatch.setattr(login.getpass, "getpass", lambda prompt: added["address"])
    assert "takes anna" in told(capsys, "login")
    account = find_account()
    assert account is not None
    assert str(account.address) == f"wss://127.0.0.1:{shared.port}"
    assert "ready" in told(capsys, "status", "--server", str(account.address))
    picture, mask = np.full((60, 80, 3), 200, np.uint8), np.zeros((60, 80), np.uint8)
    mask[20:30, 20:40] = 255
    pyvips.Image.new_from_array(picture).write_to_file(str(tmp_path / "p.png"))
    pyvips.Image.new_from_array(mask).write_to_file(str(tmp_path / "m.png"))
    fill = ["fill", str(tmp_path / "p.png"), "--mask", str(tmp_path / "m.png"), "-o"]
    told(capsys, *fill, str(tmp_path / "o.png"))
    assert json.loads(shared.audit())["user"] == "anna"
    assert not (tmp_path / "desk" / "server.json").exists(), "no server was started here"
    # The token is wrong from now on, and the words say what to do.
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(on_the_server))
    told(capsys, "users", "remove", "anna")
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "desk"))
    wait_until(lambda: "there are 0 users now" in shared.process.log(), what="the removal")
    said = told(capsys, *fill, str(tmp_path / "o2.png"), status=2)
    assert "does not take the token of anna" in said
    assert len(said.splitlines()) == 1
    assert "is forgotten" in told(capsys, "logout")
    assert find_account() is None
    assert "no account" in told(capsys, "logout", str(account.address), status=2)


def test_login_with_an_unknown_certificate(
    on_the_server: Path,
    tmp_path: Path,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tls = Authority(tmp_path / "tls").issue("127.0.0.1")
    shared = Shared(start, on_the_server, certificate=tls)
    added = json.loads(told(capsys, "users", "add", "anna", "--json"))
    wait_until(lambda: "there are 1 users now" in shared.process.log(), what="the user")
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path / "desk"))
    bare = f"wss://anna:{added['token']}@127.0.0.1:{shared.port}"
    said = told(capsys, "login", bare, status=2)
    assert f"#sha256:{tls.fingerprint}" in said
    assert not (tmp_path / "desk" / "servers.json").exists()
    # At a terminal it is asked.
    for answer, status in (("no\n", 2), ("yes\n", 0)):
        monkeypatch.setattr(login.sys, "stdin", _Terminal(answer))
        monkeypatch.setattr(login.sys.stderr, "isatty", lambda: True, raising=False)
        assert lama_cli.main(["login", bare]) == status
    account = find_account()
    assert account is not None
    assert account.fingerprint == tls.fingerprint
    assert "no token" in told(capsys, "login", "wss://other.example", status=2)
    assert "is not there" in told(capsys, "login", bare, "--ca", str(tmp_path / "no.pem"), status=2)


class _Terminal:
    def __init__(self, line: str) -> None:
        self._line = line

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self._line


def test_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the package it is one line; with one, it is asked."""
    import sys

    from lama_cli import accounts

    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(accounts.KeyringError, match=r"lama-fill\[keyring\]"):
        accounts.keep_token("wss://x:1", "anna", "t")

    class Kept:
        tokens: ClassVar[dict[tuple[str, str], str]] = {}

        def set_password(self, service: str, user: str, token: str) -> None:
            self.tokens[service, user] = token

        def get_password(self, service: str, user: str) -> str | None:
            return self.tokens.get((service, user))

    monkeypatch.setattr(accounts, "_keyring", Kept)
    accounts.keep_token("wss://x:1", "anna", "t")
    assert accounts.token_of("wss://x:1", "anna") == "t"
    assert accounts.token_of("wss://x:2", "anna") == ""
