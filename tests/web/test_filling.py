"""Paint, fill, compare, undo, save: in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import expect

from tests.server.harness import ServerProcess
from tests.web.browser import MILLISECONDS, Command, Tab, pixels_of, wait_until, write

SIZE = (160, 120)
LINE = [(60.0, 60.0), (100.0, 60.0)]


def changed(picture: NDArray[np.uint8], filled: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return (picture != filled).any(axis=2)


def test_a_dropped_picture_is_filled_where_it_was_painted(
    tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    tab.drop(write(tmp_path / "photo.png", photo), zone="picture")
    expect(tab.page.get_by_role("tab", name="photo.png")).to_be_visible()
    tab.set_brush(20)
    undo = tab.page.get_by_role("button", name="Undo")
    expect(undo).to_be_disabled()
    tab.paint(LINE, SIZE)
    expect(undo).to_be_enabled()
    mask = tab.mask() > 0
    # A stroke of 20 pixels along 40, with round ends.
    assert abs(int(mask.sum()) - (40 * 20 + np.pi * 100)) < 80
    assert mask[60, 60:101].all()
    tab.fill()
    filled = tab.saved()
    assert (filled[~mask] == photo[~mask]).all()
    assert (filled[mask] == 255 - photo[mask]).all()
    assert not tab.mask().any(), "the mask is used up"

    # Undo brings back the picture and the mask, redo the fill.
    tab.page.keyboard.press("Control+z")
    tab.wait_for_line("Undone")
    assert (tab.saved() == photo).all()
    assert ((tab.mask() > 0) == mask).all()
    tab.page.keyboard.press("Control+z")
    assert not tab.mask().any()
    tab.page.keyboard.press("Control+Shift+z")
    tab.page.keyboard.press("Control+y")
    tab.wait_for_line("Redone")
    assert (tab.saved() == filled).all()

    # The fill alone.
    layer = tab.saved("The fills alone")
    assert layer.shape == (120, 160, 4)
    assert ((layer[:, :, 3] > 0) == mask).all()
    assert (layer[mask][:, :3] == filled[mask]).all()
    for kind, magic in (("JPEG", b"\xff\xd8\xff"), ("WebP", b"RIFF")):
        assert tab.save(kind).startswith(magic)
    assert np.abs(tab.saved("WebP").astype(int) - filled).max() <= 8


def test_tools_mark_what_they_enclose(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    view = tab.page.locator(".view")
    view.focus()
    tab.page.keyboard.press("r")
    tab.paint([(20, 30), (60, 70)], SIZE)
    mask = tab.mask() > 0
    assert mask[30:70, 20:60].all()
    assert mask.sum() == 40 * 40
    # The right button takes away.
    tab.paint([(40, 30), (60, 70)], SIZE, button="right")
    assert (tab.mask() > 0).sum() == 20 * 40
    view.focus()
    tab.page.keyboard.press("l")
    tab.paint([(100, 20), (140, 20), (140, 60)], SIZE)
    triangle = tab.mask()[:, 90:] > 0
    assert abs(int(triangle.sum()) - 800) < 60
    tab.page.get_by_role("button", name="Invert").click()
    assert (tab.mask() > 0).sum() == 160 * 120 - (20 * 40) - triangle.sum()
    tab.page.get_by_role("button", name="Clear").click()
    assert not tab.mask().any()
    view.focus()
    tab.page.keyboard.press("b")
    tab.set_brush(30)
    tab.paint([(80, 60), (81, 60)], SIZE)
    before = (tab.mask() > 0).sum()
    tab.page.get_by_role("button", name="Grow").click()
    grown = (tab.mask() > 0).sum()
    assert grown > before
    tab.page.get_by_role("button", name="Shrink").click()
    assert abs(int((tab.mask() > 0).sum()) - int(before)) < 30
    view.focus()
    tab.page.keyboard.press("e")
    tab.paint([(80, 60), (81, 60)], SIZE)
    assert (tab.mask() > 0).sum() < before / 4


def test_the_brush_has_its_size_by_slider_keys_and_wheel(
    tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    size = tab.page.locator("output[for=brush-size]")
    tab.set_brush(40)
    expect(size).to_have_text("40 px")
    view = tab.page.locator(".view")
    view.focus()
    tab.page.keyboard.press("]")
    expect(size).to_have_text("46 px")
    tab.page.keyboard.press("[")
    tab.page.keyboard.press("[")
    expect(size).to_have_text("33 px")
    view.hover()
    cursor = tab.page.locator(".brush-cursor")
    shown = cursor.bounding_box()
    assert shown is not None
    assert abs(shown["width"] - 33 * 4) < 3, "the picture is shown four times as large"
    tab.page.keyboard.down("Alt")
    tab.page.mouse.wheel(0, -300)
    tab.page.keyboard.up("Alt")
    expect(size).not_to_have_text("33 px")


def test_zoom_at_the_pointer_and_pan(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    percent = tab.page.get_by_role("toolbar", name="View").locator("button").nth(1)
    expect(percent).to_have_text("400 %")
    view = tab.page.locator(".view")
    view.hover()
    tab.page.mouse.wheel(0, -400)
    expect(percent).not_to_have_text("400 %")
    view.focus()
    tab.page.keyboard.press("0")
    expect(percent).to_have_text("400 %")
    # Space and the middle button move the picture, and paint nothing.
    tab.page.keyboard.down(" ")
    tab.paint([(80, 60), (90, 70)], SIZE)
    tab.page.keyboard.up(" ")
    tab.paint([(80, 60), (90, 70)], SIZE, button="middle")
    assert not tab.mask().any()


def test_another_one_is_a_variant_to_choose(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.paint(LINE, SIZE)
    tab.fill()
    filled = tab.saved()
    tab.page.get_by_role("button", name="Another one").click()
    thumbs = tab.page.get_by_role("group", name="Variants").get_by_role("button")
    expect(thumbs).to_have_count(2, timeout=MILLISECONDS)
    expect(thumbs.nth(1)).to_have_attribute("aria-pressed", "true")
    # The engine of this test inverts what was there before the fill: so does the second one.
    assert (tab.saved() == filled).all()
    thumbs.nth(0).click()
    expect(thumbs.nth(0)).to_have_attribute("aria-pressed", "true")
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("Control+z")
    assert (tab.saved() == photo).all(), "both variants are one step"


def test_before_and_after(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.paint([(30.0, 60.0), (130.0, 60.0)], SIZE)
    tab.fill()
    slider = tab.page.get_by_role("slider", name="Before and after")
    tab.page.keyboard.press("v")
    expect(slider).to_be_visible()
    shot = pixels_on_screen(tab)
    tab.page.keyboard.press("End")
    tab.page.wait_for_timeout(100)
    assert (pixels_on_screen(tab) != shot).any()
    tab.page.locator(".view").focus()
    tab.page.keyboard.press("v")
    expect(slider).to_be_hidden()
    after = pixels_on_screen(tab)
    tab.page.keyboard.down("c")
    tab.page.wait_for_timeout(100)
    assert (pixels_on_screen(tab) != after).any()
    tab.page.keyboard.up("c")
    tab.page.wait_for_timeout(100)
    assert (pixels_on_screen(tab) == after).all()


@pytest.mark.parametrize("opened_by", ["browser"])
def test_preview_is_shown_until_the_fill_is_there(
    start: Callable[..., ServerProcess],
    new_tab: Callable[..., Tab],
    tmp_path: Path,
    photo: NDArray[np.uint8],
    opened_by: str,
) -> None:
    server = start("unhurried").ready()
    # Larger than the preview, so that it shows that this one is coarse.
    large = np.asarray(Image.fromarray(photo).resize((640, 480)))
    path = write(tmp_path / "photo.png", large)
    opened = Command(server, *([path] if opened_by == "command" else []))
    try:
        tab = new_tab().open(opened.address)
        if opened_by == "browser":
            tab.open_pictures(path)
        tab.page.get_by_label("Context:").select_option("whole")
        tab.set_brush(60)
        tab.paint([(200, 240), (440, 240)], (640, 480))
        mask = tab.mask() > 0
        tab.page.locator(".view").focus()
        tab.page.keyboard.press("Enter")
        filled = 255 - large.astype(int)

        def error() -> float:
            return float(np.abs(fill_shown(tab, large.shape)[mask] - filled[mask]).mean())

        wait_until(lambda: error() < 25, "the preview")
        assert tab.page.locator(".working").is_visible(), "the full one is still on its way"
        tab.wait_for_line("Filled in")
        if opened_by == "browser":
            assert (tab.saved()[mask] == 255 - large[mask]).all()
        else:
            wait_until(lambda: error() < 3, "the fill in its place")
        tab.page.locator(".view").focus()
        tab.page.keyboard.press("Control+z")
        wait_until(lambda: float(np.abs(fill_shown(tab, large.shape) - large)[~mask].mean()) < 3, "undo")
        before = fill_shown(tab, large.shape)[mask]
        assert np.abs(before - filled[mask]).mean() > 25, "nothing of the preview stays"
    finally:
        opened.end()


def fill_shown(tab: Tab, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The picture as it is on the screen, at its own size."""
    height, width = shape[:2]
    left, top = tab.screen(0, 0, (width, height))
    right, bottom = tab.screen(width, height, (width, height))
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    shot = Image.fromarray(pixels_of(tab.page.screenshot(clip=clip))).convert("RGB")
    return np.asarray(shot.resize((width, height))).astype(int)


