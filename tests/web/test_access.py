"""For everybody: the keyboard alone, screen readers, dark and light, a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

from installers import build_web
from tests.web.browser import MILLISECONDS, Command, Tab, write
from tests.web.node import have_packages

SIZE = (160, 120)
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def findings(tab: Tab) -> list[str]:
    """What axe-core finds wrong, with its strictest rules about access."""
    have_packages()
    # By the debugger, because the page's own policy lets no foreign script in.
    tab.page.evaluate((build_web.WEB / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8"))
    report: dict[str, Any] = tab.page.evaluate(
        """() => axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa",
            "best-practice"] })"""
    )
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in report["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_axe_finds_nothing(
    command: Callable[..., Command],
    new_tab: Callable[..., Tab],
    tmp_path: Path,
    photo: NDArray[np.uint8],
    scheme: str,
    size: str,
) -> None:
    opened = command()
    settings = PHONE if size == "phone" else {}
    gate = new_tab(color_scheme=scheme, **settings).open(opened.origin)
    assert findings(gate) == []
    tab = new_tab(color_scheme=scheme, **settings).open(opened.address)
    assert findings(tab) == []
    tab.open_pictures(write(tmp_path / "one.png", photo), write(tmp_path / "two.png", photo))
    if size == "phone":
        tab.page.get_by_role("button", name="How to fill").click()
    assert findings(tab) == []
    tab.paint([(60, 50), (100, 50)], SIZE) if size == "wide" else tab.page.keyboard.press("i")
    tab.page.get_by_role("button", name="Clear").click()
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("Control+z")
    if size == "wide":
        tab.fill()
        tab.page.get_by_role("button", name="Another one").click()
        expect(tab.page.locator(".thumb")).to_have_count(2, timeout=MILLISECONDS)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"bad")
    tab.choose(bad)
    tab.expect_fault("no picture")
    assert findings(tab) == []
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("v")
    assert findings(tab) == []
    tab.page.keyboard.press("Control+s")
    expect(tab.page.get_by_role("dialog")).to_be_visible()
    assert findings(tab) == []
    background = tab.page.locator(".topbar").evaluate("(node) => getComputedStyle(node).backgroundColor")
    shade = int(background.removeprefix("rgb(").partition(",")[0])
    assert shade < 80 if scheme == "dark" else shade > 200


def test_the_keyboard_does_everything_but_paint(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    page = tab.page
    marked = np.zeros((120, 160), np.uint8)
    marked[40:60, 50:80] = 255
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Control+o")
    chosen.value.set_files(str(write(tmp_path / "photo.png", photo)))
    expect(page.get_by_role("tab")).to_have_count(1, timeout=MILLISECONDS)
    # Tab reaches every control that can be used, in the order of the page, and each shows that it is reached.
    page.locator("body").click(position={"x": 600, "y": 2})
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => {
                const at = document.activeElement;
                if (at === document.body) { return ["", ""]; }
                const name = at.ariaLabel || at.labels?.[0]?.textContent || at.textContent;
                return [name.trim(), getComputedStyle(at).outlineStyle];
            }"""
        )
        if name in reached or name == "":
            break
        assert outline != "none", name
        reached.append(name)
    wanted = {"photo.png", "Open…", "Save", "Brush", "Eraser", "Larger", "Invert", "Load…"}
    assert wanted | {"Fill while painting", "Fill"} <= set(reached), reached
    # A mask from a file, filled, varied, undone, saved: without a mouse.
    page.get_by_role("button", name="Load…").focus()
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Enter")
    chosen.value.set_files(str(write(tmp_path / "mask.png", marked)))
    tab.wait_for_line("The mask was added")
    page.locator(".view").focus()
    page.keyboard.press("Enter")
    tab.wait_for_line("Filled in")
    page.keyboard.press("a")
    expect(page.locator(".thumb")).to_have_count(2, timeout=MILLISECONDS)
    page.locator(".thumb").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".thumb").first).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+s")
    with page.expect_download(timeout=MILLISECONDS):
        page.keyboard.press("Enter")
    page.keyboard.press("Control+z")
    tab.wait_for_line("Undone")
    page.get_by_role("tab").focus()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.keyboard.press("Delete")
    expect(page.get_by_role("tab")).to_have_count(1)
    # The picture moves by arrows.
    page.locator(".view").focus()
    for key in ("+", "ArrowLeft", "ArrowUp", "-", "1", "0"):
        page.keyboard.press(key)


@pytest.mark.parametrize("language", ["de-DE", "es-ES", "fr-FR", "ja-JP", "ko-KR", "zh-CN"])
def test_every_language_has_room(
    command: Callable[..., Command],
    new_tab: Callable[..., Tab],
    tmp_path: Path,
    photo: NDArray[np.uint8],
    language: str,
) -> None:
    tab = new_tab(locale=language, viewport={"width": 1024, "height": 700}).open(command().address)
    page = tab.page
    with page.expect_file_chooser() as chosen:
        page.locator(".empty .primary").click()
    chosen.value.set_files(str(write(tmp_path / "photo.png", photo)))
    expect(page.get_by_role("tab")).to_have_count(1)
    panel = page.locator(".panel").bounding_box()
    assert panel is not None
    for control in page.locator(".panel :is(button, input, select, label):visible").all():
        box = control.bounding_box()
        assert box is not None
        assert box["x"] >= panel["x"]
        assert box["x"] + box["width"] <= panel["x"] + panel["width"], control.inner_text()
    cut = page.evaluate(
        """() => [...document.querySelectorAll(".panel button span, .panel h2, .actions span")]
            .filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 1)
            .map((node) => node.textContent)"""
    )
    assert cut == []


def test_a_phone_is_wide_enough(
    command: Callable[..., Command], new_tab: Callable[..., Tab], tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    opened = command()
    tab = new_tab(locale="de-DE", **PHONE).open(opened.address)
    page = tab.page
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Bild öffnen…").click()
    chosen.value.set_files(str(write(tmp_path / "photo.png", photo)))
    expect(page.get_by_role("tab")).to_have_count(1, timeout=MILLISECONDS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    # What is pressed is large enough for a finger, and nothing is cut off at the side.
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 30
        if "tab" not in (button.get_attribute("class") or ""):
            assert box["height"] >= 44
            assert box["width"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    # A finger paints; the fill is one more touch.
    client = page.context.new_cdp_session(page)
    x, y = tab.screen(60, 60, SIZE)
    touch = {"x": x, "y": y, "radiusX": 4, "radiusY": 4}
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [touch]})
    for step in range(6):
        moved = {**touch, "x": x + 8 * step}
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [moved]})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.get_by_role("button", name="Füllen", exact=True).click()
    tab.wait_for_line("Gefüllt")
    # Two fingers move and zoom, and paint nothing.
    points = [{"x": 150, "y": 300, "id": 0}, {"x": 250, "y": 300, "id": 1}]
    percent = page.locator(".zoombar .button")
    before = percent.inner_text()
    client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points})
    for step in range(1, 8):
        apart = [{**points[0], "x": 150 - 8 * step}, {**points[1], "x": 250 + 8 * step}]
        client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": apart})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(percent).not_to_have_text(before)
    page.get_by_role("button", name="Wie gefüllt wird").click()
    expect(page.get_by_label("Güte:")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    tab.check(opened.origin)
