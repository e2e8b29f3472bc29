from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lama_core.client.connection import (
    Client,
    ConnectionLostError,
    FillCancelledError,
    FillFailedError,
    NotTrustedError,
    ServerNotFoundError,
    connect,
)
from lama_core.client.connection.errors import ServerSilentError
from lama_core.client.options import FillOptions
from lama_core.client.protocol.limits import SILENT_HEARTBEATS, Limits
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Error,
    Fill,
    Hello,
    Progress,
    Result,
    Shutdown,
)


def connected(**changes: Any) -> Client:
    return connect(client="test", client_version="1.2", start=False, **changes)


def fill(server: Client, side: int = 4, **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "width": side,
        "height": side,
        "format": "rgba",
        "depth": "u8",
        "pixels": bytes(side * side * 4),
        "hole": b"\xff" * (side * side),
        **changes,
    }
    calls = {name: fields.pop(name) for name in ("on_progress", "cancelled") if name in fields}
    return server.fill(Fill(**fields), **calls)


def test_a_fill(server: Any) -> None:
    seen: list[tuple[str, float, int]] = []
    options = FillOptions(grow=3, quality="best")
    with connected() as client:
        result = fill(client, options=options, on_progress=lambda *args: seen.append(args))
        assert client.welcome == server.welcome
    assert result.pixels == b"\x07" * 64
    assert result.blend == b"\xff" * 16
    assert (result.x, result.y, result.width, result.height) == (0, 0, 4, 4)
    assert seen == [("queued", 0.0, 2), ("queued", 0.0, 1), ("filling", 0.5, 0)]
    hello, sent = server.heard
    assert hello == Hello(client="test", client_version="1.2")
    assert isinstance(sent, Fill)
    assert sent.options == options


def test_many_fills_use_one_connection(server: Any) -> None:
    with connected() as client:
        for _ in range(5):
            fill(client)
    assert [message.job for message in server.heard_fills()] == [1, 2, 3, 4, 5]
    assert len(server.requests) == 1


def test_a_large_fill_goes_and_comes(server: Any) -> None:
    with connected() as client:
        result = fill(client, side=2000, depth="f32", pixels=bytes(2000 * 2000 * 16))
    assert len(result.pixels) == 2000 * 2000 * 16


def test_no_server_is_said_so(folder: Path) -> None:
    with pytest.raises(ServerNotFoundError, match="lama-fill serve"):
        connected()


def test_a_stale_file_is_no_server(server: Any) -> None:
    server.stop()
    server.write_file()
    try:
        with pytest.raises(ServerNotFoundError):
            connected()
    finally:
        server.start()


def test_a_file_with_another_servers_token_is_not_trusted(server: Any) -> None:
    server.write_file(token="B" * 43)
    with pytest.raises(NotTrustedError):
        connected()
    assert server.heard == []


def test_an_error_of_the_server_has_its_code(server: Any) -> None:
    server.answer = lambda conversation, message: conversation.say(
        Error.of("out_of_memory", "not enough memory: use a smaller context", job=message.job)
    )
    with connected() as client:
        with pytest.raises(FillFailedError, match="smaller context") as caught:
            fill(client)
        assert (caught.value.code, caught.value.retryable) == ("out_of_memory", False)
        server.answer = lambda conversation, message: conversation.say(
            Error.of("device_lost", "the worker died", job=message.job)
        )
        with pytest.raises(FillFailedError) as caught:
            fill(client)
        assert (caught.value.code, caught.value.retryable) == ("device_lost", True)
    assert len(server.requests) == 1, "the connection outlives a failed fill"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"hole": b""}, "bad_request"),
        ({"pixels": bytes(63)}, "bad_request"),
        ({"format": "cmyk"}, "bad_request"),
        ({"model": "x" * 129}, "bad_request"),
        ({"width": 0}, "bad_request"),
        ({"width": 9, "pixels": bytes(144), "hole": bytes(36)}, "too_large"),
    ],
)
def test_what_the_server_would_refuse_is_not_sent(server: Any, changes: dict[str, Any], code: str) -> None:
    server.welcome = type(server.welcome)(
        server_version="0.0", limits=Limits(max_side=8), devices=(), models=(), default_model=""
    )
    with connected() as client:
        with pytest.raises(FillFailedError) as caught:
            fill(client, **changes)
        assert caught.value.code == code
        assert server.heard_fills() == []
        fill(client)


def never(conversation: Any, message: Fill) -> None:
    """Accept, and say no more than that it goes on."""
    conversation.say(Accepted(job=message.job, position=0))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cancel_stops_the_job_and_keeps_the_connection(server: Any) -> None:
    server.answer = never
    asked: list[float] = []

    def cancelled() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 10

    with connected() as client:
        with pytest.raises(FillCancelledError):
            fill(client, cancelled=cancelled)
        assert asked[-1] - asked[0] < 1.5, "ten times in a second, and some more for a busy machine"
        assert server.heard[-1] == Cancel(job=1)
        server.recover()
        fill(client)
    assert len(server.requests) == 1


