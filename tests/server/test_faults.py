"""A server that keeps working: each fault, and then a fill that succeeds."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from lama_core.client.connection import ConnectionLostError, FillCancelledError, FillFailedError
from lama_core.client.protocol import auth
from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.messages import (
    SUBPROTOCOL,
    Accepted,
    Cancel,
    Cancelled,
    Error,
    Hello,
    Preview,
    Progress,
    Result,
)
from lama_server.errors import JobError
from lama_server.process_channel import ProcessChannel
from lama_server.worker_proxy import WorkerProxy
from tests.server.harness import (
    ServerProcess,
    dial_async,
    dialled,
    fill_with,
    greeted,
    hear,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
    wait_until,
)
from tests.server.workers import BABBLES, DEAF, DIES, FULL, GIVES_UP, RAISES, SILENT

Start = Callable[..., ServerProcess]


def test_killed_worker_is_told_within_a_second_and_replaced(start: Start) -> None:
    server = start().ready()
    with greeted(server) as websocket:
        for job in (1, 2, 3):
            say(websocket, make_fill(job, milliseconds=60_000))
            # Not before the worker has it: one that is killed while it starts is another fault.
            while getattr(hear(websocket), "stage", "") != "filling":
                pass
            (worker,) = server.workers()
            os.kill(worker, signal.SIGKILL)
            killed = time.monotonic()
            ending = hear_ending(websocket, job)
            assert time.monotonic() - killed <= 1.0
            assert isinstance(ending, Error)
            assert (ending.code, ending.retryable) == ("device_lost", True)
            assert "SIGKILL" in ending.message
        say(websocket, make_fill(4))
        assert isinstance(hear_ending(websocket, 4), Result)
    assert worker not in server.workers()
    next_fill_succeeds(server)


@pytest.mark.parametrize(
    ("fault", "code"),
    [(DIES, "device_lost"), (GIVES_UP, "device_lost"), (FULL, "out_of_memory"), (RAISES, "internal")],
)
def test_failure_in_the_worker_costs_one_job(start: Start, fault: int, code: str) -> None:
    server = start().ready()
    with server.connect() as client:
        with pytest.raises(FillFailedError) as failure:
            fill_with(client, make_fill(fault=fault))
        assert failure.value.code == code
        assert "\n" not in str(failure.value)
        fill_with(client, make_fill())
    next_fill_succeeds(server)


def test_worker_without_room_for_the_pixels_is_replaced(start: Start) -> None:
    server = start("cramped").up()
    (server.folder / "full").touch()
    server.ready()
    (worker,) = server.workers()
    with server.connect() as client:
        with pytest.raises(FillFailedError) as failure:
            fill_with(client, make_fill())
        assert failure.value.code == "out_of_memory"
        (server.folder / "full").unlink()
        wait_until(lambda: worker not in server.workers())
        wait_until(lambda: server.health()["state"] == "ready")
        fill_with(client, make_fill())
    next_fill_succeeds(server)


def test_server_without_room_for_the_pixels_says_so() -> None:
    channel = ProcessChannel("worker", command=(), folder=".")

    def full(size: int) -> memoryview:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    channel.memory.resize = full  # type: ignore[method-assign]
    worker = WorkerProxy("cpu", channel)
    with pytest.raises(JobError) as failure:
        asyncio.run(worker.fill(make_fill(), lambda stage, fraction: None, lambda preview: None))
    assert failure.value.code == "out_of_memory"


def test_what_a_library_prints_does_no_harm(start: Start) -> None:
    server = start().ready()
    with server.connect() as client:
        fill_with(client, make_fill(fault=BABBLES))
    wait_until(lambda: "what a library prints" in server.log())
    next_fill_succeeds(server)


def test_idle_worker_that_is_killed_comes_back(start: Start) -> None:
    server = start().ready()
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: server.workers() not in ([], [worker]))
    next_fill_succeeds(server)


@pytest.mark.parametrize("kind", ["crashing", "broken"])
def test_worker_that_cannot_start_degrades_the_server_until_it_can(start: Start, kind: str) -> None:
    server = start(kind).up()
    wait_until(lambda: server.health()["state"] == "degraded")
    assert server.get("/health")[0] == 503
    with server.connect() as client:
        with pytest.raises(FillFailedError) as failure:
            fill_with(client, make_fill())
        assert failure.value.code == "model_failed"
        reason = "driver is very unhappy" if kind == "crashing" else "file is damaged"
        assert reason in str(failure.value)
        assert reason in client.status().problem
        (server.folder / "mended").touch()
        wait_until(lambda: server.health()["state"] == "ready", seconds=20)
        assert not client.status().problem
        fill_with(client, make_fill())
    next_fill_succeeds(server)


def test_fill_waits_for_a_worker_that_is_loading(start: Start) -> None:
    server = start("slow").up()
    stages: list[str] = []
    with server.connect() as client:
        fill_with(client, make_fill(), on_progress=lambda stage, fraction, position: stages.append(stage))
    assert "loading" in stages
    next_fill_succeeds(server)


# Cancelling


def test_running_fill_is_cancelled_at_once(start: Start) -> None:
    server = start().ready()
    (worker,) = server.workers()
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=60_000))
        while not isinstance(hear(websocket), Progress):
            pass
        say(websocket, Cancel(job=1))
        assert isinstance(hear_ending(websocket, 1, seconds=1), Cancelled)
        assert server.workers() == [worker], "an obedient worker is kept"
    next_fill_succeeds(server)


def test_waiting_fill_is_cancelled_at_once_and_the_running_one_goes_on(start: Start) -> None:
    server = start().ready()
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=400))
        say(websocket, make_fill(2, milliseconds=60_000))
        say(websocket, Cancel(job=2))
        assert isinstance(hear_ending(websocket, 2, seconds=1), Cancelled)
        assert isinstance(hear_ending(websocket, 1), Result)
    next_fill_succeeds(server)


def test_worker_that_does_not_heed_a_cancel_is_ended(start: Start) -> None:
    server = start("scripted", "--cancel-grace", "0.2").ready()
    (worker,) = server.workers()
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=60_000, fault=DEAF))
        while not isinstance(hear(websocket), Progress):
            pass
        say(websocket, Cancel(job=1))
        assert isinstance(hear_ending(websocket, 1, seconds=2), Cancelled)
    assert not psutil.pid_exists(worker)
    next_fill_succeeds(server)


def test_fill_without_progress_is_given_up(start: Start) -> None:
    server = start("scripted", "--stall-timeout", "1.5").ready()
    (worker,) = server.workers()
    with server.connect() as client:
        with pytest.raises(FillFailedError) as failure:
            fill_with(client, make_fill(milliseconds=60_000, fault=SILENT))
        assert (failure.value.code, failure.value.retryable) == ("timeout", True)
        # Progress is all that it takes to be given more time.
        fill_with(client, make_fill(milliseconds=4000))
    assert not psutil.pid_exists(worker)
    next_fill_succeeds(server)


def test_client_that_cancels_can_go_on_with_its_connection(start: Start) -> None:
    server = start().ready()
    with server.connect() as client:
        with pytest.raises(FillCancelledError):
            fill_with(client, make_fill(milliseconds=60_000), cancelled=lambda: True)
        fill_with(client, make_fill())
    next_fill_succeeds(server)


# Clients that go away, and such as stay and do nothing


def test_client_that_vanishes_a_hundred_times(start: Start) -> None:
    """GIMP's cancel button ends the plug-in's process in the middle of whatever it does."""
    server = start().ready()
    (worker,) = server.workers()
    big = make_fill(1, width=512, height=512, milliseconds=60_000)

    async def vanish() -> None:
        async with dial_async(server) as websocket:
            await websocket.send(encode(Hello(client="tests")))
            await websocket.recv()
            await websocket.send(encode(big))
            while not isinstance(decode_server(await websocket.recv(decode=False)), (Accepted, Progress)):
                pass
            websocket.transport.abort()

    for _ in range(10):
        asyncio.run(vanish())
    wait_until(lambda: _is_quiet(server))
    before = server.memory(), psutil.Process(worker).memory_info().rss
    for _ in range(90):
        asyncio.run(vanish())
    wait_until(lambda: _is_quiet(server))
    wait_until(lambda: server.metric('lama_fill_fills_total{ending="stopped"}') == 100)
    assert server.metric("lama_fill_queued_bytes") == 0
    assert server.workers() == [worker], "a cancelled job needs no new worker"
    # 90 windows, 118 MB in all, went through.
    wait_until(lambda: server.memory() - before[0] < 32 << 20, what="memory coming back")
    assert psutil.Process(worker).memory_info().rss - before[1] < 32 << 20
    next_fill_succeeds(server)


def test_client_that_never_reads_its_result_is_dropped(start: Start) -> None:
    server = start("scripted", "--write-timeout", "0.5", "--ping-interval", "60").ready()
    memory = server.memory()
    with greeted(server, max_queue=1) as websocket:
        # More than the buffers of the socket hold.
        for job in range(1, 5):
            say(websocket, make_fill(job, width=1024, height=1024))
        wait_until(lambda: server.metric("lama_fill_connections") == 0, seconds=20, what="the drop")
    assert "not read what it was sent" in server.log()
    wait_until(lambda: server.memory() - memory < 24 << 20, what="memory coming back")
    next_fill_succeeds(server)


def test_client_that_leaves_results_unread_may_send_no_more(start: Start) -> None:
    server = start().ready()
    with greeted(server, max_queue=1) as websocket:
        # The first few are on their way in the buffers of the sockets.
        for job in range(1, 17):
            say(websocket, make_fill(job, width=1024, height=1024))
            wait_until(lambda: _is_quiet(server))
        endings = [hear_ending(websocket, job) for job in range(1, 17)]
        codes = [ending.code for ending in endings if isinstance(ending, Error)]
        assert codes
        assert set(codes) == {"busy"}
        assert all(isinstance(ending, Result) for ending in endings[:4])
        say(websocket, make_fill(17))
        assert isinstance(hear_ending(websocket, 17), Result)
    next_fill_succeeds(server)


def test_half_open_connections_are_noticed(start: Start) -> None:
    """The client's machine is gone, or its process stopped: nothing ends the connection but its silence."""
    server = start("scripted", "--ping-interval", "0.3", "--ping-timeout", "0.3").ready()
    runtime = server.runtime
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{runtime.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n"
    )
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", runtime.port)))
            proof = auth.authorization(runtime.token, auth.new_nonce())
            plain.sendall(f"{request}Authorization: {proof}\r\n\r\n".encode())
            assert b"101 Switching" in plain.recv(4096)
        wait_until(lambda: server.metric("lama_fill_connections") == 5)
        wait_until(lambda: server.metric("lama_fill_connections") == 0, what="noticing that they are gone")
    next_fill_succeeds(server)


