"""Many clients at once, and more than there is room for."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable

from lama_core.client.protocol import auth
from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.messages import (
    SUBPROTOCOL,
    Accepted,
    Error,
    Fill,
    Hello,
    Progress,
    Result,
    StatusRequest,
)
from tests.server.harness import (
    ServerProcess,
    dial_async,
    greeted,
    hear,
    hear_ending,
    make_fill,
    next_fill_succeeds,
    say,
    wait_until,
)
from tests.server.workers import INVERT

Start = Callable[..., ServerProcess]


def test_a_hundred_clients_at_once_lose_and_swap_nothing(start: Start) -> None:
    server = start().ready()
    randoms = random.Random(7)

    async def one(number: int) -> None:
        width, height = randoms.randint(1, 300), randoms.randint(1, 300)
        pixels = randoms.randbytes(width * height * 4)
        async with dial_async(server) as websocket:
            await websocket.send(encode(Hello(client=f"client {number}")))
            await websocket.recv()
            for job in (1, 2):
                fill = Fill(
                    job=job,
                    width=width,
                    height=height,
                    format="rgba",
                    depth="u8",
                    pixels=pixels,
                    hole=bytes([number]) * (width * height),
                )
                await websocket.send(encode(fill))
            waiting = {1, 2}
            while waiting:
                message = decode_server(await websocket.recv(decode=False))
                if isinstance(message, Result):
                    waiting.remove(message.job)
                    assert (message.width, message.height) == (width, height)
                    wanted = hashlib.sha256(pixels.translate(INVERT)).digest()
                    assert hashlib.sha256(message.pixels).digest() == wanted
                    assert set(message.blend) == {number}
                else:
                    assert isinstance(message, (Accepted, Progress)), message

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(100)))

    asyncio.run(all_of_them())
    assert server.metric('lama_fill_fills_total{ending="done"}') == 200
    next_fill_succeeds(server)


def test_beyond_the_queue_the_answer_is_busy(start: Start) -> None:
    server = start("scripted", "--queue", "3", "--queue-per-client", "6").ready()
    with greeted(server) as one, greeted(server) as other:
        for job in range(1, 8):
            say(one, make_fill(job, milliseconds=500 if job == 1 else 0))
            time.sleep(0.05)  # so that the first one runs before the others come
        endings = {job: hear_ending(one, job) for job in (5, 6, 7)}
        assert [ending.code for ending in endings.values() if isinstance(ending, Error)] == ["busy"] * 3
        say(other, make_fill(1))
        ending = hear_ending(other, 1)
        assert isinstance(ending, Error)
        assert ending.retryable
        assert isinstance(hear_ending(one, 1), Result)
    next_fill_succeeds(server)


def test_one_busy_client_does_not_hold_up_the_others(start: Start) -> None:
    server = start().ready()
    with greeted(server) as greedy, greeted(server) as modest:
        for job in range(1, 11):
            say(greedy, make_fill(job, milliseconds=100))
        say(modest, make_fill(1))
        assert isinstance(hear_ending(modest, 1), Result)
        say(greedy, StatusRequest())
        status = next(m for m in iter(lambda: hear(greedy), None) if type(m).__name__ == "ServerStatus")
        assert status.queued >= 5
    next_fill_succeeds(server)


def test_more_clients_than_there_is_room_for(start: Start) -> None:
    server = start("scripted", "--connections", "2").ready()
    with greeted(server), greeted(server):
        assert b"503" in _upgrade(server)
    wait_until(lambda: server.metric("lama_fill_connections") == 0)
    next_fill_succeeds(server)


def _upgrade(server: ServerProcess) -> bytes:
    runtime = server.runtime
    proof = auth.authorization(runtime.token, auth.new_nonce())
    return server.http(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{runtime.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: {proof}\r\n\r\n".encode()
    )
