"""Web servers that answer a download in every way that they should not."""

from __future__ import annotations

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import trustme

from lama_cli.download import DownloadError, download
from tests.cli.download_server import CONTENT, Request, Web, policy, wanted

SIZE = len(CONTENT)
OTHER = random.Random(2).randbytes(SIZE)
_PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"), "")

SILENT = ("stalls", "no end of preliminary answers")
"""Ways that only a time limit ends."""

Way = Callable[[Request, random.Random], None]


def _sends(answer: bytes) -> Way:
    """Bytes in place of an answer."""

    def way(request: Request, randoms: random.Random) -> None:
        request.wfile.write(answer)

    return way


def _has(**headers: object) -> Way:
    """An answer with these headers, and with the file."""

    def way(request: Request, randoms: random.Random) -> None:
        request.head(200, **headers)
        request.wfile.write(CONTENT)

    return way


def _moved(to: str, status: int = 302) -> Way:
    def way(request: Request, randoms: random.Random) -> None:
        request.head(status, Location=to, Content_Length=0)

    return way


def _stalls(request: Request, randoms: random.Random) -> None:
    request.part(stop=request.start + randoms.randrange(1, SIZE - request.start))
    request.wfile.flush()
    time.sleep(0.6)


def _trickles(request: Request, randoms: random.Random) -> None:
    request.part(stop=request.start + 1)
    for _ in range(10):
        time.sleep(0.05)
        request.wfile.write(b"x")


def _cuts(request: Request, randoms: random.Random) -> None:
    request.part(stop=request.start + randoms.randrange(SIZE - request.start))


def _changes_between(request: Request, randoms: random.Random) -> None:
    """Another file each time that it is asked."""
    content = OTHER if request.start == 0 else CONTENT
    request.part(content, stop=None if request.start else randoms.randrange(1, SIZE))


def _flips(request: Request, randoms: random.Random) -> None:
    content = bytearray(CONTENT)
    content[randoms.randrange(SIZE)] ^= 1 << randoms.randrange(8)
    request.part(bytes(content))


def _endless(request: Request, randoms: random.Random) -> None:
    request.head(200)
    while True:
        request.wfile.write(CONTENT)


def _endless_head(line: bytes) -> Way:
    def way(request: Request, randoms: random.Random) -> None:
        # No faster than a program can read that does nothing else.
        for _ in range(600):
            request.wfile.write(line)
            time.sleep(0.001)

    return way


def _garbage(request: Request, randoms: random.Random) -> None:
    request.wfile.write(randoms.randbytes(2000))


def _ways(elsewhere: str) -> dict[str, Way]:
    """All of them, by what they do. `elsewhere`: an address that must never be asked."""
    places = (
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "ftp://127.0.0.1/x",
        "data:text/plain,x",
        "gopher://127.0.0.1/x",
        elsewhere,
        elsewhere.replace("http:", "HTTP:"),
        elsewhere.replace("http:", "unix:"),
        "round",
        "",
        "https://",
        "https://127.0.0.1:99999/",
        "https://[::1/",
        "https://\x7f\xff/",
        "/" + "long" * 10_000,
    )
    sizes = (0, 1, SIZE - 1, SIZE + 1, 1 << 62, "9" * 400, -1, "many", "")
    parts = ("bytes 0-9/10", f"bytes 0-{SIZE}/*", "bytes", "bytes 5-1/3", f"bytes 1-{SIZE - 1}/{SIZE}", "x")
    found: dict[str, Way] = {
        "stalls": _stalls,
        "trickles": _trickles,
        "cuts": _cuts,
        "changes": _changes_between,
        "flips": _flips,
        "no end": _endless,
        "no end of headers": _endless_head(b"X-Y: z\r\n"),
        "no end of a line": _endless_head(b"X" * 200),
        "no end of preliminary answers": _endless_head(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "garbage": _garbage,
        "nothing": _sends(b""),
        "a bad status": _sends(b"HTTP/1.1 banana\r\n\r\n"),
        "old HTTP": _sends(b"HTTP/0.9 200 OK\r\n\r\n" + CONTENT),
        "nothing but a head": _sends(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n".encode()),
        "two lengths": _sends(
            f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nContent-Length: 5\r\n\r\n".encode() + CONTENT
        ),
        "a chunk that lies": _sends(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n" + CONTENT
        ),
        "a chunk of nonsense": _sends(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + CONTENT
        ),
        "packed": _has(Content_Length=SIZE, Content_Encoding="gzip"),
        "not modified": _has_status(304),
        "no content": _has_status(204),
    }
    found |= {f"length {size!s:.20}": _has(Content_Length=size) for size in sizes}
    found |= {f"part {part}": _part_of(part) for part in parts}
    found |= {f"moved to {place!r:.40}": _moved(place) for place in places}
    found |= {f"moved, {status}": _moved(elsewhere, status) for status in (301, 303, 307, 308, 300)}
    found |= {f"status {status}": _has_status(status) for status in (400, 401, 404, 407, 416, 429, 500, 503)}
    return found


def _part_of(range_: str) -> Way:
    def way(request: Request, randoms: random.Random) -> None:
        request.head(206, Content_Range=range_, Content_Length=SIZE)
        request.wfile.write(OTHER)

    return way


def _has_status(status: int) -> Way:
    def way(request: Request, randoms: random.Random) -> None:
        request.head(status, Content_Length=0)

    return way


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of downloads from servers of which the first is bad."""

    wrong: list[str]
    """Which way ended otherwise than with the right file, or with one line and no file."""
    elsewhere: int
    """How often a place was asked that no download may ask."""


@contextmanager
def _serving(web: Web) -> Iterator[Web]:
    threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield web
    finally:
        web.shutdown()
        web.server_close()


class _SecureWeb(Web):
    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name).replace("http:", "https:")


def bad_downloads(folder: Path, count: int) -> Outcome:
    """Fetch from a bad server alone, or with a good one after it; sometimes after an earlier try."""
    randoms = random.Random(8)
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    wrong: list[str] = []
    with (
        mock.patch.dict("os.environ", _PROXIES),
        _serving(Web(bait=Request.part)) as bait,
        _serving(_SecureWeb(good=Request.part)) as web,
    ):
        web.socket = context.wrap_socket(web.socket, server_side=True)
        ways = list(_ways(bait["bait"]).items())
        for number in range(count):
            name, way = ways[number % len(ways)]

            def bad(request: Request, way: Way = way) -> None:
                with contextlib.suppress(OSError):
                    way(request, randoms)

            web.answers["bad"] = web.answers["round"] = bad
            place = folder / f"{number}"
            place.mkdir()
            if number // len(ways) % 2:
                (place / "model.pt.part").write_bytes(randoms.choice((CONTENT, OTHER))[:1000])
            mirrors = [web["bad"]] + [web["good"]] * randoms.choice((0, 1))
            patience = policy(
                schemes=frozenset({"https"}),
                tls=trusting,
                silence=0.3 if name in SILENT else 10,
                slow_seconds=0.3,
                attempts=2,
            )
            try:
                path = download(wanted(*mirrors), place, progress=lambda done, size: None, policy=patience)
                fine = path.read_bytes() == CONTENT
            except DownloadError as error:
                fine = str(error).isprintable() and len(mirrors) == 1 and not (place / "model.pt").exists()
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                fine, name = False, f"{name}: {error!r}"
            fine = fine and all(left.stat().st_size <= SIZE for left in place.iterdir())
            if not fine:
                wrong.append(name)
        return Outcome(wrong=wrong, elsewhere=len(bait.asked))
