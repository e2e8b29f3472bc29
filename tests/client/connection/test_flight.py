"""Several fills of one caller on their way at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from lama_core.client.connection import (
    Client,
    ConnectionLostError,
    FillCancelledError,
    FillFailedError,
    connect,
)
from lama_core.client.connection.flight import MAX_IN_FLIGHT
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Cancelled,
    Device,
    Error,
    Fill,
    Preview,
    Progress,
    Result,
)


def connected() -> Client:
    return connect(client="test", start=False)


def window(number: int, side: int = 4) -> Fill:
    """One that is told from others by its size."""
    height = side + number
    return Fill(
        width=side,
        height=height,
        format="rgba",
        depth="u8",
        pixels=bytes([number]) * (side * height * 4),
        hole=b"\xff" * (side * height),
    )


def heights(results: Iterator[Result]) -> list[int]:
    return [result.height for result in results]


class Queue:
    """Answers of a server that works on `held` fills at a time: the last that came is the first that ends."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.waiting: list[Fill] = []
        self.most = 0

    def __call__(self, conversation: Any, fill: Fill) -> None:
        conversation.say(Accepted(job=fill.job, position=len(self.waiting)))
        self.waiting.append(fill)
        self.most = max(self.most, len(self.waiting))
        if len(self.waiting) >= self.held:
            while self.waiting:
                conversation.finish(self.waiting.pop())


def with_devices(server: Any, count: int, **limits: Any) -> None:
    devices = tuple(Device(id=f"cpu:{number}", name="a processor") for number in range(count))
    server.limits = Limits(heartbeat_seconds=0.2, **limits)
    server.welcome = type(server.welcome)(
        server_version="0.0", limits=server.limits, devices=devices, models=(), default_model=""
    )


@pytest.mark.parametrize(("devices", "most"), [(0, 2), (1, 2), (2, 3), (7, MAX_IN_FLIGHT)])
def test_as_many_as_keep_the_devices_busy_and_results_in_order(server: Any, devices: int, most: int) -> None:
    with_devices(server, devices)
    answer = server.answer = Queue(most)
    drawn: list[int] = []

    def fills() -> Iterator[Fill]:
        for number in range(2 * most):
            drawn.append(number)
            yield window(number)

    with connected() as client:
        results = client.fill_each(fills())
        assert next(results).height == 4
        assert len(drawn) <= most + 1, "windows are read when they are sent"
        assert heights(results) == [4 + number for number in range(1, 2 * most)]
    assert answer.most == most


def test_none_and_one(server: Any) -> None:
    with connected() as client:
        assert heights(client.fill_each([])) == []
        assert heights(client.fill_each([window(3)])) == [7]


def test_the_next_is_not_sent_before_the_server_has_the_former(server: Any) -> None:
    """A refusal is known before more pixels follow."""
    early: list[object] = []

    def answer(conversation: Any, fill: Fill) -> None:
        try:
            early.append(conversation.hear(0.3))
        except TimeoutError:
            conversation.finish(fill)

    server.answer = answer
    with connected() as client:
        assert heights(client.fill_each(map(window, range(2)))) == [4, 5]
    assert early == []


def test_progress_is_that_of_the_fill_that_is_waited_for(server: Any) -> None:
    def answer(conversation: Any, fill: Fill) -> None:
        conversation.say(Accepted(job=fill.job, position=0))
        if fill.job == 1:
            second = conversation.hear(5)
            conversation.say(Accepted(job=2, position=1))
            conversation.say(Progress(job=2, stage="filling", fraction=0.9))
            conversation.say(Progress(job=1, stage="filling", fraction=0.5))
            conversation.finish(fill)
            conversation.say(Progress(job=2, stage="blending", fraction=0.95))
            conversation.finish(second)

    server.answer = answer
    told: list[tuple[int, str, float, int]] = []
    with connected() as client:
        results = client.fill_each(map(window, range(2)), on_progress=lambda *said: told.append(said))
        assert heights(results) == [4, 5]
    assert told == [(0, "queued", 0.0, 0), (0, "filling", 0.5, 0), (1, "blending", 0.95, 0)]


def test_previews_say_of_which_fill_they_are(server: Any) -> None:
    def answer(conversation: Any, fill: Fill) -> None:
        assert fill.preview
        conversation.say(Accepted(job=fill.job, position=0))
        conversation.say(
            Preview(job=fill.job, x=0, y=0, width=1, height=1, scale=4, pixels=bytes([fill.height] * 4))
        )
        conversation.finish(fill)

    server.answer = answer
    seen: list[tuple[int, int]] = []
    with connected() as client:
        results = client.fill_each(
            map(window, range(3)), on_preview=lambda number, look: seen.append((number, look.pixels[0]))
        )
        assert heights(results) == [4, 5, 6]
    assert seen == [(0, 4), (1, 5), (2, 6)]