def test_cancel_wins_over_a_result_that_is_on_its_way(server: Any) -> None:
    def answer(conversation: Any, message: Fill) -> None:
        never(conversation, message)
        assert conversation.hear(5) == Cancel(job=message.job)
        conversation.say(
            Result(
                job=message.job,
                x=0,
                y=0,
                width=1,
                height=1,
                format="rgba",
                depth="u8",
                pixels=bytes(4),
                blend=bytes(1),
            )
        )

    server.answer = answer
    with connected() as client:
        with pytest.raises(FillCancelledError):
            fill(client, cancelled=lambda: bool(server.heard_fills()))
        server.recover()
        fill(client)
    assert len(server.requests) == 1


def test_cancel_of_a_server_that_does_not_confirm_drops_the_connection(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lama_core.client.connection.flight.CANCEL_SECONDS", 0.2)
    gone = threading.Event()

    def answer(conversation: Any, message: Fill) -> None:
        try:
            while True:
                conversation.websocket.recv(timeout=5)
        finally:
            gone.set()

    server.answer = answer
    with connected() as client:
        with pytest.raises(FillCancelledError):
            fill(client, cancelled=lambda: bool(server.heard_fills()))
        assert gone.wait(5), "the end of the connection stops the job"
        server.recover()
        fill(client)
    assert len(server.requests) == 2


@pytest.mark.parametrize("where", ["on_progress", "cancelled"])
def test_what_a_callback_raises_stops_the_job(server: Any, where: str) -> None:
    def fail(*args: object) -> bool:
        raise RuntimeError("the window was closed")

    server.answer = never
    with connected() as client:
        with pytest.raises(RuntimeError, match="the window was closed"):
            fill(client, **{where: fail})
        server.recover()
        fill(client)
    assert len(server.requests) == 2


def test_a_lost_server_is_a_retryable_error_and_the_next_fill_succeeds(server: Any) -> None:
    def answer(conversation: Any, message: Fill) -> None:
        never(conversation, message)
        server.drop_all()

    server.answer = answer
    with connected() as client:
        with pytest.raises(ConnectionLostError, match="try again") as caught:
            fill(client)
        assert caught.value.retryable
        server.recover()
        fill(client)


def test_a_connection_that_dropped_while_idle_is_made_again(server: Any) -> None:
    with connected() as client:
        fill(client)
        server.drop_all()
        wait_for(lambda: not client._connection.is_alive())  # type: ignore[union-attr]
        fill(client)
    assert len(server.requests) == 2


def test_another_server_is_found_after_a_restart(server: Any) -> None:
    with connected() as client:
        fill(client)
        server.stop()
        wait_for(lambda: not client._connection.is_alive())  # type: ignore[union-attr]
        with pytest.raises(ServerNotFoundError):
            fill(client)
        server.start()
        fill(client)


def test_a_silent_server_is_given_up(server: Any) -> None:
    server.welcome = type(server.welcome)(
        server_version="0.0",
        limits=Limits(heartbeat_seconds=0.5 / SILENT_HEARTBEATS),
        devices=(),
        models=(),
        default_model="",
    )
    server.answer = never
    with connected() as client:
        begun = time.monotonic()
        with pytest.raises(ConnectionLostError, match="said nothing for"):
            fill(client)
        assert 0.4 < time.monotonic() - begun < 3


def test_heartbeats_keep_a_slow_job_alive(server: Any) -> None:
    server.welcome = type(server.welcome)(
        server_version="0.0",
        limits=Limits(heartbeat_seconds=0.5 / SILENT_HEARTBEATS),
        devices=(),
        models=(),
        default_model="",
    )

    def answer(conversation: Any, message: Fill) -> None:
        never(conversation, message)
        for _ in range(10):
            time.sleep(0.1)
            conversation.say(Progress(job=message.job, stage="loading", fraction=0.0))
        conversation.finish(message)

    server.answer = answer
    with connected() as client:
        fill(client)


def test_a_result_that_does_not_fit_is_not_given_out(server: Any) -> None:
    server.answer = lambda conversation, message: conversation.say(
        Result(
            job=message.job,
            x=3,
            y=0,
            width=2,
            height=1,
            format="rgba",
            depth="u8",
            pixels=bytes(8),
            blend=bytes(2),
        )
    )
    with connected() as client, pytest.raises(ConnectionLostError, match="beyond the window"):
        fill(client)


def test_a_text_frame_ends_the_connection(server: Any) -> None:
    server.answer = lambda conversation, message: conversation.websocket.send("hello")
    with connected() as client, pytest.raises(ConnectionLostError, match="broke the protocol"):
        fill(client)


def test_status(server: Any) -> None:
    with connected() as client:
        assert client.status().state == "ready"
        fill(client)
        assert client.status().server_version == "0.0"
    assert len(server.requests) == 1


def test_shutdown_waits_for_the_end(server: Any) -> None:
    client = connected()
    client.shutdown(seconds=5)
    assert server.heard[-1] == Shutdown()
    client.close()


def test_shutdown_of_a_server_that_does_not_end_is_said_so(server: Any) -> None:
    server.stubborn = True
    client = connected()
    with pytest.raises(ServerSilentError, match="did not end"):
        client.shutdown(seconds=0.2)


def test_threads_with_a_client_each(server: Any) -> None:
    def work(number: int) -> list[bytes]:
        with connected() as client:
            return [bytes(fill(client).pixels) for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        for pixels in pool.map(work, range(8)):
            assert pixels == [b"\x07" * 64] * 3
    assert len(server.heard_fills()) == 24
