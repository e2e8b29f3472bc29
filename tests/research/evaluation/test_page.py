from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lama_core.research.evaluation.dataset import Case
from lama_core.research.evaluation.evaluate import Comparison
from lama_core.research.evaluation.page import save_page, slider_page
from lama_core.research.evaluation.sheet import HOLE_COLOUR

METHODS = ("one", "a < b")


def comparison(name: str) -> Comparison:
    photo = np.full((48, 64, 3), 40, np.uint8)
    hole = np.zeros((48, 64), bool)
    hole[8:40, 8:40] = True
    case = Case(name=name, kind="thin", photo=photo, hole=hole)
    fills = {method: photo + 20 * number for number, method in enumerate(METHODS, start=1)}
    return Comparison(case=case, fills=fills, scores={})


class Elements(HTMLParser):
    """Start tags with their attributes, and that every element is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def parsed(page: str) -> Elements:
    elements = Elements()
    elements.feed(page)
    elements.close()
    assert elements.open == []
    return elements


def test_a_page_has_every_view_of_every_picture_inside() -> None:
    page = slider_page([comparison("a"), comparison("<b>")], title="A & B")
    elements = parsed(page)
    assert "<h1>A &amp; B</h1>" in page
    assert "{{" not in page
    images = elements.of("img")
    assert len(images) == 2 * (3 + len(METHODS))
    pictures = []
    for image in images:
        head, _, data = (image["src"] or "").partition(",")
        assert head == "data:image/webp;base64"
        pictures.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int))
    assert all(picture.shape == (48, 64, 3) for picture in pictures)
    before, outlined, hole, one, other = (picture[20, 20] for picture in pictures[:5])
    assert [round(value.mean() / 20) for value in (before, outlined, one, other)] == [2, 2, 3, 4]
    assert np.abs(hole - HOLE_COLOUR).max() < 6
    line = pictures[1][8, 9:39].mean(axis=0)
    assert line[0] > 2 * line[1]  # WebP halves the colours of a line of one pixel


def test_each_picture_has_a_slider_with_a_name_and_two_lists_choose_its_sides() -> None:
    elements = parsed(slider_page([comparison("a"), comparison("b")]))
    sliders = elements.of("input")
    assert [slider["type"] for slider in sliders] == ["range", "range"]
    assert [slider["aria-label"] for slider in sliders] == [
        "Wipe picture 1: a, thin hole",
        "Wipe picture 2: b, thin hole",
    ]
    assert [select["id"] for select in elements.of("select")] == ["left", "right"]
    assert len(elements.of("option")) == 2 * 5
    chosen = [option["value"] for option in elements.of("option") if "selected" in option]
    assert chosen == ["1", "4"]  # the outlined hole against the last method


def test_a_page_needs_nothing_from_elsewhere_and_suits_light_and_dark() -> None:
    page = slider_page([comparison("a")])
    without_pictures = re.sub(r'src="data:[^"]*"', "", page)
    assert not re.search(r"https?:|src=|url\(|@import|<link", without_pictures)
    assert "prefers-color-scheme: dark" in page


def test_a_page_is_written_with_its_folder(tmp_path: Path) -> None:
    save_page("<p>–</p>", tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").read_text("utf-8") == "<p>–</p>"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_shows_one_view_on_either_side_and_says_what_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    save_page(slider_page([comparison("a")]), page)
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    shown = {
        image["class"]: (image["data-view"], image["alt"])
        for image in parsed(done.stdout).of("img")
        if image.get("class")
    }
    assert shown == {"left": ("1", "before, hole outlined"), "right": ("4", METHODS[-1])}
    (slider,) = parsed(done.stdout).of("input")
    assert slider["aria-valuetext"] == "50 %"
