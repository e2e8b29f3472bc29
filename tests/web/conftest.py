"""What the tests in the browser share: Chromium, servers, the command, pictures."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, sync_playwright

from tests.server.harness import ServerProcess
from tests.web.browser import CHROMIUM, Command, Tab, context_of

SETUP = Path(__file__).with_name("install_chromium.sh")
#: As root, and in containers, the browser's own sandbox cannot be made.
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser. That it cannot be had is a failure in CI, and skips the tests elsewhere."""
    found = shutil.which(CHROMIUM)
    if found is not None:
        return found
    done = subprocess.run(["sh", str(SETUP)], capture_output=True, text=True, check=False)
    found = shutil.which(CHROMIUM)
    if found is None:
        last = "; ".join((done.stdout + done.stderr).strip().splitlines()[-2:])
        reason = f"Chromium could not be installed: {last}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


# Not for the session: while Playwright is there, no other test in this thread can run an event loop.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def server(start: Callable[..., ServerProcess]) -> ServerProcess:
    """A server whose fills are the picture with every value inverted, at once."""
    return start("echo").ready()


@pytest.fixture
def command(server: ServerProcess) -> Iterator[Callable[..., Command]]:
    """Starts `lama-fill web` with pictures, or other arguments."""
    started: list[Command] = []

    def begin(*arguments: Path | str) -> Command:
        started.append(Command(server, *arguments))
        return started[-1]

    yield begin
    for each in started:
        each.end()


@pytest.fixture
def new_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens a tab in a browser of its own, or beside another tab."""
    contexts: list[Any] = []

    def begin(beside: Tab | None = None, **settings: Any) -> Tab:
        if beside is not None:
            return Tab(beside.page.context)
        manager = context_of(browser, **settings)
        contexts.append(manager)
        return Tab(manager.__enter__())

    yield begin
    for manager in contexts:
        manager.__exit__(None, None, None)


@pytest.fixture
def tab(command: Callable[..., Command], new_tab: Callable[..., Tab]) -> Iterator[Tab]:
    """The page, opened by a command without pictures; looked at once more after the test."""
    opened = command()
    tab = new_tab().open(opened.address)
    yield tab
    tab.check(opened.origin)


@pytest.fixture
def photo() -> NDArray[np.uint8]:
    """(120, 160, 3): smooth, and different everywhere."""
    rows, columns = np.mgrid[0:120, 0:160]
    planes = (columns * 1.5, rows * 2, (rows + columns) * 0.9)
    return np.stack(planes, axis=2).astype(np.uint8)