def test_a_server_that_has_room_for_one_gets_the_next_when_it_has_done_that(server: Any) -> None:
    waiting: list[Fill] = []
    refused: list[int] = []

    def answer(conversation: Any, fill: Fill) -> None:
        if waiting:
            refused.append(fill.height)
            conversation.say(Error.of("busy", "one at a time", job=fill.job))
            conversation.finish(waiting.pop())
            return
        conversation.say(Accepted(job=fill.job, position=0))
        if refused:
            conversation.finish(fill)
        else:
            waiting.append(fill)

    server.answer = answer
    with connected() as client:
        assert heights(client.fill_each(map(window, range(4)))) == [4, 5, 6, 7]
    assert refused == [5], "not tried again and again"
    assert len(server.requests) == 1


def test_a_server_that_has_room_for_none_is_said_so(server: Any) -> None:
    server.answer = lambda conversation, fill: conversation.say(Error.of("busy", "full", job=fill.job))
    with connected() as client, pytest.raises(FillFailedError, match="full") as caught:
        heights(client.fill_each(map(window, range(2))))
    assert (caught.value.code, caught.value.retryable) == ("busy", True)
    assert len(server.heard_fills()) == 1


def test_a_failed_fill_stops_the_others_and_keeps_the_connection(server: Any) -> None:
    def answer(conversation: Any, fill: Fill) -> None:
        conversation.say(Accepted(job=fill.job, position=0))
        if fill.job == 2:
            conversation.say(Error.of("out_of_memory", "use a smaller context", job=1))
            assert conversation.hear(5) == Cancel(job=2)
            conversation.say(Cancelled(job=2))

    server.answer = answer
    with connected() as client:
        with pytest.raises(FillFailedError, match="smaller context"):
            heights(client.fill_each(map(window, range(5))))
        server.recover()
        assert heights(client.fill_each([window(1)])) == [5]
    assert len(server.requests) == 1


def test_a_window_that_is_too_large_stops_the_others(server: Any) -> None:
    with_devices(server, 1, max_side=8)
    cancelled: list[object] = []

    def answer(conversation: Any, fill: Fill) -> None:
        conversation.say(Accepted(job=fill.job, position=0))
        cancelled.append(conversation.hear(5))
        conversation.say(Cancelled(job=fill.job))

    server.answer = answer
    with connected() as client:
        with pytest.raises(FillFailedError) as caught:
            heights(client.fill_each([window(0), window(9)]))
        assert caught.value.code == "too_large"
        server.recover()
        assert heights(client.fill_each([window(1)])) == [5]
    assert cancelled == [Cancel(job=1)]
    assert len(server.requests) == 1


def test_cancel_stops_all_of_them_soon_and_keeps_the_connection(server: Any) -> None:
    heard: list[object] = []

    def answer(conversation: Any, fill: Fill) -> None:
        conversation.say(Accepted(job=fill.job, position=0))
        if fill.job == 2:
            heard.extend((conversation.hear(5), conversation.hear(5)))
            for job in (1, 2):
                conversation.say(Cancelled(job=job))

    server.answer = answer
    asked: list[float] = []

    def cancelled() -> bool:
        if len(server.heard_fills()) == 2:
            asked.append(time.monotonic())
        return len(asked) > 1

    with connected() as client:
        with pytest.raises(FillCancelledError):
            heights(client.fill_each(map(window, range(5)), cancelled=cancelled))
        assert time.monotonic() - asked[-1] < 1, "0.1 s, and more for a busy machine"
        assert heard == [Cancel(job=1), Cancel(job=2)]
        server.recover()
        assert heights(client.fill_each([window(1)])) == [5]
    assert len(server.requests) == 1


def test_who_takes_no_more_results_stops_the_others(server: Any) -> None:
    server.answer = Queue(2)
    with connected() as client:
        results = client.fill_each(map(window, range(5)))
        assert next(results).height == 4
        results.close()  # type: ignore[attr-defined]
        server.recover()
        assert heights(client.fill_each([window(1)])) == [5]
    assert len(server.requests) == 2


def test_what_reading_a_window_raises_stops_the_others(server: Any) -> None:
    server.answer = Queue(3)

    def fills() -> Iterator[Fill]:
        yield window(0)
        raise MemoryError("no more")

    with connected() as client:
        with pytest.raises(MemoryError):
            heights(client.fill_each(fills()))
        server.recover()
        assert heights(client.fill_each([window(1)])) == [5]
    assert len(server.requests) == 2


def test_a_lost_server_is_said_so(server: Any) -> None:
    def answer(conversation: Any, fill: Fill) -> None:
        conversation.say(Accepted(job=fill.job, position=0))
        if fill.job == 2:
            server.drop_all()

    server.answer = answer
    with connected() as client, pytest.raises(ConnectionLostError, match="try again"):
        heights(client.fill_each(map(window, range(3))))
