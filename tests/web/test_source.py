"""What fills may be copied from, painted in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

from lama_cli.pictures import read_picture
from tests.web.browser import MILLISECONDS, Command, Tab, write
from tests.web.test_command_line import write_16_bits

SIZE = (160, 120)
HOLE = [(100.0, 60.0), (130.0, 90.0)]
GREEN = [(20.0, 24.0), (40.0, 24.0)]


def use(tab: Tab, key: str) -> None:
    """Choose a tool by its key."""
    tab.page.locator(".view").focus()
    tab.page.keyboard.press(key)


def mark_hole(tab: Tab) -> NDArray[np.bool_]:
    use(tab, "r")
    tab.paint(HOLE, SIZE)
    mask: NDArray[np.bool_] = tab.mask() > 0
    return mask


def place_of(picture: NDArray[np.generic], colour: NDArray[np.generic]) -> tuple[int, int]:
    """The row and the column of the one pixel of that colour."""
    ((row, column),) = np.argwhere((picture == colour).all(axis=2))
    return int(row), int(column)


@pytest.fixture
def opened(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> Tab:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.set_brush(10)
    return tab


def test_a_fill_is_copied_from_what_the_second_brush_paints(opened: Tab) -> None:
    before = opened.saved()
    everywhere = opened.page.get_by_role("button", name="Copy from everywhere")
    expect(everywhere).to_be_disabled()
    use(opened, "s")
    expect(opened.page.get_by_role("button", name="Copy from here")).to_have_attribute("aria-pressed", "true")
    opened.paint(GREEN, SIZE)
    expect(everywhere).to_be_enabled()
    assert not opened.mask().any(), "it is no part of the hole"
    mask = mark_hole(opened)
    opened.fill()
    filled = opened.saved()
    assert (filled[~mask] == before[~mask]).all(), "what may be copied is only shown"
    # The worker of this test copies one pixel: the first of what it may.
    row, column = place_of(before, filled[75, 115])
    assert (filled[mask] == filled[75, 115]).all()
    assert abs(row - 19) <= 1
    assert 14 <= column <= 46

    # It stays for the next fill, and the right button takes away from it.
    expect(everywhere).to_be_enabled()
    use(opened, "s")
    opened.paint([(10.0, 19.0), (150.0, 19.0)], SIZE, button="right")
    opened.page.get_by_role("button", name="Another one").click()
    expect(opened.page.locator(".thumb")).to_have_count(2, timeout=MILLISECONDS)
    row, column = place_of(before, opened.saved()[75, 115])
    assert abs(row - 24) <= 1
    assert 14 <= column <= 46


def test_undo_takes_strokes_back_and_everywhere_takes_all(opened: Tab, photo: NDArray[np.uint8]) -> None:
    use(opened, "s")
    opened.paint(GREEN, SIZE)
    everywhere = opened.page.get_by_role("button", name="Copy from everywhere")
    everywhere.click()
    mask = mark_hole(opened)
    opened.fill()
    assert (opened.saved()[mask] == 255 - photo[mask]).all()
    for _step in range(2):  # the fill with its mask, and the mask
        opened.page.keyboard.press("Control+z")
    opened.page.keyboard.press("Control+z")
    expect(everywhere).to_be_enabled()
    mask = mark_hole(opened)
    opened.fill()
    assert (opened.saved()[mask] == opened.saved()[75, 115]).all()


def test_a_source_in_the_hole_alone_is_one_sentence(opened: Tab) -> None:
    use(opened, "s")
    opened.paint([(110.0, 75.0), (115.0, 75.0)], SIZE)
    mark_hole(opened)
    use(opened, "Enter")
    opened.expect_fault("“Copy from here” leaves nothing to copy from but what is to be filled")
    assert opened.mask().any(), "what was marked stays marked"


def test_it_is_kept_over_a_reload(opened: Tab) -> None:
    use(opened, "s")
    opened.paint(GREEN, SIZE)
    opened.page.reload()
    expect(opened.page.get_by_role("tab", name="photo.png")).to_be_visible(timeout=MILLISECONDS)
    expect(opened.page.get_by_role("button", name="Copy from everywhere")).to_be_enabled()


def test_a_picture_of_the_command_line_is_copied_at_full_depth(
    command: Callable[..., Command], new_tab: Callable[..., Tab], tmp_path: Path
) -> None:
    pixels = write_16_bits(tmp_path / "deep.png")
    tab = new_tab().open(command(tmp_path / "deep.png").address)
    expect(tab.page.locator(".about")).to_contain_text("16 bits", timeout=MILLISECONDS)
    tab.set_brush(10)
    use(tab, "s")
    tab.paint(GREEN, SIZE)
    mask = mark_hole(tab)
    tab.fill()
    tab.page.keyboard.press("Control+s")
    tab.wait_for_line("deep-filled.png")
    saved = read_picture(tmp_path / "deep-filled.png").pixels
    assert (saved[~mask] == pixels[~mask]).all()
    row, column = place_of(pixels, saved[75, 115])
    assert (saved[mask] == saved[75, 115]).all()
    assert abs(row - 19) <= 1
    assert 14 <= column <= 46
