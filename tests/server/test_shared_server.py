"""A server that a studio shares: who gets in, on which certificate, and how much of it each may have."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from lama_core.client.connection import (
    CertificateChangedError,
    CertificateInvalidError,
    CertificateUnknownError,
    ClientError,
    ConnectionLostError,
    FillFailedError,
    ServerUnreachableError,
    SharedServerBusyError,
    ShutdownRefusedError,
    TokenRefusedError,
)
from lama_core.client.connection.server_address import parse_address
from lama_core.client.protocol import auth, user_proof
from lama_core.client.protocol.messages import Shutdown
from tests.client.connection.speaking_first import speaking_first
from tests.server.harness import fill_with, make_fill, next_fill_succeeds, wait_until
from tests.server.shared_harness import Authority, Certificate, Shared, Start, add_user, remove_user


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "tls").mkdir()
    return Authority(tmp_path / "tls")


@pytest.fixture
def certificate(authority: Authority) -> Certificate:
    return authority.issue("127.0.0.1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_a_user_fills_over_tls(
    start: Start, folder: Path, authority: Authority, certificate: Certificate
) -> None:
    token = add_user(folder, "anna")
    shared = Shared(start, folder, certificate=certificate)
    with shared.connect(shared.account("anna", token)) as client:
        fill_with(client, make_fill(width=300, height=200))
        status = client.status()
        assert (status.pid, {worker.pid for worker in status.workers}) == (0, {0})
    # Whoever trusts the authority needs no fingerprint.
    with shared.connect(shared.account("anna", token, fingerprint="", ca=str(authority.file))) as client:
        fill_with(client, make_fill())
    # Programs of this machine go on as before, and know nothing of users.
    next_fill_succeeds(shared.process)
    line = json.loads(shared.audit().splitlines()[0])
    assert {name: line[name] for name in ("user", "address", "client", "width", "height", "ending")} == {
        "user": "anna",
        "address": "127.0.0.1",
        "client": "tests",
        "width": 300,
        "height": 200,
        "ending": "done",
    }
    assert len(shared.audit().splitlines()) == 2
    kept = "".join(path.read_text() for path in folder.iterdir() if path.suffix in (".log", ".json"))
    assert token not in kept, "the token is nowhere on the server"


def test_certificates_that_are_not_to_be_trusted(
    start: Start, folder: Path, authority: Authority, certificate: Certificate
) -> None:
    token = add_user(folder, "anna")
    shared = Shared(start, folder, certificate=certificate)
    # Seen for the first time: nobody vouches for it, and its fingerprint is told.
    with pytest.raises(CertificateUnknownError, match="not known yet") as unknown:
        shared.connect(shared.account("anna", token, fingerprint=""))
    assert unknown.value.detail == f"sha256:{certificate.fingerprint}"
    # Another one than the one that is remembered.
    with pytest.raises(CertificateChangedError, match="not the one that is remembered"):
        shared.connect(shared.account("anna", token, fingerprint="0" * 64))
    # Another authority's.
    other = Authority(authority.file.parent)
    with pytest.raises(CertificateInvalidError, match="has not signed it"):
        shared.connect(shared.account("anna", token, fingerprint="", ca=str(other.file)))
    # Another host's: the certificate names 127.0.0.1 alone.
    account = shared.account("anna", token, fingerprint="", ca=str(authority.file))
    elsewhere = replace(account, address=parse_address(f"wss://localhost:{shared.port}"))
    with pytest.raises(CertificateInvalidError, match="another host than localhost"):
        shared.connect(elsewhere)
    assert "client tests" not in shared.process.log(), "nobody has got as far as saying hello"


def test_an_expired_certificate_is_refused_and_a_renewed_one_is_taken(
    start: Start, folder: Path, authority: Authority
) -> None:
    token = add_user(folder, "anna")
    expired = authority.issue("127.0.0.1", days=-1)
    shared = Shared(start, folder, certificate=expired)
    account = shared.account("anna", token, fingerprint="", ca=str(authority.file))
    with pytest.raises(CertificateInvalidError, match="has expired"):
        shared.connect(account)
    renewed = authority.issue("127.0.0.1")
    shutil.copy(renewed.key, expired.key)
    shutil.copy(renewed.chain, expired.chain)
    wait_until(lambda: "the certificate was read again" in shared.process.log(), what="the new certificate")
    with shared.connect(account) as client:
        fill_with(client, make_fill())
    # Whoever has pinned the old one is told that it has changed.
    with pytest.raises(CertificateChangedError):
        shared.connect(replace(account, ca="", fingerprint="0" * 64))


def test_tokens_wrong_revoked_and_rotated(start: Start, folder: Path, certificate: Certificate) -> None:
    token = add_user(folder, "anna")
    other = add_user(folder, "bert")
    shared = Shared(start, folder, certificate=certificate)
    right = shared.account("anna", token)
    for wrong in (
        replace(right, token=auth.new_token()),
        replace(right, token=other),
        replace(right, user="nobody"),
    ):
        with pytest.raises(TokenRefusedError, match="does not take the token"):
            shared.connect(wrong)
    with shared.connect(right) as client:
        fill_with(client, make_fill())
        # Rotated: what is connected by the old one ends, and it opens nothing any more.
        new = add_user(folder, "anna")
        wait_until(lambda: "no longer admitted as before: anna" in shared.process.log(), what="the rotation")
        with pytest.raises((TokenRefusedError, ConnectionLostError)):
            fill_with(client, make_fill())
        with pytest.raises(TokenRefusedError):
            fill_with(client, make_fill())
    with shared.connect(replace(right, token=new)) as client:
        fill_with(client, make_fill())
    # Revoked in the middle of a fill: it ends.
    with shared.connect(shared.account("bert", other)) as client:
        ending: list[BaseException] = []

        def work() -> None:
            try:
                client.fill(make_fill(milliseconds=60_000))
            except ClientError as error:
                ending.append(error)

        filling = threading.Thread(target=work)
        filling.start()
        wait_until(lambda: shared.process.metric("lama_fill_running") == 1, what="the fill")
        remove_user(folder, "bert")
        filling.join(20)
        assert isinstance(ending[0], ConnectionLostError)
    with pytest.raises(TokenRefusedError):
        shared.connect(shared.account("bert", other))
    wait_until(lambda: '"ending": "stopped"' in shared.audit(), what="the line about what was stopped")


def test_a_proof_is_good_once_and_for_this_server(
    start: Start, folder: Path, certificate: Certificate
) -> None:
    token = add_user(folder, "anna")
    shared = Shared(start, folder)

    def ask(authorization: str = "", path: str = "/", *extra: str) -> bytes:
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: fill.example",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: lamafill.v1",
            *([f"Authorization: {authorization}"] if authorization else []),
            *extra,
            "",
            "",
        ]
        with socket.create_connection(("127.0.0.1", shared.port), 5) as plain:
            plain.sendall("\r\n".join(lines).encode())
            answer = b""
            while b"\r\n\r\n" not in answer and (part := plain.recv(4096)):
                answer += part
        return answer

    def challenge() -> str:
        head = ask().decode()
        assert head.startswith("HTTP/1.1 401")
        value = next(line for line in head.splitlines() if line.startswith("WWW-Authenticate: "))
        return user_proof.parse_challenge(value.partition(": ")[2]) or ""

    nonce = auth.new_nonce()
    proof = user_proof.authorization(token, "anna", nonce, challenge())
    answer = ask(proof)
    assert answer.startswith(b"HTTP/1.1 101")
    server_proof = user_proof.server_proof(user_proof.verifier(token, "anna"), nonce)
    assert f"X-Lama-Fill-Proof: {server_proof}".encode() in answer
    assert b"401" in ask(proof).splitlines()[0], "a second time"
    invented = user_proof.authorization(token, "anna", nonce, "0" * 68)
    assert b"401" in ask(invented).splitlines()[0], "a challenge of nobody's"
    local = auth.authorization(shared.process.runtime.token, auth.new_nonce())
    assert b"401" in ask(local).splitlines()[0], "the token of this machine's programs"
    fresh = user_proof.authorization(token, "anna", nonce, challenge())
    assert b"403" in ask(fresh, "/", "Origin: https://evil.example").splitlines()[0], "a page"
    for path in ("/web/session", "/web/ticket", "/desk", "/metrics", "/nothing"):
        fresh = user_proof.authorization(token, "anna", nonce, challenge())
        assert b"404" in ask(fresh, path).splitlines()[0], "pages are this machine's alone"
    assert b"200" in ask("", "/health").splitlines()[0]
    # The other way round: a user of the shared server has no business with this machine's port.
    with pytest.raises(ServerUnreachableError, match="not a shared LaMa Fill server"):
        shared.connect(
            replace(
                shared.account("anna", token), address=parse_address(f"ws://127.0.0.1:{shared.process.port}")
            )
        )


def test_client_certificates(
    start: Start, folder: Path, authority: Authority, certificate: Certificate
) -> None:
    add_user(folder, "carl", certificate=True)
    token = add_user(folder, "anna")
    shared = Shared(start, folder, "--tls-client-ca", str(authority.file), certificate=certificate)

    def with_certificate(name: str) -> Shared:
        own = authority.issue(f"{name}@studio.example", common_name=name)
        return shared.connect(shared.account("", "", certificate=str(own.chain), key=str(own.key)))

    with with_certificate("carl") as client:
        fill_with(client, make_fill())
    assert json.loads(shared.audit())["user"] == "carl"
    # Who has a token and no certificate gets in as ever, and each by what was allowed alone.
    with shared.connect(shared.account("anna", token)) as client:
        fill_with(client, make_fill())
    for name in ("anna", "nobody"):
        with pytest.raises(TokenRefusedError, match="does not take the certificate"):
            with_certificate(name)
    remove_user(folder, "carl")
    wait_until(lambda: "no longer admitted as before: carl" in shared.process.log(), what="the removal")
    with pytest.raises(TokenRefusedError):
        with_certificate("carl")


def test_limits_of_a_user(start: Start, folder: Path) -> None:
    token = add_user(folder, "anna", waiting=2, running=1)
    other = add_user(folder, "bert")
    shared = Shared(start, folder, "--device", "cpu,cpu", "--user-connections", "4")
    endings: list[str] = []

    def fill(name: str, secret: str, milliseconds: int) -> None:
        with shared.connect(shared.account(name, secret)) as client:
            try:
                client.fill(make_fill(milliseconds=milliseconds))
                endings.append(name)
            except FillFailedError as error:
                endings.append(f"{name} {error.code}")

    def in_background(name: str, secret: str, milliseconds: int) -> threading.Thread:
        thread = threading.Thread(target=fill, args=(name, secret, milliseconds))
        thread.start()
        return thread

    threads = [in_background("anna", token, 1500)]
    wait_until(lambda: shared.process.metric("lama_fill_running") == 1, what="the first fill")
    threads += [in_background("anna", token, 100) for _ in range(2)]
    wait_until(lambda: shared.process.metric("lama_fill_queued") == 2, what="two that wait")
    assert shared.process.metric("lama_fill_running") == 1, "one at a time, though a device is idle"
    fill("anna", token, 0)
    assert endings == ["anna busy"], "as many as may wait"
    fill("bert", other, 0)
    assert endings == ["anna busy", "bert"], "the idle device is another user's"
    # As many connections as may be.
    held = [shared.connect(shared.account("anna", token))]
    with pytest.raises(SharedServerBusyError, match="no more connections of yours"):
        shared.connect(shared.account("anna", token))
    for client in held:
        client.close()
    for thread in threads:
        thread.join(20)
    assert endings.count("anna") == 3


def test_memory_of_a_user(start: Start, folder: Path) -> None:
    token = add_user(folder, "anna", memory_mib=1)
    shared = Shared(start, folder)
    with shared.connect(shared.account("anna", token)) as client:
        assert client.welcome.limits.max_frame_bytes == 1 << 20
        fill_with(client, make_fill(width=400, height=400))
        with pytest.raises(FillFailedError) as refused:
            client.fill(make_fill(width=600, height=600))
        assert refused.value.code == "too_large"


def test_users_take_turns_whatever_their_connections(start: Start, folder: Path) -> None:
    greedy, modest = add_user(folder, "greedy"), add_user(folder, "modest")
    shared = Shared(start, folder)
    order: list[str] = []

    def fill(name: str, secret: str) -> None:
        with shared.connect(shared.account(name, secret)) as client:
            client.fill(make_fill(milliseconds=150))
            order.append(name)

    threads = [threading.Thread(target=fill, args=("greedy", greedy)) for _ in range(7)]
    for thread in threads:
        thread.start()
    wait_until(lambda: shared.process.metric("lama_fill_queued") == 6, what="the queue")
    threads.append(threading.Thread(target=fill, args=("modest", modest)))
    threads[-1].start()
    for thread in threads:
        thread.join(30)
    assert order.index("modest") <= 3, "not behind all seven of somebody else"


def test_a_user_cannot_end_the_server(start: Start, folder: Path) -> None:
    token = add_user(folder, "anna")
    shared = Shared(start, folder)
    with shared.connect(shared.account("anna", token)) as client:
        with pytest.raises(ShutdownRefusedError):
            client.shutdown()
        connection = client._connection
        assert connection is not None
        # One that asks all the same loses its connection.
        connection.send(Shutdown(), lambda: None)
        wait_until(lambda: not connection.is_alive(), what="the end of the connection")
    assert shared.process.process.poll() is None
    next_fill_succeeds(shared.process)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--listen", "0.0.0.0:0"], "without TLS"),
        (["--listen", "[::]:0"], "without TLS"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "cert.pem"], "tls_key is not set"),
        (["--listen", "127.0.0.1:0", "--tls-cert", "no.pem", "--tls-key", "no.pem"], "is not there"),
        (["--listen", "127.0.0.1:0", "--tls-client-ca", "ca.pem"], "needs tls_cert"),
        (["--listen", "203.0.113.7:1"], "cannot be used"),
        (["--listen", "somewhere"], "allowed: HOST:PORT"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    tmp_path: Path, data_folder: Path, flags: list[str], words: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lama_cli", "serve", *flags],
        capture_output=True,
        text=True,
        check=False,
        env={"LAMA_FILL_RUNTIME_DIR": str(tmp_path / "run"), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_nobody_is_there(tmp_path: Path, start: Start, folder: Path) -> None:
    token = add_user(folder, "anna")
    shared = Shared(start, folder)
    account = shared.account("anna", token)
    assert shared.process.end() == 0
    with pytest.raises(ServerUnreachableError, match="nothing answers there"):
        shared.connect(account)
    nowhere = replace(account, address=parse_address("wss://no-such-host.invalid:8443"))
    with pytest.raises(ServerUnreachableError, match=r"there is no host no-such-host\.invalid"):
        shared.connect(nowhere)
    with speaking_first() as port:
        other = replace(account, address=parse_address(f"ws://127.0.0.1:{port}"))
        with pytest.raises(ServerUnreachableError, match="not a LaMa Fill server"):
            shared.connect(other)


def test_pixels_are_encoded_for_the_way(start: Start, folder: Path, certificate: Certificate) -> None:
    """The first fill is, to measure; and on a way as fast as this one the others are not."""
    token = add_user(folder, "anna")
    shared = Shared(start, folder, certificate=certificate)
    with shared.connect(shared.account("anna", token)) as client:
        assert client.welcome.encodings == ("zlib", "zlib-mask")
        for number in range(3):
            fill_with(client, make_fill(width=701, height=503, fillbyte=number + 1))
    with shared.process.connect() as client:
        assert client.welcome.encodings == (), "within one machine nothing is"
