"""From the start of the process to its last file removed."""

from __future__ import annotations

import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lama_core.client.connection import ServerNotFoundError
from lama_core.client.protocol.messages import Error, Progress
from tests.server.harness import (
    ServerProcess,
    fill_with,
    greeted,
    hear,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
    wait_until,
)
from tests.server.workers import DEAF

Start = Callable[..., ServerProcess]
KEPT = {"launch.json", "server.log", "port.json"}


def _left(server: ServerProcess) -> set[str]:
    return {entry.name for entry in server.folder.iterdir()} - KEPT


def test_accepts_connections_within_half_a_second_of_being_started(tmp_path: Path, data_folder: Path) -> None:
    """The command itself; the best of several, for other programs run on this machine too."""
    assert data_folder
    times = []
    for number in range(8):
        server = ServerProcess(tmp_path / f"run{number}", "real", "--preload", "no")
        try:
            times.append(server.seconds_until_up())
            assert server.end() == 0
        finally:
            server.clean_up()
        if min(times) <= 0.5:
            break
    assert min(times) <= 0.5, times


def test_parent_has_no_torch_and_no_numpy(start: Start) -> None:
    server = start("real").ready()
    with server.connect() as client:
        assert client.welcome.default_model == "tiny"
        assert client.status().state == "ready"
    server.get("/metrics")
    maps = "\n".join(entry.path for entry in psutil.Process(server.process.pid).memory_maps())
    assert "websockets" in maps
    assert not re.search(r"/(torch|numpy)/", maps)


def test_connects_while_the_model_loads(start: Start) -> None:
    server = start("slow").up()
    assert server.health()["state"] == "loading"
    assert server.get("/health")[0] == 200
    with server.connect() as client:
        assert client.status().state == "loading"
        fill_with(client, make_fill())


def test_second_start_says_where_the_first_is(start: Start) -> None:
    first = start().ready()
    second = start()
    assert second.process.wait(10) == 0
    assert second.process.stdout is not None
    out = second.process.stdout.read()
    assert f"running already: 127.0.0.1:{first.port}, process {first.process.pid}" in out
    next_fill_succeeds(first)


def test_twenty_starts_racing_give_one_server(start: Start, tmp_path: Path) -> None:
    servers = [start("scripted", "--preload", "no") for _ in range(20)]
    wait_until(lambda: sum(server.process.poll() is None for server in servers) == 1, seconds=60)
    (alive,) = [server for server in servers if server.process.poll() is None]
    assert alive.up().runtime.pid == alive.process.pid
    for server in servers:
        if server is not alive:
            assert server.process.returncode == 0
            out, errors = server.process.communicate()
            assert f"127.0.0.1:{alive.port}, process {alive.process.pid}" in out, (out, errors)
    next_fill_succeeds(alive)


def test_port_of_ones_own_choice(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = start("scripted", "--port", str(port))
        assert refused.process.wait(10) != 0
        assert refused.process.stderr is not None
        assert f"port {port} cannot be used" in refused.process.stderr.read()
        assert not _left(refused)
    server = start("scripted", "--port", str(port)).ready()
    assert server.port == port
    next_fill_succeeds(server)


def test_squatter_on_a_dead_servers_port(start: Start) -> None:
    """It answers, but cannot prove that it wrote the file: no client sends it a pixel, a start is clean."""
    dead = start().ready()
    port = dead.port
    dead.end(signal.SIGKILL)
    heard: list[bytes] = []

    def squat() -> None:
        while True:
            try:
                connection, _ = squatter.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                heard.append(connection.recv(65536))
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: lamafill.v1\r\n\r\n"
                )

    with socket.create_server(("127.0.0.1", port)) as squatter:
        threading.Thread(target=squat, daemon=True).start()
        token = dead.runtime.token
        with pytest.raises(Exception, match=r"LaMa Fill server|lama-fill") as refused:
            dead.connect()
        assert not isinstance(refused.value, AssertionError)
        assert heard
        assert token.encode() not in b"".join(heard)
        server = start().ready()
        assert server.port != port
        next_fill_succeeds(server)
        squatter.close()


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ends_on_signals_and_leaves_nothing(start: Start, number: int) -> None:
    server = start().ready()
    workers = server.workers()
    begun = time.monotonic()
    assert server.end(number) == 0
    assert time.monotonic() - begun <= 5
    assert not _left(server)
    assert not any(psutil.pid_exists(pid) for pid in workers)


def test_ends_within_five_seconds_in_the_middle_of_anything(start: Start) -> None:
    """A fill that heeds nobody, others that wait, a client that does not read, one that stays."""
    server = start("scripted", "--cancel-grace", "600").ready()
    (worker,) = server.workers()
    with greeted(server) as websocket, greeted(server), greeted(server, max_queue=1) as deaf:
        for job in range(1, 4):
            say(deaf, make_fill(job, width=1024, height=1024))
        say(websocket, make_fill(1, milliseconds=600_000, fault=DEAF))
        say(websocket, make_fill(2, milliseconds=600_000))
        while (
            not isinstance(message := hear(websocket), Progress) or message.job != 1 or not message.fraction
        ):
            pass
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        endings = [hear_ending(websocket, job, seconds=5) for job in (2, 1)]
        assert [ending.code for ending in endings if isinstance(ending, Error)] == ["shutting_down"] * 2
        assert server.process.wait(10) == 0
        assert time.monotonic() - begun <= 5
    assert not _left(server)
    assert not psutil.pid_exists(worker)


