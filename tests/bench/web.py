"""What the page costs: until it is seen, for a move of the brush on 24 megapixels, beside a fill.

The engine of this bench returns at once, so all the time of a fill that is measured is the page's, the
server's and the connection's. The brush is measured by Chromium's own trace: the work of the page's thread
for a move, and the time from the move to the frame that shows it.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.bench.report import Section
from tests.server.harness import ServerProcess
from tests.web.browser import CHROMIUM, Command, Tab, context_of

PAINT_TARGET: Final = 500.0
MOVE_TARGET: Final = 16.0
FILL_TARGET: Final = 60.0
COARSE_TARGET: Final = 300.0
ROUNDS: Final = 9
MOVES: Final = 240
LARGE: Final = (6000, 4000)
BRUSH: Final = 200
CATEGORIES: Final = ["devtools.timeline", "toplevel", "input", "benchmark", "latencyInfo"]

_FILL: Final = """() => new Promise((resolve) => {
    const line = document.querySelector(".line");
    line.textContent = "";
    const begin = performance.now();
    new MutationObserver((_changes, observer) => {
        if (line.textContent.startsWith("Filled in")) {
            observer.disconnect();
            // After the page's own callback, which draws the fill.
            requestAnimationFrame(() => {
                const end = performance.now();
                const at = (name) => performance.getEntriesByName(name).at(-1).startTime;
                resolve([end - begin, at("fill answered") - at("fill sent")]);
            });
        }
    }).observe(line, { childList: true });
    const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true });
    document.querySelector(".view").dispatchEvent(enter);
})"""
_COARSE: Final = """() => {
    const at = (name) => performance.getEntriesByName(name).at(-1).startTime;
    return at("coarse answer") - at("fill asked");
}"""
_PAINTED: Final = """() => new Promise((resolve) => {
    const look = () => {
        const found = performance.getEntriesByName("first-contentful-paint")[0];
        found ? resolve(found.startTime) : setTimeout(look, 20);
    };
    look();
})"""


def main() -> Section:
    """Measure all three."""
    section = Section(
        title="The page",
        note=f"Chromium without a GPU. First paint and fill: the best of {ROUNDS}. "
        f"The brush has {BRUSH} pixels, on {LARGE[0]}x{LARGE[1]}.",
    )
    chromium = shutil.which(CHROMIUM)
    if chromium is None:
        section.note = f"Not measured: there is no {CHROMIUM}."
        return section
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "run", "echo", started_by_client=True).ready()
        command = Command(server)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                with context_of(browser) as context:
                    tab = Tab(context).open(command.address)
                    _first_paint(tab.page, section)
                    _fills(tab, Path(folder), section)
                    _strokes(browser, tab, Path(folder), section)
                _coarse(browser, Path(folder), section)
                browser.close()
        finally:
            command.end()
            server.clean_up()
    return section


def _first_paint(page: Page, section: Section) -> None:
    times = []
    for _ in range(ROUNDS):
        page.reload()
        times.append(float(page.evaluate(_PAINTED)))
    section.figure("first paint", min(times), "ms", target=PAINT_TARGET)


def _fills(tab: Tab, folder: Path, section: Section) -> None:
    size = (1024, 1024)
    tab.open_pictures(_photo(folder / "photo.png", size))
    tab.page.get_by_label("Context:").select_option("whole")
    costs, times = [], []
    for _ in range(ROUNDS + 2):
        tab.paint([(400, 500), (600, 500)], size)
        whole, answer = tab.page.evaluate(_FILL)
        costs.append(whole - answer)
        times.append(whole)
        tab.page.locator(".view").focus()
        tab.page.keyboard.press("Control+z")
        tab.page.keyboard.press("Control+z")
    # The first ones warm up the page and the server.
    section.figure("fill of 1024x1024, the page", min(costs[2:]), "ms", target=FILL_TARGET)
    section.figure("the same, with connection and server", min(times[2:]), "ms")


def _coarse(browser: Browser, folder: Path, section: Section) -> None:
    """Until the coarse answer of the model that ships is there, for a fill that takes longer."""
    server = ServerProcess(folder / "real", "real", "--model=compact", started_by_client=True).ready()
    command = Command(server)
    size = (1024, 1024)
    times = []
    try:
        with context_of(browser) as context:
            tab = Tab(context).open(command.address)
            tab.open_pictures(_photo(folder / "coarse.png", size))
            tab.set_brush(120)
            for _ in range(4):
                tab.paint([(400, 500), (600, 500)], size)
                tab.page.evaluate(_FILL)
                times.append(float(tab.page.evaluate(_COARSE)))
                tab.page.locator(".view").focus()
                tab.page.keyboard.press("Control+z")
                tab.page.keyboard.press("Control+z")
    finally:
        command.end()
        server.clean_up()
    section.figure("coarse answer of a slower fill", min(times), "ms", target=COARSE_TARGET)


def _strokes(browser: Browser, tab: Tab, folder: Path, section: Section) -> None:
    tab.open_pictures(_photo(folder / "large.jpg", LARGE))
    tab.set_brush(BRUSH)
    page = tab.page
    page.wait_for_timeout(2000)
    angles = np.linspace(0, 6 * np.pi, MOVES)
    points = [(3000 + 1800 * np.cos(a) * a / 19, 2000 + 1500 * np.sin(a) * a / 19) for a in angles]
    page.mouse.move(*tab.screen(*points[0], LARGE))
    page.mouse.down()
    browser.start_tracing(page=page, categories=CATEGORIES)
    for point in points:
        page.mouse.move(*tab.screen(*point, LARGE))
    trace = json.loads(browser.stop_tracing())
    page.mouse.up()
    work, latency = _read(trace["traceEvents"])
    section.figure("work of the page for a move, median", statistics.median(work), "ms", target=MOVE_TARGET)
    section.figure("the same, 95 of 100", _share(work, 0.95), "ms", target=MOVE_TARGET)
    if latency:
        section.figure("from a move to its frame, median", statistics.median(latency), "ms")


def _read(events: Sequence[dict[str, Any]]) -> tuple[list[float], list[float]]:
    """Milliseconds of the page's thread for each move, with its drawing; and from moves to their frames."""
    moves = [
        event
        for event in events
        if event["name"] == "EventDispatch"
        and event.get("args", {}).get("data", {}).get("type") == "pointermove"
    ]
    thread = (moves[0]["pid"], moves[0]["tid"])
    names = {"FireAnimationFrame", "Layout", "UpdateLayoutTree", "PrePaint", "Paint", "Layerize", "Commit"}
    drawing = [
        event
        for event in events
        if event["name"] in names and (event["pid"], event["tid"]) == thread and "dur" in event
    ]
    starts = [move["ts"] for move in moves] + [moves[-1]["ts"] + 100_000]
    work = []
    for move, begin, end in zip(moves, starts, starts[1:], strict=False):
        own = move.get("dur", 0) + sum(each["dur"] for each in drawing if begin <= each["ts"] < end)
        work.append(own / 1000)
    begun = {}
    latency = []
    for event in events:
        if event["name"] == "EventLatency":
            key = (event["pid"], str(event.get("id2") or event.get("id")))
            kind = event.get("args", {}).get("event_latency", {}).get("event_type", "")
            if event["ph"] == "b" and "MOUSE_DRAGGED" in kind:
                begun[key] = event["ts"]
            elif event["ph"] == "e" and key in begun:
                latency.append((event["ts"] - begun.pop(key)) / 1000)
    return work, latency


def _share(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _photo(path: Path, size: tuple[int, int]) -> Path:
    """Noise that no codec and no screen finds easy."""
    generator = np.random.default_rng(1)
    small = generator.integers(0, 256, (size[1] // 8, size[0] // 8, 3)).astype(np.uint8)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(path)
    return path
