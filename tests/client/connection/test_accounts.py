"""Addresses of shared servers, and the file of those that there is a token for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lama_core.client.connection import AccountError, AddressError, NotTrustedError, find_account
from lama_core.client.connection.accounts import Account, forget, known_accounts, of_address, remember
from lama_core.client.connection.server_address import ServerAddress, parse_address

TOKEN = "t" * 43
WHOLE = f"wss://anna:{TOKEN}@fill.example:8443/lama#sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://fill.example", "wss://fill.example:443"),
        ("fill.example:8443", "wss://fill.example:8443"),
        (" wss://fill.example:8443/lama/ \n", "wss://fill.example:8443/lama"),
        ("wss://FILL.example:8443/a/b", "wss://fill.example:8443/a/b"),
        ("wss://[::1]:8443", "wss://[::1]:8443"),
        ("ws://127.0.0.1:8000", "ws://127.0.0.1:8000"),
        (WHOLE, "wss://fill.example:8443/lama"),
        (WHOLE[:40] + "\n  " + WHOLE[40:], "wss://fill.example:8443/lama"),
    ],
)
def test_addresses(text: str, shown: str) -> None:
    assert str(parse_address(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wss://",
        "https://fill.example",
        "wss://fill.example:0",
        "wss://fill.example:99999",
        "wss://fill.example:port",
        "wss://fill.example/?x=1",
        "wss://fill.example/a b/ü",
        "wss://fill.example#md5:00",
        "wss://fill.example#sha256:00",
        "wss://anna@fill.example",
        "wss://anna:short@fill.example",
        f"wss://:{TOKEN}@fill.example",
        "wss://[::1:8443",
    ],
)
def test_what_is_no_address_is_one_line(text: str) -> None:
    with pytest.raises(AddressError, match="wss://HOST:PORT"):
        parse_address(text)


def test_no_address_elsewhere_goes_without_tls() -> None:
    with pytest.raises(AddressError, match="use wss://"):
        parse_address("ws://fill.example:8000")


@given(
    st.builds(
        ServerAddress,
        secure=st.just(True),
        host=st.from_regex(r"[a-z][a-z0-9]{0,9}(\.[a-z]{2,5})?", fullmatch=True),
        port=st.integers(1, 65535),
        prefix=st.from_regex(r"(/[a-z0-9]{1,5}){0,2}", fullmatch=True),
        user=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,9}", fullmatch=True),
        token=st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True),
        fingerprint=st.just("") | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    )
)
def test_a_whole_address_survives(address: ServerAddress) -> None:
    assert parse_address(address.whole) == address
    assert address.token not in repr(address)
    assert address.token not in str(address)


def test_an_address_with_a_token_is_remembered(folder: Path) -> None:
    account = find_account(WHOLE)
    assert account is not None
    assert (account.user, account.token, account.fingerprint) == ("anna", TOKEN, "ab" * 32)
    path = folder / "servers.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert find_account("wss://fill.example:8443/lama") == account
    assert TOKEN not in repr(account)
    # Another token for the same server takes its place.
    assert find_account(WHOLE.replace(TOKEN, "u" * 43)) == replace(account, token="u" * 43)
    assert len(known_accounts().accounts) == 1


def test_which_server_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_account() is None, "this machine's own"
    find_account(WHOLE)
    assert find_account() is None, "a remembered one is used where it is named"
    remember(of_address(parse_address(WHOLE)), default=True)
    found = find_account()
    assert found is not None
    assert str(found.address) == "wss://fill.example:8443/lama"
    assert find_account("local") is None
    monkeypatch.setenv("LAMA_FILL_SERVER", "local")
    assert find_account() is None
    assert find_account("wss://fill.example:8443/lama") is not None, "what is asked goes first"
    monkeypatch.setenv("LAMA_FILL_SERVER", "wss://other.example")
    with pytest.raises(AccountError, match=r"no token for wss://other\.example:443"):
        find_account()


def test_a_forgotten_server_is_no_default_either() -> None:
    remember(of_address(parse_address(WHOLE)), default=True)
    assert forget(parse_address("wss://fill.example:8443/lama")) is not None
    assert forget(parse_address("wss://fill.example:8443/lama")) is None
    assert find_account() is None


def test_a_token_in_the_keyring_is_not_in_the_file(folder: Path) -> None:
    remember(replace(of_address(parse_address(WHOLE)), in_keyring=True), default=True)
    assert TOKEN not in (folder / "servers.json").read_text()
    with pytest.raises(AccountError, match="keyring"):
        find_account()
    found = find_account(keyring=lambda address, user: TOKEN if user == "anna" else "")
    assert found is not None
    assert found.token == TOKEN


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o666])
def test_a_file_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    find_account(WHOLE)
    (folder / "servers.json").chmod(mode)
    with pytest.raises(NotTrustedError):
        find_account()


@pytest.mark.parametrize("content", ["", "[]", '{"servers": {"x": 1}}', '{"servers": {"http://x": {}}}'])
def test_a_file_of_something_else_is_one_line(folder: Path, content: str) -> None:
    path = folder / "servers.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(NotTrustedError, match="remove it"):
        find_account()


def test_a_client_certificate_is_remembered(folder: Path) -> None:
    account = Account(
        address=parse_address("wss://fill.example"), certificate="/c.pem", key="/k.pem", ca="/ca.pem"
    )
    remember(account, default=True)
    assert find_account() == account
    kept = json.loads((folder / "servers.json").read_text())["servers"]["wss://fill.example:443"]
    assert kept == {"certificate": "/c.pem", "key": "/k.pem", "ca": "/ca.pem"}
