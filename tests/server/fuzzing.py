"""Mutated frames on a live socket."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from lama_core.client.protocol.codec import decode_server, encode
from lama_core.client.protocol.errors import ERROR_CODES, FATAL_CODES
from lama_core.client.protocol.messages import (
    Cancel,
    ClientMessage,
    Error,
    Hello,
    Shutdown,
    StatusRequest,
)
from tests.server.harness import ServerProcess, dial_async, make_fill, next_fill_succeeds

CLOSE_CODES = {1000, 1002, 1003, 1009}


def _mutated(frame: bytes, randoms: random.Random) -> bytes:
    """The frame with some bytes changed, cut, doubled or put in."""
    data = bytearray(frame)
    for _ in range(randoms.choice((1, 1, 1, 2, 5))):
        at = randoms.randrange(min(len(data), 200)) if data else 0
        kind = randoms.randrange(6)
        if kind == 0 and data:
            data[at] ^= 1 << randoms.randrange(8)
        elif kind == 1 and data:
            data[at] = randoms.choice((0x00, 0x7F, 0x80, 0xC0, 0xC1, 0xCB, 0xD9, 0xDD, 0xDF, 0xFF))
        elif kind == 2:
            del data[at : at + randoms.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = randoms.randbytes(randoms.randrange(1, 9))
        elif kind == 4:
            del data[at:]
        else:
            data[at:at] = data[at : at + randoms.randrange(1, 40)]
    return bytes(data)


async def _fuzz(server: ServerProcess, count: int, seed: int) -> Counter[str]:
    """Send that many mutated frames, on as many connections as it takes. Returns what was answered."""
    randoms = random.Random(seed)
    answers: Counter[str] = Counter()
    sent = 0
    while sent < count:
        async with dial_async(server) as websocket:
            await websocket.send(encode(Hello(client="fuzz")))
            hearing = asyncio.create_task(_hear(websocket, answers))
            with contextlib.suppress(ConnectionClosed):
                await websocket.send(encode(make_fill(1)))
                for job in range(2, 40):
                    frame = encode(_any_message(job, randoms))
                    if randoms.random() < 0.7:
                        frame = _mutated(frame, randoms)
                        sent += 1
                    if frame != encode(Shutdown()):
                        await websocket.send(frame)
                    # Some are sent one by one, others all at once, into a closing connection too.
                    await asyncio.sleep(0.005 * randoms.randrange(2))
                    if hearing.done():
                        break
                await websocket.close()
            await hearing
            assert websocket.close_code in CLOSE_CODES, "the server closes in order"
            answers[f"closed {websocket.close_code}"] += 1
    return answers


def _any_message(job: int, randoms: random.Random) -> ClientMessage:
    messages: list[ClientMessage] = [
        make_fill(job, width=randoms.randint(1, 9), height=randoms.randint(1, 9)),
        make_fill(job, width=randoms.randint(1, 9)),
        Cancel(job=randoms.randint(1, job)),
        StatusRequest(),
        Hello(client="again"),
    ]
    return randoms.choice(messages)


async def _hear(websocket: ClientConnection, answers: Counter[str]) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            _note(decode_server(await websocket.recv(decode=False)), answers)


def _note(message: object, answers: Counter[str]) -> None:
    if isinstance(message, Error):
        assert message.code in ERROR_CODES
        assert message.retryable == ERROR_CODES[message.code]
        assert (message.job is None) or message.code not in FATAL_CODES
        assert message.code != "internal"
        assert "\n" not in message.message
        answers[message.code] += 1
    else:
        answers[type(message).__name__] += 1


def fuzz_together(server: ServerProcess, count: int, seed: int) -> Counter[str]:
    """Four at once."""

    async def all_of_them() -> list[Counter[str]]:
        return await asyncio.gather(*(_fuzz(server, count // 4, seed + n) for n in range(4)))

    return sum(asyncio.run(all_of_them()), Counter())


def check_mutated_frames(start: Callable[..., ServerProcess], count: int) -> int:
    """Send them to a server: documented errors alone. Returns by how many bytes the server grew."""
    server = start("echo", "--log-level", "warning").ready()
    fuzz_together(server, 200, seed=0)
    memory, workers = server.memory(), server.workers()
    answers = fuzz_together(server, count, seed=10)
    assert answers["Welcome"] > count / 500
    assert answers["bad_message"] > count / 100
    assert answers["bad_request"] > count / 500
    assert answers["Result"] > count / 500
    grown = server.memory() - memory
    assert server.workers() == workers, "nothing of it reached the worker's health"
    assert "ERROR" not in server.log()
    next_fill_succeeds(server)
    return grown
