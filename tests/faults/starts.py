"""5. Starts: races, what lies in the server's folder, folders that cannot be used, clocks, and sleep."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from lama_core.client.connection import ClientError, connect
from lama_core.client.protocol import auth
from lama_core.client.protocol.messages import Progress, Result
from tests.cli.small_disk import small_disk_command
from tests.faults.row import Bench, Section
from tests.server.harness import (
    ServerProcess,
    fill_with,
    greeted,
    hear,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
)

SECTION = Section(5, "Starts")
RACERS = 20


@SECTION.row(
    "races",
    f"rounds of {RACERS} starts at once: exactly one server, all others say where it is, and it fills",
    short=1,
    soak=200,
    figure="rounds with another outcome",
)
def _race(bench: Bench, count: int) -> float:
    wrong = 0
    for number in range(count):
        folder = bench.folder / f"round{number}"
        servers = [ServerProcess(folder, "scripted", "--preload", "no") for _ in range(RACERS)]
        try:
            alive = _the_last_one(servers)
            next_fill_succeeds(alive.up())
            where = f"127.0.0.1:{alive.port}, process {alive.process.pid}"
            said = [s.process.communicate()[0] for s in servers if s is not alive]
            wrong += any(where not in words for words in said)
            alive.end()
        finally:
            for server in servers:
                server.clean_up()
    return wrong


def _the_last_one(servers: list[ServerProcess]) -> ServerProcess:
    """The one that goes on after all others have ended; twenty starts at once take a busy machine long."""
    until = time.monotonic() + 300
    while True:
        alive = [server for server in servers if server.process.poll() is None]
        if len(alive) == 1:
            return alive[0]
        if not alive or time.monotonic() > until:
            ended = [server.process.communicate() for server in servers if server not in alive]
            raise AssertionError(f"{len(alive)} go on, in {servers[0].folder}: {ended}")
        time.sleep(0.02)


def _leftovers(randoms: random.Random, squatter: int) -> list[Callable[[Path], None]]:
    """Ways in which `server.json` may lie there when no server runs."""

    def closed_port() -> int:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            return int(closed.getsockname()[1])

    facts = {"port": closed_port(), "pid": 1, "version": "0.1.0", "token": auth.new_token(), "started": 1.0}
    whole = json.dumps(facts).encode()

    def private(content: bytes) -> Callable[[Path], None]:
        def put(path: Path) -> None:
            path.write_bytes(content)
            path.chmod(0o600)

        return put

    def changed(**fields: object) -> Callable[[Path], None]:
        return private(json.dumps({**facts, **fields}).encode())

    def link(path: Path) -> None:
        private(whole)(path.with_name("elsewhere"))
        path.symlink_to("elsewhere")

    def others(path: Path) -> None:
        private(whole)(path)
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)

    def open_to_all(path: Path) -> None:
        private(whole)(path)
        path.chmod(0o666)

    return [
        private(whole),
        changed(pid=os.getpid()),
        changed(port=squatter),
        changed(version="99.0"),
        link,
        others,
        open_to_all,
        lambda path: os.mkfifo(path, 0o600),
        private(b""),
        private(b"\x00" * 100_000),
        changed(token="short"),
        changed(port=0),
        changed(pid="x", started=None),
        private(b"[" * 50_000),
        *(private(whole[: randoms.randrange(len(whole))]) for _ in range(30)),
        *(private(randoms.randbytes(200)) for _ in range(6)),
    ]


@SECTION.row(
    "the runtime file",
    "starts beside one that is stale, cut, foreign, a link, a pipe, open to all, of another version or pid",
    short=6,
    soak=150,
    figure="not served",
)
def _runtime_file(bench: Bench, count: int) -> float:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ways = _leftovers(random.Random(7), listener.getsockname()[1])
        not_served = 0
        for number in range(count):
            folder = bench.folder / f"state{number}"
            folder.mkdir(mode=0o700)
            way = ways[number % len(ways)]
            way(folder / "server.json")
            # The program on that port is silent; waiting for it is for another test.
            if way is not ways[2]:
                try:
                    connect(client="tests", start=False, folder=folder).close()
                    not_served += 1
                except ClientError as error:
                    not_served += "\n" in str(error)
            server = ServerProcess(folder, "scripted")
            try:
                next_fill_succeeds(server.ready())
            finally:
                server.clean_up()
    return not_served


def _unusable(folder: Path) -> dict[str, tuple[Path, list[str], dict[str, str]]]:
    """Folders that no server can use: where, what to put before the command, and more of the environment."""
    (folder / "file").write_text("")
    (folder / "loop").symlink_to("loop")
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    disk, run = folder / "disk", folder / "disk" / "run"
    disk.mkdir()
    (folder / "foreign").mkdir(mode=0o700)
    found = {
        "a file": (folder / "file", [], {}),
        "a link to itself": (folder / "loop", [], {}),
        "in a folder that nobody can make": (Path("/proc/lama-fill"), [], {}),
        "with a name of 300 bytes": (folder / ("n" * 300), [], {}),
        "open to all": (folder / "open", [], {}),
        "on a drive without locks": (folder / "network", [], {"PYTHONPATH": str(_without_locks(folder))}),
        "on a disk for reading": (run, small_disk_command(disk, options="ro"), {}),
        "on a disk without a byte": (run, small_disk_command(disk, options="size=4k,nr_inodes=3"), {}),
    }
    if os.geteuid() == 0:
        os.chown(folder / "foreign", 65534, 65534)
        found["another user's"] = (folder / "foreign", [], {})
    return found


def _without_locks(folder: Path) -> Path:
    """A folder for PYTHONPATH that has locks refused, as some network drives do."""
    path = folder / "locks"
    path.mkdir()
    (path / "sitecustomize.py").write_text(
        "import errno, fcntl, os\n"
        "def flock(*_): raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))\n"
        "fcntl.flock = flock\n"
    )
    return path


@SECTION.row(
    "a folder that cannot be used",
    "kinds: a file, a link to itself, no rights, another user's, open to all, read-only, full, without locks",
    short=9,
    soak=9,
    figure="without one line that says what to do",
)
def _bad_folder(bench: Bench, count: int) -> float:
    silent = []
    for name, (folder, before, more) in list(_unusable(bench.folder).items())[:count]:
        done = subprocess.run(
            [*before, sys.executable, "-m", "lama_cli", "serve", "--preload", "no"],
            env={**os.environ, **more, "LAMA_FILL_RUNTIME_DIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        words = done.stderr
        said = words.count("\n") == 1 and any(
            word in words for word in ("set LAMA_FILL", "run:", "make room")
        )
        if done.returncode != 2 or not said:
            silent.append((name, done.returncode, words))
    assert not silent, silent
    return len(silent)


@SECTION.row(
    "a disk that is full from a moment on",
    "fills of a server that cannot even write its log any more; it ends in order and leaves nothing",
    short=5,
    soak=300,
    figure="lost",
)
def _full_disk(bench: Bench, count: int) -> float:
    disk = bench.folder / "disk"
    disk.mkdir()
    done = subprocess.run(
        [
            *small_disk_command(disk),
            sys.executable,
            "-m",
            "tests.faults.on_a_full_disk",
            str(disk),
            str(count),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


JUMPING = """
import random, time
really, randoms = time.time, random.Random(1)
time.time = lambda: really() + randoms.choice((-1, 1)) * randoms.uniform(0, 400 * 86400)
"""


@SECTION.row(
    "a clock that jumps",
    "fills of a server whose wall clock jumps by up to 400 days at each look; limits of a minute",
    short=10,
    soak=500,
    figure="lost",
)
def _clock(bench: Bench, count: int) -> float:
    path = bench.folder / "clock"
    path.mkdir()
    (path / "sitecustomize.py").write_text(JUMPING)
    limits = ("--exit-after", "60", "--unload-after", "60", "--stall-timeout", "20", "--write-timeout", "20")
    with mock.patch.dict(os.environ, {"PYTHONPATH": str(path)}):
        server = bench.start("scripted", *limits, started_by_client=True).ready()
    done = 0
    for number in range(count):
        with server.connect() as client:
            fill_with(client, make_fill(fillbyte=number % 256, milliseconds=20))
            done += 1
    assert server.process.poll() is None
    return count - done


@SECTION.row(
    "sleep of the machine",
    "seconds for which server and worker stand still in a fill, with limits of one to three seconds",
    short=4,
    soak=120,
    figure="fills lost",
)
def _sleep(bench: Bench, seconds: int) -> float:
    limits = ("--stall-timeout", "1", "--write-timeout", "1", "--exit-after", "3", "--unload-after", "1")
    pings = ("--ping-interval", "1", "--ping-timeout", "1")
    server = bench.start("scripted", *limits, *pings, started_by_client=True).up()
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=(seconds + 2) * 1000))
        while not isinstance(hear(websocket), Progress):
            pass
        pids = [server.process.pid, *server.workers()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        lost = not isinstance(hear_ending(websocket, 1, seconds=30), Result)
        say(websocket, make_fill(2))
        lost += not isinstance(hear_ending(websocket, 2), Result)
    return lost
