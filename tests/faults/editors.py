"""8. Editors: killed in the middle of a fill, or left by their server; older plug-ins.

The real editors are in a chroot that takes minutes to make, so most of these rows have a long form alone;
tests/hosts has one moment of each in `make test`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from installers import build_plugins
from lama_core.client.connection import connect
from tests.faults.older import older_client_fills, older_server, unpack_older
from tests.faults.row import Bench, Section
from tests.hosts.chroot import SUITES, ChrootUnavailable, chroot
from tests.hosts.conftest import Server, running, start_server
from tests.hosts.gimp import Gimp
from tests.server.harness import fill_with, make_fill, next_fill_succeeds, wait_until

SECTION = Section(8, "Editors")


@dataclass(slots=True)
class Artist:
    """A GIMP with the plug-in, and the server that it uses."""

    root: Path
    folder: Path
    gimp: Gimp
    server: Server

    def start_server(self) -> None:
        """A new server, in the place of the one that ended."""
        self.server = start_server(self.root, self.folder / "state", "--model=compact")

    def kill_server(self) -> None:
        """Kill it with its workers."""
        workers = psutil.Process(self.server.process.pid).children(recursive=True)
        self.server.process.kill()
        self.server.process.wait(10)
        for worker in workers:
            if worker.is_running():
                os.kill(worker.pid, signal.SIGKILL)
        (self.server.folder / "server.json").unlink(missing_ok=True)


@contextmanager
def _artist() -> Iterator[Artist]:
    try:
        root = chroot(SUITES["trixie"])
    except ChrootUnavailable as reason:
        pytest.skip(str(reason))
    folder = Path(tempfile.mkdtemp(prefix="lama-fill-", dir=root / "tmp"))
    server = start_server(root, folder / "state", "--model=compact")
    archive = build_plugins.build(build_plugins.PLUGINS["gimp"], folder, build_plugins.fetch_wheels())
    gimp = Gimp.install(root, folder, archive, server.environment)
    artist = Artist(root, folder, gimp, server)
    try:
        assert gimp.call("one")["error"] == ""
        yield artist
    finally:
        gimp.close()
        artist.kill_server()
        shutil.rmtree(folder, ignore_errors=True)


@SECTION.row(
    "GIMP, killed with its plug-in",
    "kills at random moments of a fill: the server is idle again within 15 s, and the next GIMP fills",
    short=0,
    soak=50,
    figure="servers that did not go on",
)
def _gimp_killed(bench: Bench, count: int) -> float:
    randoms = random.Random(8)
    lost = 0
    with _artist() as artist:
        pid = artist.server.process.pid
        for number in range(count):
            with artist.gimp.calling("a_slow_one"):
                time.sleep(randoms.uniform(0.0, 3.0))
                # What is left of the call is ended by `calling`, all of GIMP's processes at once.
                assert artist.gimp._process is not None
                os.killpg(artist.gimp._process.pid, signal.SIGKILL)
            wait_until(lambda: running(artist.server) == 0, seconds=15, what="an idle server")
            lost += artist.server.process.poll() is not None
            if number % 10 == 9:
                lost += artist.gimp.call("one")["error"] != ""
        assert artist.server.process.pid == pid
    return lost


@SECTION.row(
    "the server, killed while GIMP fills",
    "kills at random moments: GIMP says so or has its fill, the image is whole, and the next fill works",
    short=0,
    soak=50,
    figure="otherwise",
)
def _server_killed(bench: Bench, count: int) -> float:
    randoms = random.Random(9)
    otherwise = said = 0
    with _artist() as artist:
        for _ in range(count):
            with artist.gimp.calling("a_slow_one") as answer:
                time.sleep(randoms.uniform(0.2, 3.0))
                artist.kill_server()
                result = answer()
            if result["error"]:
                said += 1
                otherwise += "LaMa Fill server" not in result["error"]
                otherwise += result["fills"] != 0 or not result["same"]
            else:
                otherwise += result["fills"] != 1
            otherwise += result["images"] != 1
            artist.start_server()
            otherwise += artist.gimp.call("one")["error"] != ""
        bench.record(f"{said} times GIMP said that the server was lost")
    return otherwise


@SECTION.row(
    "plug-ins and servers of different age",
    "fills of the client of November 22 with the server of now, and the other way round",
    short=4,
    soak=200,
    figure="lost or wrong",
)
def _older(bench: Bench, count: int) -> float:
    sources = unpack_older(bench.folder / "older")
    server = bench.start("scripted").ready()
    done = older_client_fills(sources, server.folder, count - count // 2)
    next_fill_succeeds(server)
    state = bench.folder / "state"
    with older_server(sources, state), connect(client="tests", start=False, folder=state) as client:
        for number in range(count // 2):
            fill_with(client, make_fill(fillbyte=number % 256))
            done += 1
    return count - done
