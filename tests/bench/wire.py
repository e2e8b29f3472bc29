"""Pixels between machines: what encoding them without loss saves, and what several windows on their way hide.

The worker of this bench does nothing for a while, so that the machine's processors are left to the client
and the server, as they are where these are two machines.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from lama_core.client.connection import Client, connect
from lama_core.client.connection.link import Link
from lama_core.client.connection.server_address import parse_address
from lama_core.client.options import FillOptions
from lama_core.client.protocol import encodings
from lama_core.client.protocol.messages import Encoding, Fill
from tests.bench.report import Section
from tests.bench.timing import interleaved
from tests.server.harness import ServerProcess
from tests.server.shared_harness import Authority, Shared, add_user

SIDE = 1024
WINDOWS = 6
WORK_MILLISECONDS = 200
ROUNDS = 3
LINKS = (("100 Mbit/s", 1e8), ("1 Gbit/s", 1e9))


class _Always(Link):
    """Encodes every fill in one way."""

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self._always = encoding

    def choose(self, offered: Sequence[str]) -> Encoding:
        return self._always


def main() -> Section:
    """Measure on the photographs that fills are judged by."""
    section = Section(title="Between machines")
    folder = os.environ.get("LAMA_FILL_DATA")
    if folder is None:
        section.note = "Not measured: LAMA_FILL_DATA names no photographs."
        return section
    windows = _windows(Path(folder) / "eval" / "photos")
    squeezed, seconds, expanding = _encoding(windows)
    raw = SIDE * SIDE * 3
    section.note = (
        f"Windows of {SIDE}x{SIDE} RGB, of photographs. Encoded, their pixels take "
        f"{statistics.mean(squeezed) / raw:.2f} of their size ({min(squeezed) / raw:.2f} to "
        f"{max(squeezed) / raw:.2f}); encoding takes {1000 * seconds:.0f} ms, decoding "
        f"{1000 * expanding:.0f} ms. The table has seconds for {WINDOWS} windows, of which each takes the "
        f"server {WORK_MILLISECONDS} ms, over a way that carries so much in either direction, by TLS."
    )
    section.columns = ("way", "how", "one after another", "several on their way")
    for name, bits in LINKS:
        _measure(section, name, bits, windows)
    return section


def _windows(photos: Path) -> list[bytes]:
    """Each of four photographs side by side."""
    files = sorted(photos.iterdir())
    windows = []
    for number in range(WINDOWS):
        four = [_square(files[(4 * number + part) % len(files)]) for part in range(4)]
        windows.append(np.block([[[four[0]], [four[1]]], [[four[2]], [four[3]]]]).tobytes())
    return windows


def _square(file: Path) -> np.ndarray:
    half = SIDE // 2
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB"))[:half, :half]
    assert pixels.shape == (half, half, 3), file
    return pixels


def _encoding(windows: list[bytes]) -> tuple[list[int], float, float]:
    """Bytes of each window, and the median seconds of encoding and decoding one."""
    sizes, there, back = [], [], []
    for pixels in windows:
        begin = time.perf_counter()
        squeezed = encodings.squeeze(pixels, SIDE * 3)
        middle = time.perf_counter()
        assert encodings.expand(squeezed, SIDE * 3, len(pixels)) == pixels
        there.append(middle - begin)
        back.append(time.perf_counter() - middle)
        sizes.append(len(squeezed))
    return sizes, statistics.median(there), statistics.median(back)


def _measure(section: Section, name: str, bits: float, windows: list[bytes]) -> None:
    hole = np.zeros((SIDE, SIDE), np.uint8)
    hole[400:600, 400:600] = 255
    options = FillOptions(seed=WORK_MILLISECONDS)
    fills = [
        Fill(
            width=SIDE,
            height=SIDE,
            format="rgb",
            depth="u8",
            pixels=pixels,
            hole=hole.tobytes(),
            options=options,
        )
        for pixels in windows
    ]

    def single(client: Client) -> None:
        for fill in fills:
            client.fill(fill)

    def several(client: Client) -> None:
        assert len(list(client.fill_each(fills))) == len(fills)

    with _clients(bits) as made:
        ways = {
            "as they are": _with(made(), _Always("")),
            "all encoded": _with(made(), _Always(encodings.ALL)),
            "hole alone encoded": _with(made(), _Always(encodings.MASK_ONLY)),
            "as chosen": made(),
        }
        for client in ways.values():
            client.fill(fills[0])
        work: dict[str, Callable[[], object]] = {}
        for how, client in ways.items():
            work[f"{how}, single"] = lambda client=client: single(client)  # type: ignore[misc]
            work[f"{how}, several"] = lambda client=client: several(client)  # type: ignore[misc]
        times = interleaved(work, rounds=ROUNDS)
    for how in ways:
        section.row(name, how, times[f"{how}, single"], times[f"{how}, several"])


def _with(client: Client, link: Link) -> Client:
    assert client._connection is not None
    client._connection.link = link
    return client


@contextlib.contextmanager
def _clients(bits: float) -> Iterator[Callable[[], Client]]:
    """Makes clients of a shared server, by a way of so many bits a second."""
    with contextlib.ExitStack() as stack:
        name = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (name / "tls").mkdir()
        folder = name / "run"
        token = add_user(folder, "anna")

        def start(kind: str, *flags: str) -> ServerProcess:
            server = ServerProcess(folder, "corner", *flags)
            stack.callback(server.clean_up)
            return server

        shared = Shared(start, folder, certificate=Authority(name / "tls").issue("127.0.0.1"))
        command = [sys.executable, str(Path(__file__).with_name("slow_link.py")), str(shared.port), str(bits)]
        way = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        assert way.stdin is not None
        assert way.stdout is not None
        stack.callback(way.stdin.close)
        port = int(way.stdout.readline())
        account = replace(shared.account("anna", token), address=parse_address(f"wss://127.0.0.1:{port}"))

        def made() -> Client:
            client = connect(client="bench", account=account)
            stack.callback(client.close)
            return client

        yield made
