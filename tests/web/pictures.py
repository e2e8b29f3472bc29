"""The documentation's pictures of the page: `python -m tests.web.pictures`, or `make pictures`."""

from __future__ import annotations

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.server.harness import ServerProcess
from tests.web.browser import CHROMIUM, MILLISECONDS, Command, Tab, context_of, write

PROJECT = Path(__file__).parents[2]
IMAGES = PROJECT / "docs" / "images"
sys.path.insert(0, str(PROJECT / "examples"))

DESKTOP = {"viewport": {"width": 1200, "height": 750}}
PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 2, "has_touch": True}


def keep(tab: Tab, name: str) -> None:
    picture = Image.open(io.BytesIO(tab.page.screenshot()))
    picture.convert("RGB").save(IMAGES / f"{name}.webp", quality=88, method=6)
    print(IMAGES / f"{name}.webp")


def paint(tab: Tab, strokes: list[list[tuple[float, float]]], size: tuple[int, int]) -> None:
    for stroke in strokes:
        tab.paint(stroke, size)


def main() -> int:
    """Take them, with the real server and the model that ships. Returns the exit status."""
    from pictures import EXAMPLES

    os.environ["LAMA_FILL_CACHE_DIR"] = tempfile.mkdtemp()
    chromium = shutil.which(CHROMIUM)
    if chromium is None:
        print(f"there is no {CHROMIUM}: sh tests/web/install_chromium.sh", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp())
    server = ServerProcess(folder / "run", "real", "--model=compact").ready()
    command = Command(server)
    rocket, coffee = (write(folder / f"{name}.png", EXAMPLES[name].photo()) for name in ("rocket", "coffee"))
    towers = [
        [(200.0, 130.0), (197.0, 300.0), (187.0, 415.0)],
        [(446.0, 130.0), (450.0, 300.0), (458.0, 415.0)],
    ]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            with context_of(browser, color_scheme="dark", **DESKTOP) as context:
                tab = Tab(context).open(command.address)
                tab.open_pictures(coffee, rocket)
                tab.page.wait_for_timeout(500)
                tab.set_brush(34)
                paint(tab, towers, (640, 427))
                tab.set_brush(46)
                paint(tab, [[(452.0, 330.0), (462.0, 405.0)], [(190.0, 330.0), (184.0, 405.0)]], (640, 427))
                keep(tab, "web-painted")
                tab.fill()
                tab.page.get_by_role("button", name="Another one").click()
                expect(tab.page.locator(".thumb")).to_have_count(2, timeout=MILLISECONDS)
                tab.page.get_by_role("button", name="Another one").click()
                expect(tab.page.locator(".thumb")).to_have_count(3, timeout=MILLISECONDS)
                tab.page.locator(".thumb").first.click()
                tab.page.mouse.move(600, 20)
                tab.page.keyboard.press("v")
                tab.page.wait_for_timeout(500)
                keep(tab, "web-filled")
            command.end()
            command = Command(server)
            with context_of(browser, color_scheme="light", **PHONE) as context:
                tab = Tab(context).open(command.address)
                with tab.page.expect_file_chooser() as chosen:
                    tab.page.get_by_role("button", name="Open a picture…").click()
                chosen.value.set_files(str(coffee))
                expect(tab.page.get_by_role("tab")).to_have_count(1)
                tab.page.wait_for_timeout(500)
                tab.page.get_by_role("button", name="How to fill").click()
                tab.set_brush(60)
                tab.page.get_by_role("button", name="How to fill").click()
                tab.page.wait_for_timeout(300)
                paint(tab, [[(420.0, 230.0), (520.0, 260.0), (575.0, 285.0)]], (600, 400))
                keep(tab, "web-phone")
            browser.close()
    finally:
        command.end()
        server.clean_up()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
