"""TLS over a socket that one thread reads from while another one writes to it.

Python's own `ssl.SSLSocket` must not be used so before Python 3.13: both calls work on one TLS state without
a lock, and now and then what was written is lost.
"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Final

_CHUNK: Final = 1 << 16


class TlsSocket:
    """As much of a socket as a websocket needs: `recv` in one thread, everything else in any."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Shake hands over a connected socket, whose timeout holds.

        Raises:
            ssl.SSLError: the other side is not what the context asks for.
            OSError: the connection ended.
        """
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._state = threading.Lock()
        # What was encrypted has to go out in that order.
        self._order = threading.Lock()
        while not self._is_greeted():
            self._take(self._plain.recv(_CHUNK))

    def _is_greeted(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._flush()
        return True

    def certificate(self) -> bytes:
        """The certificate that the other side has shown, DER."""
        return self._tls.getpeercert(binary_form=True) or b""

    def recv(self, size: int) -> bytes:
        """As of a socket, but all that has come, whatever `size`: select does not see what waits in here.

        b"" is the end, however it came.
        """
        while True:
            with self._state:
                found, ended = self._decrypted()
                pending = self._outgoing.pending > 0
            if pending:
                self._flush()
            if found or ended:
                return found
            data = self._plain.recv(_CHUNK)
            with self._state:
                self._take(data)

    def _decrypted(self) -> tuple[bytes, bool]:
        """What there is to read, and whether nothing more will come."""
        parts: list[bytes] = []
        try:
            while True:
                part = self._tls.read(_CHUNK)
                if not part:
                    return b"".join(parts), True
                parts.append(part)
        except ssl.SSLWantReadError:
            return b"".join(parts), False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b"".join(parts), True

    def _take(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def sendall(self, data: bytes) -> None:
        """As of a socket."""
        view = memoryview(data).cast("B")
        with self._order:
            while view:
                with self._state:
                    written = self._tls.write(view[:_CHUNK])
                    encrypted = self._outgoing.read()
                self._plain.sendall(encrypted)
                view = view[written:]

    def _flush(self) -> None:
        with self._order:
            with self._state:
                encrypted = self._outgoing.read()
            if encrypted:
                self._plain.sendall(encrypted)

    # The rest is the socket's own.

    @property
    def family(self) -> int:
        return self._plain.family

    def settimeout(self, seconds: float | None) -> None:
        self._plain.settimeout(seconds)

    def setsockopt(self, level: int, name: int, value: int) -> None:
        self._plain.setsockopt(level, name, value)

    def getsockname(self) -> object:
        return self._plain.getsockname()

    def getpeername(self) -> object:
        return self._plain.getpeername()

    def fileno(self) -> int:
        return self._plain.fileno()

    def shutdown(self, how: int) -> None:
        self._plain.shutdown(how)

    def close(self) -> None:
        self._plain.close()
