"""Downloads, from a web server that does what the worst ones do."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lama_cli import download as module
from lama_cli.download import DownloadError, check_file, download
from lama_core.model import Generator, GeneratorConfig
from lama_server.lock import Lock
from tests.cli.download_server import CONTENT, Request, Web, policy, wanted
from tests.cli.small_disk import small_disk_command


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Web(good=Request.part)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fetch(folder: Path, *mirrors: str, **other: object) -> Path:
    return download(wanted(*mirrors), folder, progress=lambda done, size: None, policy=policy(**other))


def test_a_good_server(web: Web, tmp_path: Path) -> None:
    folder = tmp_path / "Bücher und 絵 " / ("long" * 40)
    said: list[tuple[int, int]] = []
    path = download(
        wanted(web["good"]), folder, progress=lambda done, size: said.append((done, size)), policy=policy()
    )
    assert path == folder / "model.pt"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in folder.iterdir()] == ["model.pt"]
    assert said[0] == (0, len(CONTENT))
    assert said[-1] == (len(CONTENT), len(CONTENT))
    assert said == sorted(said)


def test_what_is_there_is_not_fetched_again(web: Web, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(CONTENT)
    fetch(tmp_path, web["good"])
    assert web.asked == []


def test_an_earlier_try_is_gone_on_with(web: Web, tmp_path: Path) -> None:
    (tmp_path / "model.pt.part").write_bytes(CONTENT[:123_456])
    assert fetch(tmp_path, web["good"]).read_bytes() == CONTENT
    assert web.asked == [("/good", "bytes=123456-")]


def test_a_whole_part_is_only_checked(web: Web, tmp_path: Path) -> None:
    (tmp_path / "model.pt.part").write_bytes(CONTENT)
    assert fetch(tmp_path, web["good"]).read_bytes() == CONTENT
    assert web.asked == []


@pytest.mark.parametrize("left", [b"other" * 1000, b"x" * 400_000], ids=["wrong", "too long"])
def test_a_bad_part_is_thrown_away(web: Web, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "model.pt.part").write_bytes(left)
    assert fetch(tmp_path, web["good"]).read_bytes() == CONTENT
    assert web.asked[-1] == ("/good", None)


def test_a_server_that_cuts_is_asked_for_the_rest(web: Web, tmp_path: Path) -> None:
    web.answers["cuts"] = lambda request: request.part(stop=request.start + 100_000)
    assert fetch(tmp_path, web["cuts"]).read_bytes() == CONTENT
    assert [start for _, start in web.asked] == [None, "bytes=100000-", "bytes=200000-"]


def test_a_server_that_knows_no_ranges_starts_again(web: Web, tmp_path: Path) -> None:
    def whole(request: Request) -> None:
        request.head(200, Content_Length=len(CONTENT))
        request.wfile.write(CONTENT)

    web.answers["whole"] = whole
    (tmp_path / "model.pt.part").write_bytes(b"other" * 1000)
    assert fetch(tmp_path, web["whole"]).read_bytes() == CONTENT
    assert len(web.asked) == 1


def test_a_server_that_falls_silent_is_left_for_the_next(web: Web, tmp_path: Path) -> None:
    def stalls(request: Request) -> None:
        request.part(stop=request.start or 50_000)
        time.sleep(1)

    web.answers["stalls"] = stalls
    assert fetch(tmp_path, web["stalls"], web["good"]).read_bytes() == CONTENT
    assert web.asked[-1] == ("/good", "bytes=50000-"), "the mirror goes on where the first one stopped"


def test_a_server_that_trickles(web: Web, tmp_path: Path) -> None:
    def trickles(request: Request) -> None:
        request.part(stop=request.start + 1)
        for _ in range(20):
            time.sleep(0.05)
            request.wfile.write(b"x")

    web.answers["trickles"] = trickles
    with pytest.raises(DownloadError, match=r"sent only \d+ bytes in 0.2 s"):
        fetch(tmp_path, web["trickles"], slow_seconds=0.2, attempts=2)


def test_wrong_bytes_never_get_the_name(web: Web, tmp_path: Path) -> None:
    web.answers["wrong"] = lambda request: request.part(CONTENT[:-1] + b"?")
    with pytest.raises(DownloadError, match="SHA-256 differs"):
        fetch(tmp_path, web["wrong"])
    assert list(tmp_path.iterdir()) == []
    assert fetch(tmp_path, web["wrong"], web["good"]).read_bytes() == CONTENT


@pytest.mark.parametrize("size", [10, 10**15])
def test_a_file_of_another_size_is_refused_unread(web: Web, tmp_path: Path, size: int) -> None:
    web.answers["lies"] = lambda request: request.head(200, Content_Length=size)
    with pytest.raises(DownloadError, match=rf"has a file of {size} bytes, not 300000"):
        fetch(tmp_path, web["lies"])


def test_a_body_without_end_is_not_written(web: Web, tmp_path: Path) -> None:
    def endless(request: Request) -> None:
        request.head(200)
        while True:
            request.wfile.write(CONTENT)

    web.answers["endless"] = endless
    with pytest.raises(DownloadError, match="sent more than the 300000 bytes"):
        fetch(tmp_path, web["endless"])
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= len(CONTENT)


def test_another_part_than_asked_for(web: Web, tmp_path: Path) -> None:
    web.answers["other"] = lambda request: request.head(206, Content_Range="bytes 0-9/10", Content_Length=10)
    (tmp_path / "model.pt.part").write_bytes(CONTENT[:1000])
    with pytest.raises(DownloadError, match="another part"):
        fetch(tmp_path, web["other"])
    assert (tmp_path / "model.pt.part").read_bytes() == CONTENT[:1000]


def test_redirects(web: Web, tmp_path: Path) -> None:
    web.answers["moved"] = lambda request: request.head(302, Location=web["good"])
    web.answers["round"] = lambda request: request.head(302, Location=web["round"])
    web.answers["ftp"] = lambda request: request.head(302, Location="ftp://127.0.0.1/x")
    web.answers["file"] = lambda request: request.head(302, Location="file:///etc/passwd")
    assert fetch(tmp_path / "a", web["moved"]).read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="that is not followed"):
        fetch(tmp_path / "b", web["round"])
    with pytest.raises(DownloadError, match="not https"):
        fetch(tmp_path / "b", web["ftp"])
    with pytest.raises(DownloadError, match="that is not followed"):
        fetch(tmp_path / "b", web["file"])


def test_a_redirect_to_what_is_no_address(web: Web, tmp_path: Path) -> None:
    web.answers["broken"] = lambda request: request.head(302, Location="http://[::1/", Content_Length=0)
    with pytest.raises(DownloadError, match="no address"):
        fetch(tmp_path, web["broken"])


def test_preliminary_answers_without_end(web: Web, tmp_path: Path) -> None:
    def waits(request: Request) -> None:
        for _ in range(400):
            request.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            time.sleep(0.01)

    web.answers["waits"] = waits
    with pytest.raises(DownloadError, match="fell silent"):
        fetch(tmp_path, web["waits"], attempts=1, silence=0.2)


@pytest.mark.parametrize(
    "line", [b"\x1b[2Jbanana\r\n\r\n", b"HTTP/1.1 500 \x1b[2J\r\nContent-Length: 0\r\n\r\n"]
)
def test_what_a_server_says_is_shown_by_its_escapes(web: Web, tmp_path: Path, line: bytes) -> None:
    web.answers["says"] = lambda request: request.wfile.write(line)
    with pytest.raises(DownloadError) as caught:
        fetch(tmp_path, web["says"], attempts=1)
    assert str(caught.value).isprintable()


def test_only_https_unless_a_test_says_otherwise(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="not an https address"):
        download(wanted(web["good"]), tmp_path, progress=lambda done, size: None)
    assert web.asked == []


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (403, 1), (503, 3), (429, 3)])
def test_refusals(web: Web, tmp_path: Path, status: int, tries: int) -> None:
    web.answers["no"] = lambda request: request.head(status, Content_Length=0)
    with pytest.raises(DownloadError, match=f"answered {status}") as caught:
        fetch(tmp_path, web["no"])
    assert len(web.asked) == tries
    assert "\n" not in str(caught.value)
    assert "--file" in str(caught.value)


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="Connection refused"):
        fetch(tmp_path, "http://127.0.0.1:9/x")


def test_what_has_come_is_kept_and_said(web: Web, tmp_path: Path) -> None:
    web.answers["dies"] = lambda request: request.part(stop=request.start or 200_000)
    with pytest.raises(DownloadError, match=r"stopped after 200000 of 300000 bytes\); 0 MB are kept"):
        fetch(tmp_path, web["dies"])
    assert (tmp_path / "model.pt.part").read_bytes() == CONTENT[:200_000]


def test_through_a_proxy(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{web.server_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert fetch(tmp_path, "http://models.example/good").read_bytes() == CONTENT
    assert web.asked == [("http://models.example/good", None)]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate with openssl")
def test_a_certificate_has_to_be_trusted(web: Web, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    address = web["good"].replace("http:", "https:")
    with pytest.raises(DownloadError, match="certificate is not trusted"):
        fetch(tmp_path, address, schemes=frozenset({"https"}))
    trusting = ssl.create_default_context(cafile=str(certificate))
    path = fetch(tmp_path, address, schemes=frozenset({"https"}), tls=trusting)
    assert path.read_bytes() == CONTENT


def test_two_at_once(web: Web, tmp_path: Path) -> None:
    lock = Lock(tmp_path / "model.pt.lock")
    assert lock.acquire()
    with pytest.raises(DownloadError, match="by another process"):
        fetch(tmp_path, web["good"])
    lock.release()


def test_no_room(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=500_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match=r"0 MB free, and 1 MB are needed: make room.*--folder"):
        download(
            wanted(web["good"]),
            tmp_path,
            progress=lambda done, size: None,
            policy=policy(),
            room_after=300_000,
        )
    assert web.asked == []


def _fetch_with_small_files(folder: Path, address: str) -> None:
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        fetch(folder, address)
    except DownloadError as error:
        (folder / "said").write_text(str(error))


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_disk_that_is_full_in_the_midst(web: Web, tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=_fetch_with_small_files, args=(tmp_path, web["good"])
    )
    process.start()
    process.join(20)
    assert "is full: make room and run it again" in (tmp_path / "said").read_text()
    assert 0 < (tmp_path / "model.pt.part").stat().st_size <= 100_000
    assert fetch(tmp_path, web["good"]).read_bytes() == CONTENT
    assert web.asked[-1][1] is not None, "goes on with what was kept"


@pytest.fixture
def small_disk(tmp_path: Path) -> list[str]:
    """The beginning of a command that runs with a disk of 1 MiB mounted at `tmp_path/disk`, for it alone."""
    disk = tmp_path / "disk"
    disk.mkdir()
    return small_disk_command(disk)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_small_disk(web: Web, tmp_path: Path, small_disk: list[str]) -> None:
    """A real one: full in the midst of a download, too small for one, too small for an import."""
    content = random.Random(2).randbytes(900_000)
    web.answers["large"] = lambda request: request.part(content)
    weights = tmp_path / "large.pt"
    torch.save(Generator(GeneratorConfig(width=24, blocks=2)).state_dict(), weights)
    script = Path(__file__).with_name("on_a_small_disk.py")
    digest = hashlib.sha256(content).hexdigest()
    arguments = [str(tmp_path / "disk"), web["large"], str(len(content)), digest, str(weights)]
    done = subprocess.run(
        [*small_disk, sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    downloaded, imported = said["download"], said["import"]
    assert f"the disk of {tmp_path / 'disk' / 'models'} is full: make room" in downloaded["said"]
    assert list(downloaded["left"]) == ["model.pt.part"]
    assert 0 < downloaded["left"]["model.pt.part"] < len(content)
    assert downloaded["again"] == len(content)
    assert web.asked[-1][1] == f"bytes={downloaded['left']['model.pt.part']}-", "goes on with what was kept"
    assert "1 MB free, and 2 MB are needed: make room" in said["no room"]
    assert weights.stat().st_size > 1 << 20
    assert (imported["status"], imported["left"]) == (2, [])
    assert imported["said"].count("\n") == 1
    assert "make room" in imported["said"]


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="cannot be used"):
        fetch(tmp_path / "file", "http://127.0.0.1:9/x")


def test_a_file_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "by hand.pt"
    path.write_bytes(CONTENT)
    check_file(path, wanted())
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match="299999 bytes of 300000"):
        check_file(path, wanted())
    with pytest.raises(DownloadError, match="No such file"):
        check_file(tmp_path / "none", wanted())
