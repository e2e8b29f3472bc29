"""`lama-fill web --server`: the page is this desk's own, its fills are made by the studio's server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

from lama_cli.pictures import read_picture
from lama_core.client.connection.accounts import remember
from tests.server.harness import ServerProcess
from tests.server.shared_harness import Authority, Shared, add_user
from tests.web.browser import MILLISECONDS, Command, Tab, write

SIZE = (160, 120)


@pytest.fixture
def shared(server: ServerProcess, tmp_path: Path) -> Iterator[Shared]:
    """One that this desk has logged in to, as anna."""
    (tmp_path / "tls").mkdir()
    folder = tmp_path / "studio"
    token = add_user(folder, "anna")
    with contextlib.ExitStack() as stack:

        def start(kind: str, *flags: str) -> ServerProcess:
            process = ServerProcess(folder, "echo", *flags)
            stack.callback(process.clean_up)
            return process

        shared = Shared(start, folder, certificate=Authority(tmp_path / "tls").issue("127.0.0.1"))
        remember(shared.account("anna", token), folder=server.folder)
        yield shared


def test_pictures_of_both_kinds_are_filled_by_the_shared_server(
    command: Callable[..., Command],
    new_tab: Callable[..., Tab],
    server: ServerProcess,
    shared: Shared,
    tmp_path: Path,
    photo: NDArray[np.uint8],
) -> None:
    opened = command("--server", shared.url, write(tmp_path / "given.png", photo))
    tab = new_tab().open(opened.address)
    expect(tab.page.get_by_role("tab", name="given.png")).to_be_visible(timeout=MILLISECONDS)
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("r")
    tab.paint([(40, 30), (80, 60)], SIZE)
    mask = tab.mask() > 0
    tab.fill()
    tab.page.keyboard.press("Control+s")
    tab.wait_for_line("given-filled.png")
    filled = read_picture(tmp_path / "given-filled.png").pixels
    assert (filled[mask] == 255 - photo[mask]).all()

    tab.open_pictures(write(tmp_path / "opened.png", photo))
    tab.paint([(40, 30), (80, 60)], SIZE)
    mask = tab.mask() > 0
    tab.fill()
    filled = tab.saved()
    assert (filled[~mask] == photo[~mask]).all()
    assert (filled[mask] == 255 - photo[mask]).all()
    tab.check(opened.origin)

    lines = [json.loads(line) for line in shared.audit().splitlines()]
    assert [(line["user"], line["client"]) for line in lines] == [("anna", "lama-fill web")] * 2
    assert server.metric('lama_fill_fills_total{ending="done"}') == 0, "nothing was filled at the desk"


def test_a_shared_server_that_does_not_answer_is_one_line_and_no_page(
    server: ServerProcess, shared: Shared
) -> None:
    shared.process.end()
    done = subprocess.run(
        [sys.executable, "-m", "lama_cli", "web", "--no-open", "--server", shared.url],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "cannot be reached" in done.stderr
