"""What a plug-in's field keeps of an address that was pasted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lama_core.client import places
from lama_core.client.connection import AddressError, find_account
from lama_core.client.plugin.shared_server import take_address

TOKEN = "t" * 43


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(places.RUNTIME_DIR_VARIABLE, str(tmp_path))
    monkeypatch.delenv(places.SERVER_VARIABLE, raising=False)


def test_the_token_goes_elsewhere() -> None:
    pasted = f" wss://anna:{TOKEN}@fill.example:8443#sha256:{'ab' * 32}\n"
    kept = take_address(pasted)
    assert kept == "wss://fill.example:8443"
    account = find_account(kept)
    assert account is not None
    assert (account.user, account.token, account.fingerprint) == ("anna", TOKEN, "ab" * 32)
    assert take_address(kept) == kept


@pytest.mark.parametrize("text", ["", "  ", "local"])
def test_no_address_is_needed(text: str) -> None:
    assert take_address(text) == text.strip()


def test_nonsense_is_refused() -> None:
    with pytest.raises(AddressError):
        take_address("fill here, please")
