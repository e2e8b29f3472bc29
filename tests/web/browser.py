"""A real Chromium, the page in it, and the command that opened it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.server.harness import ServerProcess

#: A fill on a busy machine takes its time.
SECONDS = 60.0
MILLISECONDS = SECONDS * 1000
expect.set_options(timeout=MILLISECONDS)

#: Notes in the page every breach of its content security policy.
_LISTEN = """
window.breaches = [];
document.addEventListener("securitypolicyviolation", (event) => window.breaches.push(
    `${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


_EXPECTED = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE", "status of 401")


class Command:
    """`lama-fill web --no-open`, with the address that it prints."""

    def __init__(self, server: ServerProcess, *arguments: Path | str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lama_cli", "web", "--no-open", *map(str, arguments)],
            env=server.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("http://127.0.0.1:"), self.process.communicate()[1]

    @property
    def origin(self) -> str:
        return self.address.partition("/#")[0]

    @property
    def token(self) -> str:
        return self.address.partition("#")[2]

    def end(self) -> str:
        """End it; returns what it said beside the address."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=20)[1]


class Tab:
    """A tab of the browser with the page in it."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(MILLISECONDS)
        self.page.add_init_script(_LISTEN)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        # Listened to from the beginning: a dialog of the browser's own that opens before is cancelled.
        self.page.on("filechooser", lambda chooser: None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        # That a server is away, or does not know the session yet, is told by the browser for each try.
        if message.type == "error" and not any(known in message.text for known in _EXPECTED):
            self.complaints.append(message.text)

    def open(self, address: str) -> Tab:
        self.page.goto(address)
        self.page.locator(".app, .gate").first.wait_for()
        return self

    def choose(self, *files: Path, button: str = "Open…") -> None:
        """Open files by the dialog."""
        with self.page.expect_file_chooser() as chosen:
            self.page.get_by_role("button", name=button, exact=True).first.click()
        chosen.value.set_files([str(file) for file in files])

    def open_pictures(self, *files: Path) -> None:
        count = self.page.get_by_role("tab").count()
        self.choose(*files)
        expect(self.page.get_by_role("tab")).to_have_count(count + len(files), timeout=MILLISECONDS)

    def drop(self, file: Path, *, zone: str, kind: str = "image/png") -> None:
        """Drop a file on one of the places for it."""
        content = list(file.read_bytes())
        transfer = self.page.evaluate_handle(
            """([name, content, type]) => {
                const transfer = new DataTransfer();
                transfer.items.add(new File([new Uint8Array(content)], name, { type }));
                return transfer;
            }""",
            [file.name, content, kind],
        )
        self.page.dispatch_event("body", "dragenter", {"dataTransfer": transfer})
        self.page.dispatch_event(f"[data-zone={zone}]", "drop", {"dataTransfer": transfer})

    def screen(self, x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
        """Where a point of a picture of that size is on the screen, when all of the picture is shown."""
        box = self.page.locator(".view").bounding_box()
        assert box is not None
        margin = min(32, box["width"] / 20)
        scale = min((box["width"] - margin) / size[0], (box["height"] - margin) / size[1], 4)
        left = round((box["width"] - size[0] * scale) / 2)
        top = round((box["height"] - size[1] * scale) / 2)
        return box["x"] + left + x * scale, box["y"] + top + y * scale

    def paint(
        self, points: Sequence[tuple[float, float]], size: tuple[int, int], *, button: Any = "left"
    ) -> None:
        """Draw through points of the picture with the tool that is chosen."""
        mouse = self.page.mouse
        mouse.move(*self.screen(*points[0], size))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.screen(*point, size), steps=3)
        mouse.up(button=button)

    def set_brush(self, size: int) -> None:
        """By the slider, as far as its steps go."""
        slider = self.page.get_by_label("Size")
        slider.fill(str(round(1000 * np.log(size) / np.log(2000))))

    def fill(self) -> None:
        self.page.locator(".view").focus()
        self.page.keyboard.press("Enter")
        self.wait_for_line("Filled in")

    def wait_for_line(self, text: str) -> None:
        expect(self.page.locator(".line")).to_contain_text(text, timeout=MILLISECONDS)

    def expect_fault(self, text: str) -> None:
        expect(self.page.locator(".fault").first).to_contain_text(text, timeout=MILLISECONDS)

    def save(self, kind: str = "PNG") -> bytes:
        """Save by the dialog; returns the file that the browser downloads."""
        page = self.page
        with page.expect_download(timeout=MILLISECONDS) as download:
            name = "Save as…" if page.get_by_role("button", name="Save as…").is_visible() else "Save"
            page.get_by_role("banner").get_by_role("button", name=name, exact=True).click()
            page.locator(".dialog-choice", has=page.get_by_text(kind, exact=True)).click()
        return Path(download.value.path()).read_bytes()

    def saved(self, kind: str = "PNG") -> NDArray[np.uint8]:
        return pixels_of(self.save(kind))

    def mask(self) -> NDArray[np.uint8]:
        """The mask, by its own button."""
        with self.page.expect_download(timeout=MILLISECONDS) as download:
            self.page.get_by_role("button", name="Save the mask").click()
        return pixels_of(Path(download.value.path()).read_bytes())

    def check(self, origin: str) -> None:
        """Whatever was done: no breach of the policy, nothing asked of another host, no error in the page."""
        assert self.page.evaluate("window.breaches") == []
        assert self.complaints == []
        others = [url for url in self.requests if not url.startswith((f"{origin}/", "blob:", "data:"))]
        assert others == []
        assert not any("#" in url for url in self.requests[1:])


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)))


def write(path: Path, pixels: NDArray[np.uint8]) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@contextmanager
def context_of(browser: Browser, **settings: Any) -> Iterator[BrowserContext]:
    settings = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US", **settings}
    context = browser.new_context(accept_downloads=True, **settings)
    yield context
    context.close()


def wait_until(true: Callable[[], Any], what: str) -> None:
    until = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < until, f"{what} did not happen"
        time.sleep(0.05)


CHROMIUM = os.environ.get("LAMA_FILL_CHROMIUM", "chromium")
"""The browser: a name on the PATH, or a path."""
