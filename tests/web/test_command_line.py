"""Pictures given to `lama-fill web`: shown in 8 bit, filled and saved at full depth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyvips
from numpy.typing import NDArray
from playwright.sync_api import expect

from lama_cli.pictures import read_picture
from tests.web.browser import MILLISECONDS, Command, Tab

SIZE = (160, 120)


def write_16_bits(path: Path) -> NDArray[np.uint16]:
    """A picture whose values no 8 bits can hold, with a colour profile and a comment."""
    rows, columns = np.mgrid[0:120, 0:160]
    planes = (columns * 400 + 7, rows * 530 + 13, (rows + columns) * 230 + 3)
    pixels = np.stack(planes, axis=2).astype(np.uint16)
    image = pyvips.Image.new_from_array(pixels).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", pyvips.Image.profile_load("p3"))
    image.set_type(pyvips.GValue.gstr_type, "png-comment-0-Author", "the artist")
    image.write_to_file(str(path))
    return pixels


def test_16_bits_are_filled_and_saved_beside_the_original(
    command: Callable[..., Command], new_tab: Callable[..., Tab], tmp_path: Path
) -> None:
    path = tmp_path / "deep.png"
    pixels = write_16_bits(path)
    opened = command(path)
    tab = new_tab().open(opened.address)
    expect(tab.page.get_by_role("tab", name="deep.png")).to_be_visible(timeout=MILLISECONDS)
    expect(tab.page.locator(".about")).to_contain_text("16 bits")
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("r")
    tab.paint([(40, 30), (80, 60)], SIZE)
    mask = tab.mask() > 0
    tab.fill()
    # On a fill of before, in the same picture.
    tab.paint([(100, 70), (130, 100)], SIZE)
    mask |= tab.mask() > 0
    tab.fill()
    tab.page.keyboard.press("Control+s")
    tab.wait_for_line("deep-filled.png")
    saved = read_picture(tmp_path / "deep-filled.png")
    assert saved.pixels.dtype == np.uint16
    assert (saved.pixels[~mask] == pixels[~mask]).all()
    assert (saved.pixels[mask] == 65535 - pixels[mask]).all()
    fields = {name for _kind, name, _value in saved.metadata.fields}
    assert {"icc-profile-data", "png-comment-0-Author"} <= fields
    assert (read_picture(path).pixels == pixels).all()

    # After undo the same file is written again, without the last fill.
    tab.page.keyboard.press("Control+z")
    tab.page.keyboard.press("Control+s")
    tab.wait_for_line("deep-filled.png")
    assert (read_picture(tmp_path / "deep-filled.png").pixels[85, 115] == pixels[85, 115]).all()
    assert sorted(each.name for each in tmp_path.glob("*.png")) == ["deep-filled.png", "deep.png"]

    # A command that was started anew gets the fills back from the page.
    opened.end()
    expect(tab.page.locator(".about")).to_contain_text("has ended", timeout=MILLISECONDS)
    tab.page.keyboard.press("Control+Shift+z")
    tab.page.keyboard.press("Control+s")
    tab.expect_fault("start “lama-fill web” with the picture again")
    again = command(path)
    tab.page.goto(again.address)
    expect(tab.page.get_by_role("tab", name="deep.png")).to_be_visible(timeout=MILLISECONDS)
    expect(tab.page.get_by_role("tab")).to_have_count(1)
    expect(tab.page.locator(".about")).to_contain_text("16 bits", timeout=MILLISECONDS)
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("Control+s")
    tab.wait_for_line("deep-filled-2.png")
    second = read_picture(tmp_path / "deep-filled-2.png")
    assert (second.pixels == saved.pixels).all()
    tab.check(again.origin)


def test_several_pictures_are_tabs(
    command: Callable[..., Command], new_tab: Callable[..., Tab], tmp_path: Path
) -> None:
    names = ["one.png", "two.png", "three.png"]
    for name in names:
        write_16_bits(tmp_path / name)
    tab = new_tab().open(command(*(tmp_path / name for name in names)).address)
    expect(tab.page.get_by_role("tab")).to_have_text(names, timeout=MILLISECONDS)
    tabs = tab.page.get_by_role("tab")
    tabs.nth(0).click()
    expect(tabs.nth(0)).to_have_attribute("aria-selected", "true")
    tab.page.keyboard.press("ArrowRight")
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(tabs.nth(1)).to_be_focused()
    tab.page.get_by_title("Close two.png").click()
    expect(tab.page.get_by_role("tab")).to_have_text(["one.png", "three.png"])
