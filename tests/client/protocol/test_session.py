from __future__ import annotations

import dataclasses

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from lama_core.client.protocol.codec import encode
from lama_core.client.protocol.errors import ErrorCode, ProtocolError
from lama_core.client.protocol.limits import Limits
from lama_core.client.protocol.messages import (
    Accepted,
    Cancel,
    Cancelled,
    ClientMessage,
    Error,
    Fill,
    Hello,
    Preview,
    Progress,
    Result,
    ServerMessage,
    ServerStatus,
    Shutdown,
    StatusRequest,
    Welcome,
)
from lama_core.client.protocol.session import MAX_STATUS_REQUESTS, ClientSession, ServerSession

LIMITS = Limits(max_side=8, max_jobs=2)
WELCOME = Welcome(server_version="1", limits=LIMITS, devices=(), models=(), default_model="compact")
STATUS = ServerStatus(state="ready", server_version="1", pid=1, uptime_seconds=1.0)


def fill(job: int, side: int = 4) -> Fill:
    return Fill(
        job=job,
        width=side,
        height=2,
        format="gray",
        depth="u8",
        pixels=bytes(side * 2),
        hole=bytes(side * 2),
    )


def result(job: int, x: int = 1, width: int = 2) -> Result:
    return Result(
        job=job,
        x=x,
        y=0,
        width=width,
        height=1,
        format="gray",
        depth="u8",
        pixels=bytes(width),
        blend=bytes(width),
    )


def preview(job: int, x: int = 0, scale: int = 2) -> Preview:
    return Preview(job=job, x=x, y=0, width=2, height=1, scale=scale, pixels=bytes(8))


@pytest.fixture
def server() -> ServerSession:
    session = ServerSession(LIMITS)
    session.receive(encode(Hello(client="test")))
    session.send(WELCOME)
    return session


@pytest.fixture
def client() -> ClientSession:
    session = ClientSession()
    session.send(Hello(client="test"))
    session.receive(encode(WELCOME))
    return session


def refused(session: ServerSession | ClientSession, message: ClientMessage | ServerMessage) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        session.receive(encode(message))
    return caught.value


@pytest.mark.parametrize("message", [fill(1), Cancel(job=1), StatusRequest(), Shutdown()])
def test_hello_comes_first(message: ClientMessage) -> None:
    session = ServerSession(LIMITS)
    assert refused(session, message).code == "bad_message"
    session.receive(encode(Hello(client="test")))
    assert refused(session, message).code == "bad_message", "welcome was not sent yet"


def test_hello_comes_once(server: ServerSession) -> None:
    assert refused(server, Hello(client="test")).code == "bad_message"


def test_a_refused_fill_before_hello_ends_the_connection() -> None:
    error = refused(ServerSession(LIMITS), fill(1, side=9))
    assert error.code == "bad_message"
    assert error.job is None


def test_another_version_is_refused_with_the_remedy() -> None:
    error = refused(ServerSession(LIMITS), Hello(client="test", protocol=2))
    assert error.code == "unsupported_version"
    assert error.fatal
    assert "version 1" in error.message
    assert "version 2" in error.message
    assert "update" in error.message


def test_a_job_from_fill_to_result(server: ServerSession) -> None:
    assert server.receive(encode(fill(1))) == fill(1)
    assert server.is_open(1)
    server.send(Accepted(job=1, position=0))
    server.send(Progress(job=1, stage="filling", fraction=0.5))
    server.send(result(1))
    assert not server.is_open(1)
    assert server.open_jobs == ()


def test_preview_is_said_once_after_accepted(server: ServerSession) -> None:
    server.receive(encode(dataclasses.replace(fill(1), preview=True)))
    with pytest.raises(ValueError, match="may not be said now"):
        server.send(preview(1))
    server.send(Accepted(job=1, position=0))
    server.send(preview(1))
    with pytest.raises(ValueError, match="may not be said now"):
        server.send(preview(1))
    server.send(result(1))
    with pytest.raises(ValueError, match="may not be said now"):
        server.send(preview(1))


def test_preview_is_said_to_those_who_ask(server: ServerSession, client: ClientSession) -> None:
    server.receive(encode(fill(1)))
    server.send(Accepted(job=1, position=0))
    with pytest.raises(ValueError, match="may not be said now"):
        server.send(preview(1))
    client.send(fill(1))
    assert "nobody waits for" in refused(client, preview(1)).message


