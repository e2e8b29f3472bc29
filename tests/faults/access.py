"""1. Who gets in: proofs, places, the machine's other users, web pages, programs in the server's place."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.utils import accept_key

from lama_core.client.connection import ClientError
from lama_core.client.connection.channel import open_connection
from lama_core.client.connection.runtime import RuntimeFile
from lama_core.client.protocol import auth
from lama_core.client.protocol.messages import Hello
from tests.faults.row import Bench, Section
from tests.faults.web_page import attack_from_a_page
from tests.server.harness import ServerProcess, next_fill_succeeds

SECTION = Section(1, "Who gets in")

_AT_ONCE = 24
UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: lamafill.v1\r\n"
)


def upgrade_request(server: ServerProcess, *headers: str) -> bytes:
    """A request that opens a websocket, with a fresh proof; more headers may be added."""
    proof = auth.authorization(server.runtime.token, auth.new_nonce())
    more = "".join(f"{header}\r\n" for header in (*headers, f"Authorization: {proof}"))
    return f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{UPGRADE}{more}\r\n".encode()


def statuses_of(port: int, requests: Iterator[str]) -> list[int]:
    """Send each request on a connection of its own, some at once; returns the statuses, 0 for no answer."""
    statuses: list[int] = []

    async def sender() -> None:
        for request in requests:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.encode("utf-8", "surrogateescape"))
            with contextlib.suppress(ConnectionError):
                line = await reader.readline()
                statuses.append(int(line.split()[1]) if line.startswith(b"HTTP/1.1 ") else 0)
            writer.transport.abort()

    async def all_of_them() -> None:
        await asyncio.gather(*(sender() for _ in range(_AT_ONCE)))

    asyncio.run(all_of_them())
    return statuses


def _wrong_proofs(token: str, used: str, randoms: random.Random) -> Iterator[str]:
    """`Authorization` headers that are wrong, each in another way, without an end. `used`: was right once."""
    while True:
        nonce = auth.new_nonce()
        right = auth.client_proof(token, nonce)
        at = randoms.randrange(64)
        flipped = f"{right[:at]}{(int(right[at], 16) ^ 1 << randoms.randrange(4)):x}{right[at + 1 :]}"
        cut = auth.authorization(token, nonce)[: randoms.randrange(20, 120)]
        yield used
        yield auth.authorization(auth.new_token(), nonce)
        yield f'LamaFill nonce="{nonce}", proof="{flipped}"'
        yield f'LamaFill nonce="{nonce}", proof="{auth.server_proof(token, nonce)}"'
        yield f'LamaFill nonce="{auth.new_nonce()}", proof="{right}"'
        yield cut
        yield f'LamaFill nonce="{nonce}", proof="{right.upper()}A"'
        yield f"Bearer {token}"
        yield f'LamaFill nonce="{nonce}", proof="{randoms.randbytes(32).hex()}"'
        yield f"{auth.authorization(token, nonce)}\r\nAuthorization: {auth.authorization(token, nonce)}"


@SECTION.row(
    "the proof",
    "connections with a wrong, replayed, cut, foreign, flipped or doubled proof",
    short=300,
    soak=100_000,
    figure="let in",
)
def _proofs(bench: Bench, count: int) -> float:
    server = bench.start("scripted", "--log-level", "warning").ready()
    token = server.runtime.token
    used = auth.authorization(token, auth.new_nonce())
    begin = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{UPGRADE}Authorization: "
    assert statuses_of(server.port, iter([f"{begin}{used}\r\n\r\n"])) == [101], "once, it was right"
    wrong = itertools.islice(_wrong_proofs(token, used, random.Random(1)), count)
    statuses = statuses_of(server.port, (f"{begin}{proof}\r\n\r\n" for proof in wrong))
    assert len(statuses) == count
    assert set(statuses) <= {101, 401}
    next_fill_succeeds(server)
    return statuses.count(101)


HOSTS = (
    "localhost:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "127.0.0.2:{port}",
    "[::1]:{port}",
    "0.0.0.0:{port}",
    "127.0.0.1.evil.example:{port}",
    "evil.example:{port}",
    "127.0.0.1:{port}, evil.example",
    "2130706433:{port}",
    "0x7f000001:{port}",
    "127.1:{port}",
    "user@127.0.0.1:{port}",
    "",
)
ORIGINS = ("", "null", "http://127.0.0.1:{port}", "http://localhost", "https://evil.example", "file://", "*")
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PATCH", "get", "LAMA")
PATHS = ("/", "/health", "/metrics", "/?x", "//", "/../", "/%2f", "*", "http://127.0.0.1/", "/favicon.ico")


@SECTION.row(
    "hosts, origins, methods and paths",
    "requests with a right proof of which one or more of these four is foreign",
    short=300,
    soak=11_000,
    figure="answered",
)
def _places(bench: Bench, count: int) -> float:
    server = bench.start("scripted", "--log-level", "warning").ready()
    token, port = server.runtime.token, server.port
    right = f"127.0.0.1:{port}"
    ways = [
        (method, path, host, origin)
        for method, path, host, origin in itertools.product(METHODS, PATHS, (right, *HOSTS), (None, *ORIGINS))
        # Foreign in one way at least, and not only in a path or a method that plain requests may have.
        if host != right or origin is not None
    ]
    chosen = random.Random(2).sample(ways, min(count, len(ways)))

    def request(method: str, path: str, host: str, origin: str | None) -> str:
        line = "" if origin is None else f"Origin: {origin.format(port=port)}\r\n"
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {host.format(port=port)}\r\n{line}{UPGRADE}"
            f"Authorization: {auth.authorization(token, auth.new_nonce())}\r\n\r\n"
        )

    statuses = statuses_of(port, (request(*way) for way in chosen))
    assert len(statuses) == len(chosen) == count
    next_fill_succeeds(server)
    return sum(not 400 <= status < 500 and status != 0 for status in statuses)


OTHER_USER = """
import json, os, socket, sys
folder, port, pids = sys.argv[1], int(sys.argv[2]), [int(pid) for pid in sys.argv[3].split(",")]
got = []
def tried(what, get):
    try:
        found = get()
    except OSError:
        return
    if found:
        got.append(what)
