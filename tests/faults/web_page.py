"""A page of a foreign site, in a real Chromium, that tries to use the server."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from typing import Any

from tests.faults.row import Bench
from tests.server.harness import ServerProcess

_TRIES = """
const port = PORT, tries = [], got = [];
function tried(name, promise) {
  tries.push(Promise.race([promise, new Promise(end => setTimeout(() => end(false), 3000))])
    .then(yes => { if (yes) got.push(name); }, () => {}));
}
const hosts = ["127.0.0.1", "localhost", "rebound.evil.example", "[::1]"];
for (const host of hosts) {
  for (const protocols of [["lamafill.v1"], [], ["lamafill.v1", "chat"]]) {
    tried(`websocket ${host} ${protocols}`, new Promise(end => {
      const socket = new WebSocket(`ws://${host}:${port}/`, protocols);
      socket.onopen = () => end(true);
      socket.onerror = socket.onclose = () => end(false);
    }));
  }
  for (const path of ["/", "/health", "/metrics"]) {
    const url = `http://${host}:${port}${path}`;
    tried(`fetch ${url}`, fetch(url).then(answer => answer.text().then(text => text.includes("state"))));
    tried(`authorized ${url}`, fetch(url, {headers: {Authorization: "LamaFill x"}}).then(a => a.ok));
    for (const method of ["POST", "PUT", "DELETE"]) {
      tried(`${method} ${url}`, fetch(url, {method, body: "x"}).then(a => a.ok));
    }
    tried(`script ${url}`, new Promise(end => {
      const script = document.createElement("script");
      script.src = url; script.onload = () => end(true); script.onerror = () => end(false);
      document.head.append(script);
    }));
  }
  const frame = document.createElement("iframe");
  frame.name = `f${host}`; document.body.append(frame);
  const form = document.createElement("form");
  form.method = "post"; form.action = `http://${host}:${port}/`; form.target = frame.name;
  form.innerHTML = "<input name='x' value='y'>"; document.body.append(form); form.submit();
  tried(`form ${host}`, new Promise(end => { frame.onload = () => {
    try { end(frame.contentDocument.body.textContent.includes("state")); } catch { end(false); } }; }));
}
setTimeout(() => Promise.all(tries).then(() =>
  fetch("/said", {method: "POST", body: JSON.stringify({got, tries: tries.length})})), 100);
"""


def attack_from_a_page(server: ServerProcess, bench: Bench) -> int:
    """Show the page to a Chromium of its own; returns how many of its tries got in."""
    said: list[dict[str, Any]] = []
    told = threading.Event()
    script = _TRIES.replace("PORT", str(server.port))

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<!doctype html><body><script>{script}</script>".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            said.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            told.set()

        def log_message(self, *_: object) -> None:
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    browser = subprocess.Popen(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            f"--user-data-dir={bench.folder / 'chromium'}",
            "--host-resolver-rules=MAP *.evil.example 127.0.0.1",
            f"http://www.evil.example:{site.server_address[1]}/",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**server.environment, "HOME": str(bench.folder)},
    )
    try:
        assert told.wait(90), "the page said nothing"
    finally:
        browser.terminate()
        browser.wait(20)
        site.shutdown()
        site.server_close()
    assert said[0]["tries"] > 60
    assert not said[0]["got"], said[0]["got"]
    return len(said[0]["got"])
