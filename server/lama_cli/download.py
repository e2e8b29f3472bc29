"""Fetching one large file whose size and SHA-256 are known beforehand.

What is on the disk when a download breaks off is kept as `NAME.part` and gone on with later, from whichever
mirror: they all have the same bytes. The file gets its name only after its hash was found right. Nothing that
a server says makes more be written than the file is large.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import IO, cast

from lama_core.client.errors import LamaFillError
from lama_core.client.files import hash_file, make_own_folder
from lama_core.client.text import one_line
from lama_server import __version__
from lama_server.lock import Lock

Progress = Callable[[int, int], None]
"""Told the bytes that are there and the bytes of the whole file."""

_CHUNK = 1 << 18
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_MB = 1e6
MAX_REASON = 200
"""Characters of what a server says that are shown."""


class DownloadError(LamaFillError):
    """A file could not be fetched; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The file, as it has to be."""

    name: str
    size: int
    sha256: str
    mirrors: tuple[str, ...]
    """Addresses, tried in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is put up with. Times in seconds."""

    schemes: frozenset[str] = frozenset({"https"})
    """Of every address, also of those that a server sends us on to."""
    tls: ssl.SSLContext | None = None
    """What is trusted; None: what the system trusts."""
    silence: float = 30.0
    """Time without one byte after which a connection counts as dead."""
    slow_seconds: float = 60.0
    slow_bytes: int = 60_000
    """What `slow_seconds` must bring at least."""
    attempts: int = 3
    """Tries in a row that bring nothing before the next mirror's turn."""
    pause: float = 1.0
    """Before a second try; doubled for each one after."""
    sleep: Callable[[float], None] = field(default=time.sleep)


class _RefusedError(Exception):
    """This mirror is of no use: no second try."""


class _BrokenError(Exception):
    """The transfer broke off: what has come is good to go on with."""


def download(
    wanted: Wanted,
    folder: Path,
    *,
    progress: Progress,
    policy: Policy | None = None,
    room_after: int = 0,
) -> Path:
    """Fetch a file into a folder, which is made, and return where it is.

    Goes on with what an earlier try left. Proxies are those of the environment or the system.
    `room_after`: bytes that must stay free on the disk for what is done with the file.

    Raises:
        DownloadError: no mirror gave the right bytes, or the disk has no room; what has come is kept.
    """
    policy = policy or Policy()
    target = folder / wanted.name
    part = folder / f"{wanted.name}.part"
    try:
        make_own_folder(folder)
        if _is_right(target, wanted):
            return target
        lock = Lock(folder / f"{wanted.name}.lock")
        if not lock.acquire():
            raise DownloadError(f"{wanted.name} is being downloaded by another process: wait for it")
        try:
            _check_room(part, wanted, room_after)
            opener = _opener(policy)
            fetching = _Download(wanted=wanted, part=part, progress=progress, policy=policy, opener=opener)
            fetching.fetch()
            os.replace(part, target)
        finally:
            lock.release()
    except OSError as error:
        raise _disk_error(error, folder) from error
    return target


