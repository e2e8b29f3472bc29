"""8. Editors: killed in the middle of a fill, or left by their server; older plug-ins.

The real editors are in a chroot that takes minutes to make, so most of these rows have a long form alone;
tests/hosts has one moment of each in `make test`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from installers import build_plugins
from lama_core.client.connection import connect
from tests.cli.on_a_small_disk import fill_up
from tests.cli.small_disk import small_disk_command
from tests.faults.older import older_archive, older_client_fills, older_server, unpack_older
from tests.faults.row import Bench, Section
from tests.hosts.chroot import SUITES, ChrootUnavailable, chroot
from tests.hosts.conftest import Server, running, start_server
from tests.hosts.gimp import Gimp, write_settings
from tests.hosts.krita import PROBE, Krita, kill_krita
from tests.server.harness import fill_with, make_fill, next_fill_succeeds, wait_until

SECTION = Section(8, "Editors")
IN_KRITA = PROBE.with_name("in_krita_window.py")


@dataclass(slots=True)
class Place:
    """A folder in the editors' chroot, and the server that an editor there uses."""

    root: Path
    folder: Path
    script: str | None
    server: Server

    @classmethod
    @contextmanager
    def made(cls, script: str | None = None) -> Iterator[Place]:
        """`script`: what to start in place of the real server."""
        try:
            root = chroot(SUITES["trixie"])
        except ChrootUnavailable as reason:
            pytest.skip(str(reason))
        folder = Path(tempfile.mkdtemp(prefix="lama-fill-", dir=root / "tmp"))
        server = start_server(root, folder / "state", "--model=compact", script=script)
        place = cls(root, folder, script, server)
        try:
            yield place
        finally:
            place.kill_server()
            shutil.rmtree(folder, ignore_errors=True)

    def archive(self, editor: str) -> Path:
        """The plug-in as it is shipped."""
        return build_plugins.build(build_plugins.PLUGINS[editor], self.folder, build_plugins.fetch_wheels())

    def start_server(self) -> None:
        """A new server, in the place of the one that ended."""
        self.server = start_server(self.root, self.folder / "state", "--model=compact", script=self.script)

    def kill_server(self) -> None:
        """Kill it with its workers."""
        with suppress(psutil.NoSuchProcess):
            workers = psutil.Process(self.server.process.pid).children(recursive=True)
            self.server.process.kill()
            self.server.process.wait(10)
            for worker in workers:
                if worker.is_running():
                    os.kill(worker.pid, signal.SIGKILL)
        (self.server.folder / "server.json").unlink(missing_ok=True)

    def is_idle(self) -> bool:
        """Whether the server has nothing to do any more."""
        return running(self.server) == 0


@dataclass(slots=True)
class Artist:
    """A GIMP with the plug-in, and the server that it uses."""

    place: Place
    gimp: Gimp


@contextmanager
def _artist() -> Iterator[Artist]:
    with Place.made() as place:
        gimp = Gimp.install(place.root, place.folder, place.archive("gimp"), place.server.environment)
        try:
            assert gimp.call("one")["error"] == ""
            yield Artist(place, gimp)
        finally:
            gimp.close()


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
        place = artist.place
        pid = place.server.process.pid
        for number in range(count):
            with artist.gimp.calling("a_slow_one"):
                time.sleep(randoms.uniform(0.0, 3.0))
                # What is left of the call is ended by `calling`, all of GIMP's processes at once.
                assert artist.gimp._process is not None
                os.killpg(artist.gimp._process.pid, signal.SIGKILL)
            wait_until(place.is_idle, seconds=15, what="an idle server")
            lost += place.server.process.poll() is not None
            if number % 10 == 9:
                lost += artist.gimp.call("one")["error"] != ""
        assert place.server.process.pid == pid
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
                artist.place.kill_server()
                result = answer()
            if result["error"]:
                said += 1
                otherwise += "LaMa Fill server" not in result["error"]
                otherwise += result["fills"] != 0 or not result["same"]
            else:
                otherwise += result["fills"] != 1
            otherwise += result["images"] != 1
            artist.place.start_server()
            otherwise += artist.gimp.call("one")["error"] != ""
        bench.record(f"{said} times GIMP said that the server was lost")
    return otherwise


SWAP_MIB = 64
"""Of the disk that GIMP swaps to: more than an image of `a_slow_one` and its copies take."""


@SECTION.row(
    "GIMP, whose disk gets full while it swaps",
    "fills of an image larger than its tile cache; at a random moment its swap has no room",
    short=0,
    soak=10,
    figure="times without an answer, or servers or next fills that failed",
)
def _full_swap(bench: Bench, count: int) -> float:
    randoms = random.Random(12)
    otherwise = said = changed = 0
    with Place.made() as place:
        gimp = Gimp.install(place.root, place.folder, place.archive("gimp"), place.server.environment)
        swap = f"{gimp.inside}/swap"
        (place.folder / "swap").mkdir()
        write_settings(place.root, place.folder / "profile", f'(swap-path "{swap}")', "(tile-cache-size 8m)")
        gimp.before = small_disk_command(place.folder / "swap", options=f"size={SWAP_MIB}m")
        try:
            assert gimp.call("one")["error"] == ""
            assert gimp._process is not None
            disk = Path(f"/proc/{gimp._process.pid}/root{swap}")
            assert os.statvfs(disk).f_blocks * os.statvfs(disk).f_frsize == SWAP_MIB << 20
            most = 0
            for _ in range(count):
                with gimp.calling("a_slow_one") as answer:
                    time.sleep(randoms.uniform(0.0, 4.0))
                    most = max(most, sum(path.stat().st_size for path in disk.iterdir()))
                    fill_up(disk / "other")
                    result = answer()
                (disk / "other").unlink()
                said += result["error"] != ""
                changed += not result["same"] and not result["fills"]
                otherwise += result["images"] != 1
                otherwise += result["fills"] != (result["error"] == "")
                otherwise += gimp.call("one")["error"] != ""
            otherwise += place.server.process.poll() is not None
            assert most > 4 << 20, "nothing was swapped"
        finally:
            gimp.close()
    bench.record(f"{said} times an error was said; {changed} images that GIMP itself could not read again")
    return otherwise