def test_preview_may_reach_out_of_the_window_by_less_than_one_of_its_pixels(client: ClientSession) -> None:
    for job, (wrong, right) in enumerate(
        ((preview(1, x=2), preview(1)), (preview(2, scale=4), preview(2, scale=3))), 1
    ):
        client.send(dataclasses.replace(fill(job), preview=True))
        assert "beyond the window" in refused(client, wrong).message
        assert client.receive(encode(right)) == right
        assert "nobody waits for" in refused(client, right).message


@pytest.mark.parametrize("last", [result(1), Cancelled(job=1), Error.of("internal", "x", job=1)])
def test_nothing_is_said_of_a_job_after_its_last_message(server: ServerSession, last: ServerMessage) -> None:
    server.receive(encode(fill(1)))
    server.send(Accepted(job=1, position=0))
    server.send(last)
    for message in (Progress(job=1, stage="x", fraction=1), Accepted(job=1, position=0), last):
        with pytest.raises(ValueError, match="may not be said now"):
            server.send(message)


def test_what_the_server_may_not_say(server: ServerSession) -> None:
    server.receive(encode(fill(1)))
    for message in (
        WELCOME,
        STATUS,
        Accepted(job=2, position=0),
        Progress(job=1, stage="before accepted", fraction=0),
        result(2),
        Cancelled(job=2),
        Error.of("internal", "x", job=2),
    ):
        with pytest.raises(ValueError, match="may not be said now"):
            server.send(message)
    server.send(Accepted(job=1, position=0))
    with pytest.raises(ValueError, match="may not be said now"):
        server.send(Accepted(job=1, position=0))
    server.send(Error.of("shutting_down", "bye"))
    with pytest.raises(ValueError, match="last message"):
        server.send(Cancelled(job=1))


@pytest.mark.parametrize("again", [5, 4, 1])
def test_job_numbers_rise(server: ServerSession, again: int) -> None:
    server.receive(encode(fill(5)))
    assert refused(server, fill(again)).code == "bad_message"


def test_a_fill_beyond_the_limits_is_answered_and_the_connection_goes_on(server: ServerSession) -> None:
    error = refused(server, fill(3, side=9))
    assert (error.code, error.job, error.fatal) == ("too_large", 3, False)
    assert server.is_open(3)
    server.send(Error.of(error.code, error.message, job=error.job))
    assert not server.is_open(3)
    assert refused(server, fill(3)).code == "bad_message", "the number is used up"
    server.receive(encode(fill(4)))


def test_more_jobs_than_allowed_are_busy(server: ServerSession) -> None:
    server.receive(encode(fill(1)))
    server.receive(encode(fill(2)))
    error = refused(server, fill(3))
    assert (error.code, error.job, error.fatal) == ("busy", 3, False)
    server.send(Error.of(error.code, error.message, job=3))
    server.send(result(1))
    server.receive(encode(fill(4)))
    assert server.open_jobs == (2, 4)


def test_cancel_of_a_finished_job_is_harmless_and_of_a_future_one_is_not(server: ServerSession) -> None:
    server.receive(encode(fill(3)))
    server.send(result(3))
    assert server.receive(encode(Cancel(job=3))) == Cancel(job=3)
    assert server.receive(encode(Cancel(job=1))) == Cancel(job=1)
    assert refused(server, Cancel(job=4)).code == "bad_message"


def test_each_status_request_has_one_answer(server: ServerSession) -> None:
    for _ in range(MAX_STATUS_REQUESTS):
        server.receive(encode(StatusRequest()))
    assert refused(server, StatusRequest()).code == "bad_message"
    for _ in range(MAX_STATUS_REQUESTS):
        server.send(STATUS)
    with pytest.raises(ValueError, match="ServerStatus may not be said now"):
        server.send(STATUS)


def test_the_client_says_hello_first_and_waits() -> None:
    session = ClientSession()
    with pytest.raises(ValueError, match="welcome"):
        session.send(fill(1))
    assert refused(session, WELCOME).code == "bad_message"
    session.send(Hello(client="test"))
    with pytest.raises(ValueError, match="once"):
        session.send(Hello(client="test"))
    with pytest.raises(ValueError, match="welcome"):
        session.send(StatusRequest())
    assert refused(session, STATUS).code == "bad_message"
    assert session.receive(encode(WELCOME)) == WELCOME
    assert session.welcome == WELCOME
    assert refused(session, WELCOME).code == "bad_message"


def test_the_client_refuses_another_version() -> None:
    session = ClientSession()
    session.send(Hello(client="test"))
    assert refused(session, dataclasses.replace(WELCOME, protocol=2)).code == "unsupported_version"


