"""The server is looked for while the dialog is open, and once more when that did not help."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from lama_fill_gimp import server_connector
from lama_fill_gimp.server_connector import ServerConnector, find_server

from lama_core.client.connection import Account, ServerStartError
from lama_core.client.plugin.shared_server import take_address


class Bar:
    def __init__(self) -> None:
        self.shown: list[str] = []
        self.pulses = 0

    def show(self, text: str, fraction: float) -> None:
        self.shown.append(text)

    def pulse(self) -> None:
        self.pulses += 1

    def is_cancelled(self) -> bool:
        return False


class Connecting:
    """Stands in for `connect`: fails as often as it is told to, then gives a server."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.calls = 0
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, **_arguments: Any) -> str:
        self.may_go_on.wait(10)
        self.calls += 1
        if self.calls <= self.failures:
            raise ServerStartError("no such program")
        return "server"


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> Connecting:
    fake = Connecting()
    monkeypatch.setattr(server_connector, "connect", fake)
    return fake


def test_what_was_found_is_used(connecting: Connecting) -> None:
    looking = ServerConnector("3.0.4")
    looking.join(10)
    assert find_server(looking, "3.0.4", Bar()) == "server"
    assert connecting.calls == 1


def test_another_address_than_the_one_that_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The artist has pasted one into the dialog meanwhile."""
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path))
    asked: list[str] = []

    class Server:
        def __init__(self, address: str) -> None:
            self.address = address

        def close(self) -> None:
            asked.append(f"closed {self.address}")

    def connect(*, account: Account | None, **_arguments: Any) -> Server:
        asked.append("local" if account is None else str(account.address))
        return Server(asked[-1])

    monkeypatch.setattr(server_connector, "connect", connect)
    take_address(f"wss://anna:{'t' * 43}@fill.example:8443")
    looking = ServerConnector("3.0.4")
    looking.join(10)
    found: Any = find_server(looking, "3.0.4", Bar(), "wss://fill.example:8443")
    assert found.address == "wss://fill.example:8443"
    assert asked == ["local", "closed local", "wss://fill.example:8443"]


def test_the_bar_moves_while_the_search_goes_on(connecting: Connecting) -> None:
    connecting.may_go_on.clear()
    looking = ServerConnector("3.0.4")
    threading.Timer(0.5, connecting.may_go_on.set).start()
    bar = Bar()
    assert find_server(looking, "3.0.4", bar) == "server"
    assert bar.pulses >= 2
    assert any("Starting" in text for text in bar.shown)


def test_a_second_try_when_the_first_failed(connecting: Connecting) -> None:
    connecting.failures = 1
    looking = ServerConnector("3.0.4")
    looking.join(10)
    assert find_server(looking, "3.0.4", Bar()) == "server"


def test_without_a_dialog(connecting: Connecting) -> None:
    connecting.failures = 1
    with pytest.raises(ServerStartError, match="no such program"):
        find_server(None, "3.0.4", Bar())