def test_a_pasted_picture_and_a_pen(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    content = list(write(tmp_path / "photo.png", photo).read_bytes())
    tab.page.evaluate(
        """(content) => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([new Uint8Array(content)], "image.png", { type: "image/png" }));
            window.dispatchEvent(new ClipboardEvent("paste", { clipboardData }));
        }""",
        content,
    )
    expect(tab.page.get_by_role("tab")).to_have_text(["image.png"], timeout=MILLISECONDS)
    tab.set_brush(40)
    client = tab.page.context.new_cdp_session(tab.page)

    def draw(row: float, force: float) -> int:
        """The area of a pen's stroke."""
        tab.page.get_by_role("button", name="Clear").click()
        for kind, column in (
            ("mousePressed", 60),
            ("mouseMoved", 80),
            ("mouseMoved", 100),
            ("mouseReleased", 100),
        ):
            x, y = tab.screen(column, row, SIZE)
            event = {"type": kind, "x": x, "y": y, "pointerType": "pen", "force": force, "button": "left"}
            client.send("Input.dispatchMouseEvent", {**event, "buttons": 1, "clickCount": 1})
        return int((tab.mask() > 0).sum())

    assert draw(60, 0.1) < 0.75 * draw(60, 1.0)


def test_pixels_are_squares_above_400_percent(tab: Tab, tmp_path: Path) -> None:
    checks = (np.indices((40, 40)).sum(axis=0) % 2 * 255).astype(np.uint8)
    tab.open_pictures(write(tmp_path / "checks.png", np.dstack([checks] * 3)))
    tab.page.locator(".view").focus()
    values = []
    for _ in range(2):
        shot = pixels_on_screen(tab)
        height, width = shot.shape[:2]
        middle = shot[height // 2 - 40 : height // 2 + 40, width // 2 - 40 : width // 2 + 40]
        values.append(set(np.unique(middle).tolist()))
        for _ in range(4):
            tab.page.keyboard.press("+")
        tab.page.wait_for_timeout(200)
    assert values[1] == {0, 255}


def pixels_on_screen(tab: Tab) -> NDArray[np.uint8]:
    return pixels_of(tab.page.locator(".view canvas").first.screenshot())


def test_fill_while_painting(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.page.get_by_label("Fill while painting").check()
    tab.set_brush(10)
    tab.paint([(30, 30), (50, 30)], SIZE)
    tab.paint([(100, 90), (120, 90)], SIZE)
    tab.wait_for_line("Filled in")
    expect(tab.page.locator(".working")).to_be_hidden(timeout=MILLISECONDS)
    filled = changed(photo, tab.saved())
    assert filled[30, 40]
    assert filled[90, 110]
    assert not tab.mask().any()


def test_a_mask_from_a_file(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    marked = np.zeros((120, 160), np.uint8)
    marked[20:50, 30:80] = 255
    tab.drop(write(tmp_path / "mask.png", marked), zone="mask")
    tab.wait_for_line("The mask was added")
    assert (tab.mask() == marked).all()
    tab.page.get_by_role("button", name="Clear").click()
    small = np.zeros((60, 80), np.uint8)
    small[10:25, 15:40] = 255
    tab.choose(write(tmp_path / "small.png", small), button="Load…")
    tab.wait_for_line("scaled")
    # Between white and black is gray, on one pixel of the small mask.
    got = tab.mask()
    assert (got[24:46, 34:76] == 255).all()
    assert not got[:16].any()
    tab.drop(write(tmp_path / "bright.png", np.full((120, 160), 90, np.uint8)), zone="mask")
    tab.expect_fault("no black background")


def test_transparent_pixels_keep_their_values(tab: Tab, tmp_path: Path, photo: NDArray[np.uint8]) -> None:
    alpha = np.linspace(1, 255, 160).astype(np.uint8)[None].repeat(120, axis=0)
    picture = np.dstack([photo, alpha])
    tab.open_pictures(write(tmp_path / "see-through.png", picture))
    tab.paint(LINE, SIZE)
    mask = tab.mask() > 0
    tab.fill()
    filled = tab.saved()
    assert (filled[~mask] == picture[~mask]).all()


def test_what_is_painted_during_a_fill_is_the_next_one(
    start: Callable[..., ServerProcess], new_tab: Callable[..., Tab], tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    opened = Command(start("unhurried").ready())
    try:
        tab = new_tab().open(opened.address)
        tab.open_pictures(write(tmp_path / "photo.png", photo))
        tab.set_brush(16)
        tab.paint([(30, 30), (50, 30)], SIZE)
        first = tab.mask() > 0
        view, keys = tab.page.locator(".view"), tab.page.keyboard
        view.focus()
        keys.press("Enter")
        # Right beside the place that is being filled.
        tab.paint([(30, 50), (50, 50)], SIZE)
        tab.wait_for_line("Filled in")
        second = tab.mask() > 0
        assert second[50, 40]
        assert not (second & first).any()
        assert (changed(photo, tab.saved()) == first).all()
        # Undo: the fill, then what was painted meanwhile, then the mask comes back; then there is none.
        wanted = [second, np.zeros_like(first), first, np.zeros_like(first)]
        for mask in wanted:
            view.focus()
            keys.press("Control+z")
            assert ((tab.mask() > 0) == mask).all()
            assert (tab.saved() == photo).all()
        for mask in [first, np.zeros_like(first), second, second]:
            view.focus()
            keys.press("Control+y")
            assert ((tab.mask() > 0) == mask).all()
        assert (changed(photo, tab.saved()) == first).all()
        # A fill that is cancelled gives its mask back beside what was painted meanwhile.
        view.focus()
        keys.press("Enter")
        tab.paint([(110, 90), (130, 90)], SIZE)
        view.focus()
        keys.press("Escape")
        tab.wait_for_line("Cancelled")
        mask = tab.mask() > 0
        assert (mask & second).sum() == second.sum()
        assert mask[90, 120]
    finally:
        opened.end()


def test_the_colour_of_the_mask(tab: Tab, tmp_path: Path) -> None:
    tab.open_pictures(write(tmp_path / "gray.png", np.full((120, 160, 3), 128, np.uint8)))
    tab.set_brush(60)
    tab.paint([(80, 60), (81, 60)], SIZE)
    x, y = tab.screen(80, 60, SIZE)
    clip = {"x": x - 6, "y": y - 6, "width": 12, "height": 12}
    for colour, channel in (("#00ff00", 1), ("#0000ff", 2)):
        tab.page.get_by_label("Colour of the mask").fill(colour)
        tab.page.mouse.move(5, 5)
        tab.page.wait_for_timeout(200)
        shown = pixels_of(tab.page.screenshot(clip=clip)).astype(int).mean(axis=(0, 1))[:3]
        assert shown.argmax() == channel
        assert shown.min() < shown.max() - 60