def test_ends_at_any_moment_of_its_life(start: Start) -> None:
    """From before the first line of it runs to after the worker is ready."""
    randoms = random.Random(5)
    for number in range(12):
        server = start("scripted")
        time.sleep(randoms.uniform(0.0, 0.6) if number else 0.0)
        begun = time.monotonic()
        status = server.end()
        assert time.monotonic() - begun <= 5
        # Before Python has come to the server, the signal simply ends the process.
        assert status in (0, -signal.SIGTERM)
        assert not _left(server), server.log()
        wait_until(lambda server=server: not server.workers(), seconds=2)
    next_fill_succeeds(start().ready())


def test_killed_server_leaves_no_memory_behind(start: Start) -> None:
    """What the two processes share has no name that could outlive them."""
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    server = start().ready()
    with server.connect() as client:
        fill_with(client, make_fill(width=500, height=500))
        after = set(shared.iterdir()) if shared.is_dir() else set()
        server.end(signal.SIGKILL)
    assert after <= before


# Idleness


def test_server_that_a_client_started_ends_when_nobody_needs_it(start: Start) -> None:
    server = start("scripted", "--exit-after", "1", started_by_client=True).ready()
    with server.connect() as client:
        fill_with(client, make_fill())
        time.sleep(2)
        fill_with(client, make_fill())
    assert server.process.wait(10) == 0
    assert not _left(server)
    assert "no client needed the server for 1 s" in server.log()
    with pytest.raises(ServerNotFoundError):
        server.connect()


def test_server_that_a_person_started_stays(start: Start) -> None:
    server = start("scripted", "--exit-after", "0.2").ready()
    time.sleep(1.5)
    next_fill_succeeds(server)


def test_idle_worker_is_unloaded_and_comes_back(start: Start) -> None:
    server = start("scripted", "--unload-after", "0.5").ready()
    wait_until(lambda: not server.workers())
    assert server.health()["state"] == "ready"
    with server.connect() as client:
        status = client.status()
        assert status.state == "idle"
        assert [worker.state for worker in status.workers] == ["unloaded"]
        fill_with(client, make_fill())
    assert server.workers()
    next_fill_succeeds(server)


def test_no_preload_no_worker(start: Start) -> None:
    server = start("scripted", "--preload", "no").up()
    time.sleep(0.5)
    assert not server.workers()
    next_fill_succeeds(server)


# The commands


def _command(server: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lama_cli", *words],
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_status_and_stop(start: Start) -> None:
    server = start().ready()
    next_fill_succeeds(server)
    shown = _command(server, "status")
    assert shown.returncode == 0
    assert f"127.0.0.1:{server.port}, process {server.process.pid}" in shown.stdout
    assert "1 done" in shown.stdout
    status = json.loads(_command(server, "status", "--json").stdout)
    assert status["state"] == "ready"
    assert status["port"] == server.port
    assert status["workers"][0]["pid"] in server.workers()
    assert server.runtime.token not in shown.stdout + json.dumps(status)
    stopped = _command(server, "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "the server has ended\n")
    assert server.process.wait(5) == 0
    assert not _left(server)
    assert _command(server, "stop").stdout == "the server is not running\n"
    again = _command(server, "status", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (1, {"state": "stopped"})
    assert _command(server, "status").returncode == 1


def test_stop_of_a_server_that_does_not_answer(start: Start) -> None:
    server = start().ready()
    workers = server.workers()
    server.process.send_signal(signal.SIGSTOP)
    stopping = threading.Thread(target=lambda: stopped.append(_command(server, "stop")))
    stopped: list[subprocess.CompletedProcess[str]] = []
    stopping.start()
    server.process.wait(40)
    stopping.join(20)
    assert stopped[0].returncode == 0, stopped[0].stderr
    assert "its process was ended" in stopped[0].stdout
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in workers), seconds=2)


def test_bad_setting_stops_the_start_in_one_line(start: Start) -> None:
    server = start("real", "--unload-after", "soon")
    assert server.process.wait(10) == 2
    assert server.process.stderr is not None
    words = server.process.stderr.read()
    assert (
        words
        == "lama-fill: --unload-after: unload_after cannot be 'soon'; allowed: a number from 0 to 1000000\n"
    )


# What is logged


def test_log_has_neither_token_nor_pixels_nor_lines_of_a_clients_making(start: Start) -> None:
    server = start("scripted", "--log-level", "debug").ready()
    token = server.runtime.token
    with server.connect() as client:
        fill_with(client, make_fill(fillbyte=ord("P"), width=64, height=64))
    server.http(b"GET /\r\n2026-01-01 ERROR forged HTTP/1.1\r\n\r\n")
    server.http(f"GET / HTTP/1.1\r\nHost: x\x1b[31m\r\nAuthorization: {token}\r\n\r\n".encode())
    log = server.log()
    assert token not in log
    assert "PPPP" not in log
    assert "\x1b" not in log
    assert all(re.match(r"20\d\d-|    ", line) for line in log.splitlines())
