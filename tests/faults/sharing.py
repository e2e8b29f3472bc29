"""12. A server that others reach: proofs of users, what a stolen file opens, what never becomes TLS."""

from __future__ import annotations

import contextlib
import hmac
import itertools
import random
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from lama_core.client.connection import Account, ClientError
from lama_core.client.protocol import auth, user_proof
from lama_server.shared.users import USERS_FILE, read_users
from tests.faults.access import UPGRADE, statuses_of
from tests.faults.row import Bench, Section
from tests.server.harness import fill_with, make_fill, next_fill_succeeds
from tests.server.shared_harness import Authority, Shared, add_user

SECTION = Section(12, "A shared server")

_HEAD: Final = f"GET / HTTP/1.1\r\nHost: fill.example\r\n{UPGRADE}"


def _challenge(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        plain.sendall(f"{_HEAD}\r\n".encode())
        answer = plain.recv(4096).decode()
    line = next(line for line in answer.split("\r\n") if line.startswith(user_proof.CHALLENGE))
    return user_proof.parse_challenge(line.partition(": ")[2]) or ""


def _wrong_proofs(shared: Shared, token: str, used: str, randoms: random.Random) -> Iterator[str]:
    """`Authorization` headers of the user `anna` that are wrong, each in another way, without an end."""
    stolen = read_users(shared.folder / USERS_FILE)["anna"].verifier
    assert stolen is not None
    other = add_user(shared.folder, "bert")
    while True:
        # One challenge for some: none of them is right, so none uses it up.
        challenge, nonce = _challenge(shared.port), auth.new_nonce()
        right = user_proof.authorization(token, "anna", nonce, challenge)
        proof = right[-65:-1]
        at = randoms.randrange(64)
        flipped = f"{proof[:at]}{(int(proof[at], 16) ^ 1 << randoms.randrange(4)):x}{proof[at + 1 :]}"
        yield used
        yield right.replace(proof, flipped)
        yield right.replace('user="anna"', 'user="bert"')
        yield right.replace('user="anna"', 'user="nobody"')
        yield right.replace(nonce, auth.new_nonce())
        yield right.replace(challenge, challenge[:-1] + ("0" if challenge[-1] != "0" else "1"))
        yield user_proof.authorization(other, "anna", nonce, challenge)
        yield user_proof.authorization(auth.new_token(), "anna", nonce, challenge)
        yield right[: randoms.randrange(20, len(right))]
        yield f"{right}\r\nAuthorization: {right}"
        yield auth.authorization(token, nonce)
        yield auth.authorization(shared.process.runtime.token, nonce)
        yield f"Bearer {token}"
        # What whoever has read the server's file can make of it.
        for key in (stolen.stored_key, stolen.server_key, "00" * 32):
            mask = hmac.new(
                bytes.fromhex(stolen.stored_key), f"client:{nonce}:{challenge}".encode(), "sha256"
            )
            forged = bytes(a ^ b for a, b in zip(bytes.fromhex(key), mask.digest(), strict=True)).hex()
            yield right.replace(proof, forged)
            yield right.replace(proof, hmac.new(bytes.fromhex(key), nonce.encode(), "sha256").hexdigest())


@SECTION.row(
    "the proof of a user",
    "connections with a wrong, replayed, cut, foreign or flipped proof, or one made of the server's file",
    short=190,
    soak=20_000,
    figure="let in",
)
def _proofs(bench: Bench, count: int) -> float:
    folder = bench.folder / "run"
    token = add_user(folder, "anna")
    shared = Shared(bench.start, folder)
    used = user_proof.authorization(token, "anna", auth.new_nonce(), _challenge(shared.port))
    begin = f"{_HEAD}Authorization: "
    assert statuses_of(shared.port, iter([f"{begin}{used}\r\n\r\n"])) == [101], "once, it was right"
    wrong = itertools.islice(_wrong_proofs(shared, token, used, random.Random(1)), count)
    statuses = statuses_of(shared.port, (f"{begin}{proof}\r\n\r\n" for proof in wrong))
    assert len(statuses) == count
    assert set(statuses) <= {101, 401}
    with shared.connect(shared.account("anna", token)) as client:
        fill_with(client, make_fill())
    return statuses.count(101)


def _openings(randoms: random.Random) -> Iterator[bytes]:
    """What is sent in place of TLS, without an end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    while True:
        yield b""
        yield hello[: randoms.randrange(1, len(hello))]
        yield b"GET / HTTP/1.1\r\nHost: fill.example\r\n\r\n"
        yield randoms.randbytes(randoms.randrange(1, 2000))
        broken = bytearray(hello)
        broken[randoms.randrange(len(broken))] ^= 1 << randoms.randrange(8)
        yield bytes(broken)


@SECTION.row(
    "its TLS",
    "connections that say nothing, part of a greeting, a broken one, noise or plain HTTP, all left open",
    short=150,
    soak=900,
    figure="fills of users that were lost",
)
def _no_tls(bench: Bench, count: int) -> float:
    folder = bench.folder / "run"
    (bench.folder / "tls").mkdir()
    token = add_user(folder, "anna")
    certificate = Authority(bench.folder / "tls").issue("127.0.0.1")
    shared = Shared(bench.start, folder, certificate=certificate)
    account = shared.account("anna", token)
    fills = 0
    with contextlib.ExitStack() as stack:
        for number, opening in enumerate(itertools.islice(_openings(random.Random(1)), count)):
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", shared.port), 10))
            with contextlib.suppress(OSError):
                plain.sendall(opening)
            if number % 50 == 49:
                fills += _fills(shared, account)
        fills += _fills(shared, account)
    next_fill_succeeds(shared.process)
    return count // 50 + 1 - fills


def _fills(shared: Shared, account: Account) -> bool:
    """Whether a user gets a connection, and a fill."""
    try:
        with shared.connect(account) as client:
            fill_with(client, make_fill())
    except ClientError:
        return False
    return True
