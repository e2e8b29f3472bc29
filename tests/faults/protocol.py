"""2. The protocol: messages and frames that are almost right, and lengths that lie."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import msgpack
import psutil
import pytest

from lama_core.client.protocol.errors import ERROR_CODES, ProtocolError
from tests.client.protocol.examples import client_examples, server_examples
from tests.client.protocol.fuzzing import Mutator, client_outcome, fuzz, server_outcome
from tests.faults.access import upgrade_request
from tests.faults.rfc6455 import BINARY, CASES, HELLO, frame, play
from tests.faults.row import Bench, Section
from tests.server.fuzzing import check_mutated_frames
from tests.server.harness import ServerProcess, next_fill_succeeds

SECTION = Section(2, "Protocol")
MIB = 1 << 20


@SECTION.row(
    "decoding a message",
    "messages with bytes and fields changed: a message, or a documented error, and bounded memory",
    short=20_000,
    soak=3_000_000,
    figure="MiB that the process grew",
    limit=64,
)
def _messages(bench: Bench, count: int) -> float:
    process = psutil.Process()
    mutator = Mutator(20261129, client_examples() + server_examples())
    fuzz(mutator, 1000)
    before = process.memory_info().rss
    seen = fuzz(mutator, count)
    assert seen >= {"bad_message", "bad_request", "too_large"}
    return max(0, process.memory_info().rss - before) / MIB


@SECTION.row(
    "decoding, by a fuzzer that follows coverage",
    "messages that atheris (libFuzzer) finds new ways with",
    short=20_000,
    soak=3_000_000,
    figure="neither messages nor documented errors",
)
def _coverage(bench: Bench, count: int) -> float:
    pytest.importorskip("atheris")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.coverage_fuzz", f"-atheris_runs={count}", "-seed=1"],
        capture_output=True,
        text=True,
        check=False,
    )
    ways = re.findall(r"cov: (\d+)", done.stderr)
    assert done.returncode or f"Done {count} in" in done.stderr, done.stderr[-2000:]
    bench.record(f"{ways[-1]} branches seen")
    assert done.returncode == 0, done.stderr[-3000:]
    return 0.0


@SECTION.row(
    "frames on live sockets",
    "frames with mutated messages in them, to a server with a worker",
    short=1200,
    soak=200_000,
    figure="MiB that the server grew",
    limit=32,
)
def _frames(bench: Bench, count: int) -> float:
    return check_mutated_frames(bench.start, count) / MIB


@SECTION.row(
    "RFC 6455",
    "cases of Autobahn's core list, written from the RFC: frames, fragments, pings, lengths, close codes",
    short=len(CASES),
    soak=len(CASES),
    figure="wrong",
)
def _rfc(bench: Bench, count: int) -> float:
    server = bench.start("scripted").ready()
    with ThreadPoolExecutor(8) as threads:
        wrong = [said for said in threads.map(lambda case: play(server, case), CASES[:count]) if said]
    next_fill_succeeds(server)
    assert not wrong, wrong
    return len(wrong)


def _lies() -> list[bytes]:
    """Frames whose lengths say more, or less, than there is."""
    lies = []
    for head in (b"\xc4\xff", b"\xc5\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xd9\xff", b"\xdb\xff\xff\xff\xff"):
        lies += [b"\x81\xa4type" + head, b"\x81" + head, head, b"\x81\xa4type" + head + b"x" * 1000]
    for head in (
        b"\xdc\xff\xff",
        b"\xdd\xff\xff\xff\xff",
        b"\xde\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff",
    ):
        lies += [head, head + b"\xc0" * 1000, b"\x81\xa4type" + head, head * 500]
    lies += [b"\x91" * depth for depth in (9, 100, 5000, 100_000)]
    lies += [msgpack.packb({"type": "fill", "pixels": b"", "width": 1 << 62, "height": 1 << 62})]
    return lies


@SECTION.row(
    "lengths that lie inside messages",
    "arrays, maps, texts and bytes that claim up to 4 GiB, or nest 100,000 deep",
    short=len(_lies()),
    soak=len(_lies()),
    figure="MiB that decoding took",
    limit=16,
)
def _inner_lengths(bench: Bench, count: int) -> float:
    process = psutil.Process()
    before = process.memory_info().rss
    for lie in _lies()[:count]:
        for outcome in (client_outcome(lie), server_outcome(lie)):
            assert isinstance(outcome, ProtocolError)
            assert outcome.code in ERROR_CODES
    return max(0, process.memory_info().rss - before) / MIB


def _opened(server: ServerProcess, *headers: str) -> tuple[socket.socket, bytes]:
    """A websocket that has said nothing, and the head of the answer."""
    plain = socket.create_connection(("127.0.0.1", server.port), 10)
    plain.sendall(upgrade_request(server, *headers))
    head = b""
    while b"\r\n\r\n" not in head:
        head += plain.recv(4096)
    return plain, head


@SECTION.row(
    "lengths that lie on the wire",
    "clients that each announce a message of 512 MiB, send 64 KiB of it, and wait",
    short=30,
    soak=200,
    figure="MiB that the server grew",
    limit=48,
)
def _wire_lengths(bench: Bench, count: int) -> float:
    server = bench.start("scripted").ready()
    next_fill_succeeds(server)
    before = server.memory()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            plain, _ = _opened(server)
            stack.enter_context(plain)
            plain.sendall(frame(BINARY, HELLO))
            plain.sendall(frame(BINARY, b"x" * 65536, length=512 * MIB, wide=8))
        next_fill_succeeds(server)
        grown = server.memory() - before
    next_fill_succeeds(server)
    return max(0, grown) / MIB


@SECTION.row(
    "compression",
    "handshakes that offer it in every form",
    short=8,
    soak=8,
    figure="agreed to",
)
def _compression(bench: Bench, count: int) -> float:
    server = bench.start("scripted").ready()
    offers = (
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=8",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflate, permessage-deflate; client_max_window_bits=15",
        "deflate-stream",
    )
    agreed = 0
    for offer in offers[:count]:
        plain, head = _opened(server, f"Sec-WebSocket-Extensions: {offer}")
        plain.close()
        assert b" 101 " in head
        agreed += b"extensions" in head.lower()
    next_fill_succeeds(server)
    return agreed