@dataclass(frozen=True, slots=True)
class Painter:
    """A Krita with the plug-in, the server that it uses, and a folder of its scenario's files."""

    place: Place
    krita: Krita
    files: Path

    @contextmanager
    def at_work(self, scenario: str) -> Iterator[subprocess.Popen[str]]:
        """Krita, with a scenario of `in_krita_window.py`."""
        for name in ("go", "begun", "ended", "filled"):
            (self.files / name).unlink(missing_ok=True)
        # What a killed Krita leaves among the temporary files goes with the folder.
        temporary = self.krita.inside(self.krita.folder)
        where = {"PROBE_PLACE": self.krita.inside(self.files), "TMPDIR": temporary}
        with self.krita.opened(IN_KRITA, scenario, where) as process:
            yield process

    def wait_for(self, name: str, process: subprocess.Popen[str]) -> str:
        """The words of a file that the scenario writes; it is removed."""
        path = self.files / name

        def there() -> bool:
            assert process.poll() is None, (self.krita.folder / "output.txt").read_text(errors="replace")
            return path.exists()

        wait_until(there, seconds=300, what=f"Krita's {name}")
        words = path.read_text(encoding="utf-8")
        path.unlink()
        return words


@contextmanager
def _painter() -> Iterator[Painter]:
    with Place.made(script="mirror_server.py") as place:
        krita = Krita.make(place.root, place.folder / "profile", place.server.environment)
        krita.unpack(place.archive("krita"))
        files = place.folder / "files"
        files.mkdir()
        pixels = np.random.default_rng(8).integers(0, 256, (200, 300, 3), np.uint8)
        Image.fromarray(pixels).save(files / "picture.png")
        yield Painter(place, krita, files)


@SECTION.row(
    "Krita, killed",
    "kills at random moments of a fill: its file is as before, the server idle again, the next Krita fills",
    short=0,
    soak=50,
    figure="files changed, or servers that did not go on",
)
def _krita_killed(bench: Bench, count: int) -> float:
    randoms = random.Random(10)
    lost = 0
    with _painter() as painter:
        picture = painter.files / "picture.png"
        before, pid = picture.read_bytes(), painter.place.server.process.pid
        for number in range(count):
            with painter.at_work("fill_until_killed") as process:
                painter.wait_for("begun", process)
                if number % 10 == 9:
                    lost += "x" in painter.wait_for("filled", process)
                time.sleep(randoms.uniform(0.0, 2.0))
                kill_krita(process)
            wait_until(painter.place.is_idle, seconds=15, what="an idle server")
            lost += painter.place.server.process.poll() is not None
            lost += picture.read_bytes() != before
            left = {path.name for path in painter.files.iterdir()} - {"picture.png", "begun", "filled"}
            assert not left, left
        assert painter.place.server.process.pid == pid
    return lost


@SECTION.row(
    "the server, killed while Krita fills",
    "kills at random moments: Krita says so or has its fill, the image is whole, and the next fill works",
    short=0,
    soak=50,
    figure="otherwise",
)
def _server_killed_by_krita(bench: Bench, count: int) -> float:
    randoms = random.Random(11)
    otherwise = said = 0

    def fill(quality: str) -> None:
        painter.files.joinpath("go.part").write_text(quality)
        painter.files.joinpath("go.part").rename(painter.files / "go")
        painter.wait_for("begun", process)

    with _painter() as painter, painter.at_work("fill_when_told") as process:
        for _ in range(count):
            fill("balanced")
            time.sleep(randoms.uniform(0.0, 2.0))
            painter.place.kill_server()
            answer = json.loads(painter.wait_for("ended", process))
            if answer["said"].startswith("Filled in"):
                otherwise += not answer["undone"]
            else:
                said += 1
                otherwise += "LaMa Fill server" not in answer["said"]
                otherwise += answer["layers"] != ["Background"] or not answer["as before"]
            painter.place.start_server()
            fill("fast")
            answer = json.loads(painter.wait_for("ended", process))
            otherwise += not answer["said"].startswith("Filled in") or not answer["undone"]
        bench.record(f"{said} times Krita said that the server was lost")
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


@SECTION.row(
    "GIMP with the plug-in of November 22, and the server of now",
    "fills by GIMP, one new layer each, with nothing changed outside of it",
    short=0,
    soak=20,
    figure="otherwise",
)
def _older_in_gimp(bench: Bench, count: int) -> float:
    otherwise = 0
    with Place.made() as place:
        archive = older_archive(bench.folder, "gimp")
        gimp = Gimp.install(place.root, place.folder, archive, place.server.environment)
        try:
            for _ in range(count):
                answer = gimp.call("one")
                fine = answer["error"] == "" and len(answer["fills"]) == 1
                otherwise += not fine or answer["changed"]["outside"] != 0
        finally:
            gimp.close()
    return otherwise
