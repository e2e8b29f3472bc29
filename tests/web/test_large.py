"""A picture of 100 megapixels: opened, painted, filled and saved at full size."""

from __future__ import annotations

from pathlib import Path

import pyvips
from playwright.sync_api import expect

from tests.web.browser import MILLISECONDS, Tab

SIDE = 10_000
SIZE = (SIDE, SIDE)


def test_100_megapixels(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    ramp = pyvips.Image.identity(ushort=True, size=SIDE).linear(255 / SIDE, 0).cast("uchar")
    across = ramp.replicate(1, SIDE)
    down = ramp.rot90().replicate(SIDE, 1)
    picture = across.bandjoin([down, across.invert()]).copy(interpretation="srgb")
    picture.write_to_file(str(path), compression=1)
    tab.open_pictures(path)
    expect(tab.page.locator(".about")).to_contain_text("10000 × 10000")
    tab.set_brush(200)
    tab.paint([(4000, 5000), (4600, 5000)], SIZE)
    tab.fill()
    data = tab.save()
    saved = pyvips.Image.new_from_buffer(data, "")
    assert (saved.width, saved.height, saved.bands) == (SIDE, SIDE, 3)
    difference = (saved - picture).abs()
    left, top, width, height = difference.find_trim(threshold=0, background=[0])
    # Changed where it was painted, and nowhere else.
    assert abs(left - 3900) < 30
    assert abs(top - 4900) < 30
    assert abs(left + width - 4700) < 30
    assert abs(top + height - 5100) < 30
    middle = saved.crop(4100, 4960, 400, 80).numpy()
    wanted = 255 - picture.crop(4100, 4960, 400, 80).numpy()
    assert (middle == wanted).all()
    tab.page.reload()
    expect(tab.page.get_by_role("tab")).to_have_count(1, timeout=MILLISECONDS)
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("Control+z")
    tab.wait_for_line("Undone")


def test_more_than_fits_is_refused_in_a_line(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    pyvips.Image.black(13_000, 10_000).write_to_file(str(path), compression=1)
    tab.choose(path)
    tab.expect_fault("130 megapixels")
