"""Reaching the server while a command does something else."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lama_cli.connecting import EarlyConnection, early_connection, fills_by_server
from lama_core.client.connection import Client, ServerStartError, connect
from lama_core.model import Generator, GeneratorConfig
from lama_core.model.checkpoint import write_safetensors
from tests.server.harness import ServerProcess


def arguments(
    *, model: str | None = None, device: str = "auto", no_server: bool = False
) -> argparse.Namespace:
    return argparse.Namespace(model=model, device=device, no_server=no_server, server="local")


def started_by(command: list[str]) -> Callable[[Callable[[str], None], Callable[[], bool]], Client]:
    def make(progress: Callable[[str], None], cancelled: Callable[[], bool]) -> Client:
        return connect(client="tests", command=command, progress=progress, cancelled=cancelled)

    return make


def test_a_server_that_runs_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path))
    server = ServerProcess(tmp_path).ready()
    try:
        with early_connection(arguments()) as early:
            assert early is not None
            client = early.client(lambda stage: None)
            assert client.status().pid == server.process.pid
            assert early.client(lambda stage: None) is client
        assert client._connection is None, "it ends with its context"
    finally:
        server.clean_up()


def test_why_there_is_none_is_known_to_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path))
    refusing = EarlyConnection(started_by([sys.executable, "-c", "exit('no room')"]))
    with refusing as early, pytest.raises(ServerStartError, match="no room"):
        early.client(lambda stage: None)


def test_a_start_that_nobody_waits_for_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMA_FILL_RUNTIME_DIR", str(tmp_path))
    ended = tmp_path / "ended"
    silent = f"import time, pathlib; time.sleep(600); pathlib.Path({str(ended)!r}).touch()"
    with EarlyConnection(started_by([sys.executable, "-c", silent])) as early:
        pass
    assert not early._thread.is_alive()
    assert not ended.exists()
    with pytest.raises(Exception, match="not waited for"):
        early.client(lambda stage: None)


def test_who_fills_without_the_server_asks_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMA_FILL_DATA_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    weights = tmp_path / "models" / "mine.safetensors"
    write_safetensors(Generator(GeneratorConfig(width=8, blocks=1)), weights, metadata={"name": "mine"})
    assert fills_by_server(arguments())
    assert fills_by_server(arguments(model="mine"))
    assert not fills_by_server(arguments(model=str(weights)))
    assert not fills_by_server(arguments(device="cpu"))
    assert not fills_by_server(arguments(no_server=True))
    with early_connection(arguments(no_server=True)) as early:
        assert early is None