def test_the_client_hears_of_its_own_jobs_only(client: ClientSession) -> None:
    assert client.next_job() == 1
    client.send(fill(1))
    assert client.next_job() == 2
    for message in (
        Accepted(job=2, position=0),
        Progress(job=2, stage="x", fraction=0),
        result(2),
        Cancelled(job=2),
        Error.of("internal", "x", job=2),
    ):
        assert refused(client, message).code == "bad_message"
    client.receive(encode(result(1)))
    assert not client.is_open(1)
    assert refused(client, result(1)).code == "bad_message"


@pytest.mark.parametrize(
    "wrong",
    [
        result(1, x=3),
        result(1, width=5),
        dataclasses.replace(result(1), y=2),
        dataclasses.replace(result(1), format="rgb", pixels=bytes(6)),
        dataclasses.replace(result(1), depth="u16", pixels=bytes(4)),
    ],
)
def test_a_result_fits_the_window_and_the_format(client: ClientSession, wrong: Result) -> None:
    client.send(fill(1))
    assert refused(client, wrong).code == "bad_message"


def test_the_client_is_held_to_the_limits_of_the_server(client: ClientSession) -> None:
    with pytest.raises(ProtocolError) as caught:
        client.send(fill(1, side=9))
    assert caught.value.code == "too_large"
    assert not client.is_open(1)
    client.send(fill(1))
    with pytest.raises(ValueError, match="larger"):
        client.send(fill(1))
    with pytest.raises(ValueError, match="was sent"):
        client.send(Cancel(job=2))


def test_the_client_does_not_keep_the_pixels(client: ClientSession) -> None:
    client.send(fill(1))
    assert client._open[1].pixels == b""


class Conversation(RuleBasedStateMachine):
    """Whatever both sides do within their rules, neither refuses what the other says."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ServerSession(LIMITS)
        self.client = ClientSession()
        self.server.receive(self.client.send(Hello(client="test")))
        self.client.receive(self.server.send(WELCOME))
        self.accepted: set[int] = set()
        self.waiting: set[int] = set()
        self.sent = 0

    def open_job(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(self.server.open_jobs))

    def has_jobs(self) -> bool:
        return bool(self.server.open_jobs)

    @rule(gap=st.integers(0, 5), wish=st.booleans())
    def fill(self, gap: int, wish: bool) -> None:
        self.sent = self.client.next_job() + gap
        sent = dataclasses.replace(fill(self.sent), preview=wish)
        frame = self.client.send(sent)
        if len(self.server.open_jobs) < LIMITS.max_jobs:
            assert self.server.receive(frame) == sent
            self.waiting |= {self.sent} if wish else set()
            return
        with pytest.raises(ProtocolError) as caught:
            self.server.receive(frame)
        assert caught.value.code == "busy"
        self.client.receive(self.server.send(Error.of("busy", "full", job=caught.value.job)))
        assert not self.client.is_open(self.sent)

    @precondition(lambda self: self.sent > 0)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.server.receive(self.client.send(Cancel(job=data.draw(st.integers(1, self.sent)))))

    @rule()
    def status(self) -> None:
        self.server.receive(self.client.send(StatusRequest()))
        assert self.client.receive(self.server.send(STATUS)) == STATUS

    @precondition(has_jobs)
    @rule(data=st.data(), fraction=st.floats(0, 1))
    def work(self, data: st.DataObject, fraction: float) -> None:
        job = self.open_job(data)
        if job not in self.accepted:
            self.accepted.add(job)
            self.client.receive(self.server.send(Accepted(job=job, position=1)))
        self.client.receive(self.server.send(Progress(job=job, stage="filling", fraction=fraction)))
        if job in self.waiting:
            self.waiting.remove(job)
            self.client.receive(self.server.send(preview(job)))

    @precondition(has_jobs)
    @rule(
        data=st.data(),
        kind=st.sampled_from(["result", "cancelled", "error"]),
        code=st.sampled_from(["internal", "device_lost"]),
    )
    def finish(self, data: st.DataObject, kind: str, code: ErrorCode) -> None:
        job = self.open_job(data)
        last: ServerMessage = {
            "result": result(job),
            "cancelled": Cancelled(job=job),
            "error": Error.of(code, "failed", job=job),
        }[kind]
        assert self.client.receive(self.server.send(last)) == last
        assert not self.client.is_open(job)
        assert not self.server.is_open(job)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=50)
