"""Bad files, a server that goes away, a page that is loaded again, fills that fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import expect

from tests.server.harness import ServerProcess
from tests.web.browser import MILLISECONDS, Command, Tab, wait_until, write

SIZE = (160, 120)
LINE = [(60.0, 60.0), (100.0, 60.0)]


def test_a_bad_file_is_a_line_and_loses_nothing(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "text.txt").write_text("no picture")
    tab.choose(bad, tmp_path / "text.txt", write(tmp_path / "photo.png", photo))
    expect(tab.page.get_by_role("tab")).to_have_text(["photo.png"], timeout=MILLISECONDS)
    tab.expect_fault("no picture that the browser can read")
    tab.paint(LINE, SIZE)
    tab.choose(bad)
    tab.expect_fault("no picture that the browser can read")
    tab.page.get_by_role("button", name="Dismiss").click()
    expect(tab.page.locator(".fault")).to_have_count(0)
    assert tab.mask().any()


def test_a_reload_loses_nothing(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.paint(LINE, SIZE)
    tab.fill()
    filled = tab.saved()
    tab.paint([(20, 20), (40, 20)], SIZE)
    mask = tab.mask()
    tab.page.reload()
    expect(tab.page.get_by_role("tab")).to_have_text(["photo.png"], timeout=MILLISECONDS)
    assert (tab.saved() == filled).all()
    assert (tab.mask() == mask).all()
    # Undo still goes back to the beginning, and a second reload keeps where it got to.
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("Control+z")
    tab.page.keyboard.press("Control+z")
    tab.wait_for_line("Undone")
    assert (tab.saved() == photo).all()
    tab.page.reload()
    expect(tab.page.get_by_role("tab")).to_have_text(["photo.png"], timeout=MILLISECONDS)
    assert (tab.saved() == photo).all()
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("Control+y")
    tab.wait_for_line("Redone")
    assert (tab.saved() == filled).all()
    # What is closed is gone.
    tab.page.once("dialog", lambda dialog: dialog.accept())
    tab.page.get_by_title("Close photo.png").click()
    expect(tab.page.get_by_role("tab")).to_have_count(0)
    tab.page.reload()
    expect(tab.page.get_by_role("button", name="Open a picture…")).to_be_visible()


def test_a_killed_server_comes_back_and_the_fill_goes_on(
    start: Callable[..., ServerProcess], new_tab: Callable[..., Tab], tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    server = start("real").ready()
    opened = Command(server)
    try:
        tab = new_tab().open(opened.address)
        tab.open_pictures(write(tmp_path / "photo.png", photo))
        tab.paint(LINE, SIZE)
        mask = tab.mask() > 0
        server.process.kill()
        server.process.wait(10)
        strip = tab.page.locator(".server-strip")
        expect(strip).to_contain_text("away", timeout=MILLISECONDS)
        # Asked for while nobody is there: done when somebody is.
        tab.page.locator(".view").focus()
        tab.page.keyboard.press("Enter")
        expect(strip).to_be_hidden(timeout=MILLISECONDS)
        tab.wait_for_line("Filled in")
        filled = tab.saved()
        # The hole may be made larger and has a soft edge; nothing far from it changes.
        far = np.ones_like(mask)
        rows, columns = np.nonzero(mask)
        far[max(0, rows.min() - 40) : rows.max() + 41, max(0, columns.min() - 40) : columns.max() + 41] = (
            False
        )
        assert (filled[far] == photo[far]).all()
        assert (filled[mask] != photo[mask]).any()
        tab.check(opened.origin)
    finally:
        opened.end()
        import subprocess
        import sys

        stop = [sys.executable, "-m", "lama_cli", "stop"]
        subprocess.run(stop, env=server.environment, check=False, capture_output=True)


def test_a_server_without_the_session_says_what_to_do(
    start: Callable[..., ServerProcess], new_tab: Callable[..., Tab], tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    server = start("echo").ready()
    opened = Command(server)
    tab = new_tab().open(opened.address)
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.paint(LINE, SIZE)
    mask = tab.mask()
    opened.end()
    server.process.kill()
    server.process.wait(10)
    second = start("echo").ready()
    assert second.port == server.port
    strip = tab.page.locator(".server-strip")
    expect(strip).to_contain_text("lama-fill web", timeout=MILLISECONDS)
    # The new address in the same tab, and all is as it was.
    again = Command(second)
    try:
        tab.page.goto(again.address)
        expect(strip).to_be_hidden(timeout=MILLISECONDS)
        assert (tab.mask() == mask).all()
        tab.fill()
        tab.page.wait_for_timeout(100)
    finally:
        again.end()


def test_a_fill_is_cancelled_and_its_mask_is_marked_again(
    start: Callable[..., ServerProcess], new_tab: Callable[..., Tab], tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    # Its fills take as many milliseconds as the seed says; grow names a fault.
    server = start("scripted").ready()
    opened = Command(server)
    try:
        tab = new_tab().open(opened.address)
        tab.open_pictures(write(tmp_path / "photo.png", photo))
        tab.page.get_by_label("Grow:").fill("4")
        tab.page.get_by_label("Grow:").blur()
        tab.paint(LINE, SIZE)
        mask = tab.mask()
        tab.page.locator(".view").focus()
        tab.page.keyboard.press("Enter")
        tab.expect_fault("not enough memory")
        assert (tab.mask() == mask).all()
        assert (tab.saved() == photo).all()
        tab.page.get_by_label("Grow:").fill("")
        tab.page.get_by_label("Grow:").blur()
        server.process.send_signal(19)  # SIGSTOP: it does not answer
        tab.page.locator(".view").focus()
        tab.page.keyboard.press("Enter")
        cancel = tab.page.get_by_role("button", name="Cancel")
        expect(cancel).to_be_visible(timeout=MILLISECONDS)
        expect(tab.page.get_by_role("progressbar", name="Progress")).to_be_visible()
        cancel.click()
        tab.wait_for_line("Cancelled")
        assert (tab.mask() == mask).all()
        server.process.send_signal(18)
        tab.fill()
        wait_until(lambda: not tab.mask().any(), "the fill")
    finally:
        opened.end()