names = ("server.json", "server.lock", "server.log", "launch.json")
tried("list of the folder", lambda: os.listdir(folder))
for name in names:
    for mode in ("rb", "ab"):
        tried(f"{name} {mode}", lambda: open(f"{folder}/{name}", mode).close() or True)
tried("a file put there", lambda: open(f"{folder}/x", "x").close() or True)
tried("folder renamed", lambda: os.rename(folder, folder + "x") or True)
for pid in pids:
    for name in ("mem", "environ", "maps", "fd", "cwd", "exe", "auxv", "syscall"):
        path = f"/proc/{pid}/{name}"
        tried(path, lambda: os.listdir(path) if name == "fd" else
              os.readlink(path) if name in ("cwd", "exe") else open(path, "rb").read(1))
    tried(f"signal to {pid}", lambda: os.kill(pid, 15) or True)
def http(path):
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        plain.sendall(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n".encode())
        answer = b""
        while part := plain.recv(65536):
            answer += part
    return answer
tried("/metrics", lambda: b" 200 " in http("/metrics").splitlines()[0])
tried("/", lambda: b" 101 " in http("/").splitlines()[0])
health = json.loads(http("/health").partition(b"\\r\\n\\r\\n")[2])
tried("more than the state", lambda: set(health) - {"state", "version"})
tried("shared memory", lambda: [name for name in os.listdir("/dev/shm") if "lama" in name])
print(json.dumps(got))
"""


@SECTION.row(
    "another user of the machine",
    "reads, writes and signals by uid 65534 of files, folders, memory, descriptors, processes and pages",
    short=1,
    soak=3,
    figure="things got",
)
def _other_user(bench: Bench, count: int) -> float:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can be another user too")
    got: list[str] = []
    for _ in range(count):
        # The folders of the tests are closed to others all the way down, which would prove nothing.
        with tempfile.TemporaryDirectory(dir="/tmp") as open_folder:
            os.chmod(open_folder, 0o755)
            server = ServerProcess(Path(open_folder) / "run", "scripted", "--metrics", "no")
            try:
                server.ready()
                next_fill_succeeds(server)
                pids = ",".join(map(str, [server.process.pid, *server.workers()]))
                done = subprocess.run(
                    ["/usr/bin/python3", "-c", OTHER_USER, str(server.folder), str(server.port), pids],
                    user=65534,
                    group=65534,
                    extra_groups=[],
                    cwd="/",
                    capture_output=True,
                    text=True,
                    check=True,
                )
                got += json.loads(done.stdout)
                next_fill_succeeds(server)
            finally:
                server.clean_up()
    assert not got, got
    return len(got)


@SECTION.row(
    "a web page in Chromium",
    "cross-site websockets, fetches, form posts, and names that resolve to this machine (DNS rebinding)",
    short=1,
    soak=20,
    figure="of its tries got in",
)
def _page(bench: Bench, count: int) -> float:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    server = bench.start("scripted").ready()
    got = 0
    for _ in range(count):
        got += attack_from_a_page(server, bench)
    next_fill_succeeds(server)
    return got


def _squats(token: str, randoms: random.Random) -> Iterator[Callable[[bytes], bytes]]:
    """What a program in the server's place may answer to a client's request, without an end."""

    def switching(proof: bytes) -> Callable[[bytes], bytes]:
        def answer(request: bytes) -> bytes:
            key = re.search(rb"sec-websocket-key: *(\S+)", request, re.IGNORECASE)
            accept = accept_key(key[1].decode()).encode() if key else b""
            return (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Protocol: lamafill.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n"
                b"X-Lama-Fill-Proof: " + proof + b"\r\n\r\n"
            )

        return answer

    while True:
        yield switching(b"")
        yield switching(randoms.randbytes(32).hex().encode())
        yield switching(auth.server_proof(token, auth.new_nonce()).encode())
        yield switching(auth.client_proof(token, auth.new_nonce()).encode())
        yield switching(b"0" * 64 + b"\r\nX-Lama-Fill-Proof: " + b"1" * 64)
        yield lambda request: request
        yield lambda request: randoms.randbytes(400)
        yield lambda request: b""
        yield lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        yield lambda request: b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
        yield lambda request: b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 500 + b"\r\n"


@SECTION.row(
    "a client, by a program that squats on the port",
    "answers without the right proof: none, a guessed, replayed or doubled one, an echo, garbage, redirects",
    short=44,
    soak=2200,
    figure="trusted, or told the token",
)
def _squatters(bench: Bench, count: int) -> float:
    token = auth.new_token()
    heard: list[bytes] = []
    answers = _squats(token, random.Random(3))
    with socket.create_server(("127.0.0.1", 0)) as squatter:

        def squat() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = squatter.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.settimeout(5)
                        request = connection.recv(65536)
                        heard.append(request)
                        connection.sendall(next(answers)(request))
                        # Whatever a client says to whom it trusts.
                        connection.shutdown(socket.SHUT_WR)
                        while more := connection.recv(65536):
                            heard.append(more)

        threading.Thread(target=squat, daemon=True).start()
        place = RuntimeFile(
            port=squatter.getsockname()[1], pid=os.getpid(), version="1", token=token, started=0.0
        )
        trusted = 0
        for _ in range(count):
            with contextlib.suppress(ClientError):
                open_connection(place, Hello(client="tests"), seconds=5).drop()
                trusted += 1
    assert len(heard) >= count
    return trusted + sum(token.encode() in words for words in heard)