def test_client_that_says_no_hello_is_dropped(start: Start) -> None:
    server = start("scripted", "--handshake-timeout", "0.3").ready()
    with dialled(server) as websocket:
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
    next_fill_succeeds(server)


def test_slow_handshakes_shut_nobody_out(start: Start) -> None:
    server = start("scripted", "--handshake-timeout", "1").ready()
    port = server.port
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(300)]
        for number, plain in enumerate(slow):
            with contextlib.suppress(OSError):
                plain.sendall(b"GET / HTTP/1.1\r\nX-Slow: "[: 1 + number % 20])
        next_fill_succeeds(server)
        # The last ones are given their time, and no more.
        ended = time.monotonic() + 5
        for plain in slow:
            plain.settimeout(max(0.1, ended - time.monotonic()))
            with contextlib.suppress(ConnectionError):
                assert plain.recv(1) == b""
    next_fill_succeeds(server)


def _is_quiet(server: ServerProcess) -> bool:
    return server.metric("lama_fill_running") == 0 and server.metric("lama_fill_queued") == 0


# The server itself goes away, or sleeps


def test_killed_server_takes_its_worker_with_it(start: Start) -> None:
    """Also while the worker is in the middle of something that listens to nobody."""
    server = start().ready()
    (worker,) = server.workers()
    old_port = server.port
    lost: list[Exception] = []

    def fill() -> None:
        with server.connect() as client:
            try:
                fill_with(client, make_fill(milliseconds=60_000, fault=SILENT))
            except ConnectionLostError as error:
                lost.append(error)

    filling = threading.Thread(target=fill)
    filling.start()
    wait_until(lambda: server.metric("lama_fill_running") == 1)
    server.end(signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(worker), seconds=2, what="the worker's end")
    filling.join(10)
    assert lost, "the client was told"
    assert server.file.exists(), "nobody was left to remove it"
    again = start().ready()
    assert again.runtime.pid == again.process.pid
    assert old_port
    next_fill_succeeds(again)


