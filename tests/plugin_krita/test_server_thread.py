"""The command by which the thread starts the server: the artist's, else the one that is looked for."""

from __future__ import annotations

import os
import queue
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lama_fill_krita.server_thread import ServerThread
from lama_fill_krita.tasks import Future

from lama_core.client import places
from lama_core.client.connection import ServerStartError
from lama_core.client.connection.launch import SERVE
from lama_core.client.places import COMMAND_VARIABLE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands here are scripts")


class Editor:
    """A main thread that does what is posted to it."""

    def __init__(self) -> None:
        self.posted: queue.Queue[Callable[[], None]] = queue.Queue()

    def wait(self, future: Future[Any]) -> Any:
        while not future.is_done:
            self.posted.get(timeout=30)()
        if future.error is not None:
            raise future.error
        return future.value


@pytest.fixture
def editor() -> Editor:
    return Editor()


@pytest.fixture
def link(editor: Editor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerThread:
    """A thread whose state folder is the test's own."""
    monkeypatch.setenv(places.RUNTIME_DIR_VARIABLE, str(tmp_path / "state"))
    monkeypatch.setenv("LAMA_FILL_PRELOAD", "false")
    return ServerThread(editor.posted.put)


def script(path: Path, then: str) -> str:
    """The command line of a script that writes its words beside it, and goes on with `then`."""
    path.write_text(f'#!/bin/sh\necho "$@" >{shlex.quote(str(path))}.words\n{then}\n')
    path.chmod(0o755)
    return f"{shlex.quote(str(path))} --first"


def words(path: Path) -> list[str]:
    return path.with_name(path.name + ".words").read_text().split()


def test_the_artists_command_and_the_inherited_one(
    editor: Editor, link: ServerThread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inherited, chosen = tmp_path / "inherited", tmp_path / "the artist's"
    monkeypatch.setenv(COMMAND_VARIABLE, script(inherited, "exit 7"))
    environment = dict(os.environ)
    link.use_command(script(chosen, "exit 8"))
    with pytest.raises(ServerStartError, match="status 8"):
        editor.wait(link.start())
    assert words(chosen) == ["--first", *SERVE]
    assert not inherited.with_name("inherited.words").exists()
    link.use_command("")
    with pytest.raises(ServerStartError, match="status 7"):
        editor.wait(link.start())
    assert words(inherited) == ["--first", *SERVE]
    assert dict(os.environ) == environment, "Krita's own is left alone"


def test_a_command_that_cannot_be_read(editor: Editor, link: ServerThread) -> None:
    link.use_command("'/opt/lama fill/lama-fill")
    with pytest.raises(ServerStartError, match="cannot be read"):
        editor.wait(link.start())


def test_another_command_counts_from_the_next_start(
    editor: Editor, link: ServerThread, tmp_path: Path
) -> None:
    start = f'shift; exec {shlex.quote(sys.executable)} -m lama_cli "$@"'
    for name in ("one", "two"):
        link.use_command(script(tmp_path / name, start))
        try:
            assert editor.wait(link.start()).pid > 0
            assert words(tmp_path / name) == ["--first", *SERVE]
        finally:
            editor.wait(link.stop())
