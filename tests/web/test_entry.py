"""Who gets in: one page with one token, and nobody else's."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect

from lama_cli.web.opening import opened_in_browser
from tests.server.harness import ServerProcess
from tests.web.browser import MILLISECONDS, Command, Tab, write


def test_the_token_is_taken_once_and_leaves_the_address(
    command: Callable[..., Command], new_tab: Callable[..., Tab], server: ServerProcess
) -> None:
    opened = command()
    tab = new_tab().open(opened.address)
    expect(tab.page.get_by_role("button", name="Open a picture…")).to_be_visible()
    assert tab.page.url == f"{opened.origin}/"
    assert opened.token not in json.dumps(tab.requests[1:])
    # A reload goes on with the tab's own session.
    tab.page.reload()
    expect(tab.page.get_by_role("button", name="Open a picture…")).to_be_visible()
    # A second time, in the same browser or another, the token is worth nothing, and the page says what to do.
    for other in (new_tab(beside=tab), new_tab()):
        other.open(opened.address)
        expect(other.page.locator(".gate code")).to_have_text("lama-fill web")
        expect(other.page.locator(".app")).to_have_count(0)
    bare = new_tab().open(opened.origin)
    expect(bare.page.locator(".gate")).to_be_visible()
    tab.check(opened.origin)
    bare.check(opened.origin)
    assert tab.page.context.cookies() == []
    assert opened.token not in server.log()


def test_the_file_that_the_browser_is_given_leads_to_the_page(
    command: Callable[..., Command],
    new_tab: Callable[..., Tab],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = command()
    given: list[str] = []
    monkeypatch.setattr("webbrowser.open", given.append)
    with opened_in_browser(opened.address, tmp_path):
        tab = new_tab()
        tab.page.goto(given[0])
        expect(tab.page.locator(".app")).to_be_visible()
        assert tab.page.url == f"{opened.origin}/"


def test_two_tabs_have_sessions_and_pictures_of_their_own(
    command: Callable[..., Command],
    new_tab: Callable[..., Tab],
    tmp_path: Path,
    photo: NDArray[np.uint8],
) -> None:
    one, two = command(), command()
    first = new_tab().open(one.address)
    second = new_tab(beside=first).open(two.address)
    first.open_pictures(write(tmp_path / "one.png", photo))
    second.open_pictures(write(tmp_path / "two.png", 255 - photo))
    first.page.reload()
    expect(first.page.get_by_role("tab")).to_have_text(["one.png"], timeout=MILLISECONDS)
    second.page.reload()
    expect(second.page.get_by_role("tab")).to_have_text(["two.png"], timeout=MILLISECONDS)
    # What a closed tab had is there for the next one.
    second.page.close()
    first.page.reload()
    expect(first.page.get_by_role("tab")).to_have_text(["one.png", "two.png"], timeout=MILLISECONDS)


_PAGE = """<!doctype html><title>foreign</title><body>
<script>
window.found = {};
const port = PORT;
const address = `http://127.0.0.1:${port}`;
const note = (name) => [() => found[name] = "in", () => found[name] = "out"];
fetch(`${address}/web/declaration.json`).then(...note("fetch"));
fetch(`${address}/web/session`, { mode: "no-cors" }).then(
    (response) => found.opaque = response.type === "opaque" ? "out" : "in", () => found.opaque = "out");
for (const [path, protocol] of [["/", "lamafill.v1"], ["/desk", "lamafill.desk.v1"]]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, [protocol]);
    [socket.onopen, socket.onerror] = note(`socket ${path}`);
}
const script = document.createElement("script");
script.src = `${address}/web/app.js`;
[script.onload, script.onerror] = note("script");
document.body.append(script);
const image = new Image();
[image.onload, image.onerror] = note("image");
image.src = `${address}/web/icon.svg`;
document.body.append(image);
const frame = document.createElement("iframe");
frame.src = `${address}/`;
document.body.append(frame);
</script>"""


@pytest.fixture
def foreign(server: ServerProcess) -> Iterator[str]:
    """The address of a page of another origin, which tries everything."""
    body = _PAGE.replace("PORT", str(server.port)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_a_page_of_another_origin_gets_nothing(
    new_tab: Callable[..., Tab], foreign: str, server: ServerProcess, name: str
) -> None:
    tab = new_tab()
    tab.page.goto(f"http://{foreign.replace('127.0.0.1', name)}/")
    tab.page.wait_for_timeout(200)
    for _ in range(100):
        found = tab.page.evaluate("window.found")
        if len(found) == 6:
            break
        tab.page.wait_for_timeout(50)
    names = {"fetch", "opaque", "socket /", "socket /desk", "script", "image"}
    assert found == dict.fromkeys(names, "out")
    # The frame has nothing of the page in it.
    for frame in tab.page.frames[1:]:
        assert frame.locator(".gate, .app").count() == 0
    assert server.metric("lama_fill_connections") == 0


def test_works_without_internet_and_asks_no_other_host(
    command: Callable[..., Command], new_tab: Callable[..., Tab], tmp_path: Path, photo: NDArray[np.uint8]
) -> None:
    opened = command()
    tab = new_tab()
    asked: list[str] = []

    def block(route: object) -> None:
        url = route.request.url  # type: ignore[attr-defined]
        if url.startswith(opened.origin):
            route.continue_()  # type: ignore[attr-defined]
        else:
            asked.append(url)
            route.abort()  # type: ignore[attr-defined]

    tab.page.route("**/*", block)
    tab.open(opened.address)
    tab.open_pictures(write(tmp_path / "photo.png", photo))
    tab.paint([(60, 60), (100, 60)], (160, 120))
    tab.fill()
    assert [url for url in asked if not url.startswith("blob:")] == []
    tab.check(opened.origin)


def test_german(command: Callable[..., Command], new_tab: Callable[..., Tab]) -> None:
    opened = command()
    tab = new_tab(locale="de-DE").open(opened.address)
    assert tab.page.locator("html").get_attribute("lang") == "de"
    expect(tab.page.get_by_role("button", name="Füllen")).to_be_visible()
    expect(tab.page.get_by_label("Güte:")).to_have_value("balanced")
    expect(tab.page.locator(".empty")).to_contain_text("Bild")
    tab.check(opened.origin)