def _stop_and_continue(server: ServerProcess, seconds: float) -> None:
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=int((seconds + 1) * 1000)))
        while not isinstance(hear(websocket), Progress):
            pass
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        server.process.send_signal(signal.SIGCONT)
        assert isinstance(hear_ending(websocket, 1), Result)
        say(websocket, make_fill(2))
        assert isinstance(hear_ending(websocket, 2), Result)
    assert server.process.poll() is None
    next_fill_succeeds(server)


def test_stopped_and_continued(start: Start) -> None:
    """Every time limit is far shorter than the pause, and none of them is used up by it."""
    limits = ("--stall-timeout", "1", "--write-timeout", "1", "--exit-after", "1", "--unload-after", "1")
    server = start("scripted", *limits, "--ping-interval", "1", "--ping-timeout", "1", started_by_client=True)
    _stop_and_continue(server.ready(), 4.0)


@pytest.mark.soak
def test_stopped_for_two_minutes_and_continued(start: Start) -> None:
    _stop_and_continue(start().ready(), 120.0)


def test_preview_over_the_socket_is_for_those_who_ask(start: Start) -> None:
    server = start().ready()
    with greeted(server) as websocket:
        for job, asked in ((1, True), (2, False)):
            say(websocket, replace(make_fill(job, milliseconds=100), preview=asked))
            heard = [hear(websocket)]
            while not isinstance(heard[-1], Result):
                heard.append(hear(websocket))
            previews = [message for message in heard if isinstance(message, Preview)]
            assert [preview.job for preview in previews] == [job] * asked
            assert all(bytes(preview.pixels) == bytes([248, 248, 248, 255]) * 128 for preview in previews)


def test_no_preview_after_cancelled(start: Start) -> None:
    server = start().ready()
    with greeted(server) as websocket:
        say(websocket, make_fill(1, milliseconds=300))
        # Waits for the first, so that it is cancelled before its worker has seen it.
        say(websocket, replace(make_fill(2), preview=True))
        say(websocket, Cancel(job=2))
        heard = [hear(websocket)]
        while not isinstance(heard[-1], Result):
            heard.append(hear(websocket))
        assert Cancelled(job=2) in heard
        assert not any(isinstance(message, Preview) for message in heard)
    next_fill_succeeds(server)