def check_file(path: Path, wanted: Wanted) -> None:
    """Compare a file that was fetched in another way.

    Raises:
        DownloadError: it is not there, or another file.
    """
    try:
        right = _is_right(path, wanted)
        size = path.stat().st_size
    except OSError as error:
        raise DownloadError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not right:
        raise DownloadError(
            f"{path} is not the known {wanted.name}: it has {size} bytes of {wanted.size}, or other ones; "
            "fetch it again, or install it as a model of your own with `lama-fill models import`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Download:
    """One file on its way: what it is, where it grows, and how it is fetched."""

    wanted: Wanted
    part: Path
    progress: Progress
    policy: Policy
    opener: urllib.request.OpenerDirector

    def fetch(self) -> None:
        """Have the whole file, right, as `part`, from the first mirror that gives it.

        Raises:
            DownloadError: none does; what has come is kept.
        """
        reasons = []
        for address in self.wanted.mirrors:
            try:
                self._fetch_from(address)
            except (_RefusedError, _BrokenError) as error:  # noqa: PERF203 - the next mirror's turn
                reasons.append(f"{urllib.parse.urlsplit(address).hostname}: {error}")
            else:
                return
        kept = self._kept()
        again = f"; {kept / _MB:.0f} MB are kept, run it again to go on" if kept else ""
        raise DownloadError(
            f"{self.wanted.name} could not be downloaded ({'; '.join(reasons)}){again}; or fetch it with a "
            f"browser from {self.wanted.mirrors[0]} and give it with --file"
        )

    def _kept(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _fetch_from(self, address: str) -> None:
        policy = self.policy
        in_vain = 0
        fresh = False  # whether every byte of the part came from this address
        while True:
            before = self._kept()
            fresh = fresh or before == 0
            try:
                if before < self.wanted.size:
                    self._transfer(address, before)
            except _BrokenError:
                in_vain = 0 if self._kept() - before >= policy.slow_bytes else in_vain + 1
                if in_vain >= policy.attempts:
                    raise
                policy.sleep(policy.pause * 2**in_vain)
                continue
            if _is_right(self.part, self.wanted):
                return
            self.part.unlink()
            if fresh:
                raise _RefusedError("sent other bytes than it should (SHA-256 differs)")

    def _transfer(self, address: str, start: int) -> None:
        """Append to the part what is missing of it."""
        if urllib.parse.urlsplit(address).scheme not in self.policy.schemes:
            raise _RefusedError("is not an https address")
        headers = {"User-Agent": f"lama-fill/{__version__}", "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        request = urllib.request.Request(address, headers=headers)
        try:
            with self.opener.open(request, timeout=self.policy.silence) as response:
                start = _start_of(response.status, response.headers, start, self.wanted)
                with self.part.open("r+b" if start else "wb") as file:
                    file.truncate(start)
                    file.seek(start)
                    self._copy(response, file, start)
                    file.flush()
                    os.fsync(file.fileno())
        except urllib.error.HTTPError as error:
            if 300 <= error.code < 400:
                raise _RefusedError("sends us on to an address that is not followed") from error
            # Asked for later or not at all: the first may pass, the second will not.
            kind = _BrokenError if error.code in (408, 429) or error.code >= 500 else _RefusedError
            raise kind(f"answered {error.code} {one_line(str(error.reason), MAX_REASON)}") from error
        except urllib.error.URLError as error:
            raise _network_error(error.reason) from error
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _network_error(error) from error
        except ValueError as error:  # of an address in a redirect, which nothing has checked
            raise _RefusedError("sends us on to what is no address") from error

    def _copy(self, response: http.client.HTTPResponse, file: IO[bytes], start: int) -> None:
        done, size, policy = start, self.wanted.size, self.policy
        self.progress(done, size)
        window, window_bytes = time.monotonic(), 0
        # One byte more than is missing would be read as a sign of a wrong file.
        while chunk := _read(response, min(_CHUNK, size - done + 1)):
            if done + len(chunk) > size:
                raise _RefusedError(f"sent more than the {size} bytes of the file")
            file.write(chunk)
            done += len(chunk)
            window_bytes += len(chunk)
            self.progress(done, size)
            if time.monotonic() - window > policy.slow_seconds:
                if window_bytes < policy.slow_bytes:
                    raise _BrokenError(f"sent only {window_bytes} bytes in {policy.slow_seconds:g} s")
                window, window_bytes = time.monotonic(), 0
        if done < size:
            raise _BrokenError(f"stopped after {done} of {size} bytes")


def _read(response: http.client.HTTPResponse, most: int) -> bytes:
    try:
        return response.read1(most)
    except (http.client.HTTPException, OSError) as error:
        raise _network_error(error) from error


def _start_of(status: int, headers: Message, asked: int, wanted: Wanted) -> int:
    """Where in the file the body begins."""
    length = headers.get("Content-Length", "")
    if status == http.HTTPStatus.PARTIAL_CONTENT:
        if headers.get("Content-Range", "") != f"bytes {asked}-{wanted.size - 1}/{wanted.size}":
            raise _RefusedError("sent another part of another file")
        return asked
    if status != http.HTTPStatus.OK:
        raise _RefusedError(f"answered {status}")
    if length.isdigit() and int(length) != wanted.size:
        raise _RefusedError(f"has a file of {length} bytes, not {wanted.size}")
    return 0


def _network_error(reason: object) -> _RefusedError | _BrokenError:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return _RefusedError(
            f"its certificate is not trusted ({reason.verify_message}); behind a company's proxy, set "
            "SSL_CERT_FILE to the company's certificates"
        )
    if isinstance(reason, TimeoutError):
        return _BrokenError("fell silent")
    if isinstance(reason, OSError) and reason.strerror:
        return _BrokenError(reason.strerror)
    return _BrokenError(one_line(str(reason), MAX_REASON) or type(reason).__name__)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, and none to another kind of address."""

    max_redirections = 5
    max_repeats = 1

    def __init__(self, schemes: frozenset[str]) -> None:
        self._schemes = schemes

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(newurl).scheme not in self._schemes:
            raise _RefusedError("sends us on to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _getting_answers_in_time(kind: type[http.client.HTTPConnection]) -> type[http.client.HTTPConnection]:
    """Connections whose time limit is also that of a whole answer's head.

    http.client's limit is for each byte, and it reads preliminary answers as long as they come.
    """

    class Connection(kind):  # type: ignore[misc, valid-type]
        def getresponse(self) -> http.client.HTTPResponse:
            late = threading.Event()

            def end(connected: socket.socket) -> None:
                late.set()
                with contextlib.suppress(OSError):
                    # Past TLS, which would be in use by the thread that reads.
                    socket.socket.shutdown(connected, socket.SHUT_RDWR)

            timer = threading.Timer(self.timeout, end, [self.sock])
            timer.daemon = True
            timer.start()
            try:
                return cast("http.client.HTTPResponse", super().getresponse())
            except (http.client.HTTPException, OSError) as error:
                if late.is_set():
                    raise TimeoutError from error
                raise
            finally:
                timer.cancel()

    return Connection


class _HTTPHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_getting_answers_in_time(http.client.HTTPConnection), req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._trusted = context

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        kind = _getting_answers_in_time(http.client.HTTPSConnection)
        return self.do_open(kind, req, context=self._trusted)


def _opener(policy: Policy) -> urllib.request.OpenerDirector:
    """Opens web addresses alone: no file:, ftp: or data:, whatever a redirect says."""
    opener = urllib.request.OpenerDirector()
    handlers: Sequence[urllib.request.BaseHandler] = (
        urllib.request.ProxyHandler(),
        urllib.request.ProxyBasicAuthHandler(),
        _HTTPHandler(),
        _HTTPSHandler(policy.tls or ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(policy.schemes),
    )
    for handler in handlers:
        opener.add_handler(handler)
    return opener


def _check_room(part: Path, wanted: Wanted, room_after: int) -> None:
    there = part.stat().st_size if part.is_file() else 0
    needed = max(0, wanted.size - there) + room_after
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise DownloadError(
            f"the disk of {part.parent} has {free / _MB:.0f} MB free, and {needed / _MB:.0f} MB are needed: "
            "make room, or choose another folder with --folder"
        )


def _disk_error(error: OSError, folder: Path) -> DownloadError:
    if error.errno in _FULL:
        return DownloadError(
            f"the disk of {folder} is full: make room and run it again, or choose another folder with "
            "--folder; what has come is kept"
        )
    return DownloadError(f"{error.filename or folder}: cannot be used ({error.strerror or error})")


def _is_right(path: Path, wanted: Wanted) -> bool:
    if not path.is_file() or path.stat().st_size != wanted.size:
        return False
    return hash_file(path) == wanted.sha256
