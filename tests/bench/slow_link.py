"""`python slow_link.py PORT BITS`: a way to a port of this machine that carries so many bits a second.

Prints the port that it listens on. Both directions have that rate, as a cable's have, and nothing is late
or lost. Ends with its standard input.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time

_CHUNK = 16 * 1024
_BUFFER = 128 * 1024
"""Bytes of the sockets' own buffers, so that what is on the way is not hidden in them."""


class _Direction:
    """Carries bytes at a rate; all connections share it."""

    def __init__(self, bits: float) -> None:
        self._seconds_per_byte = 8 / bits
        self._free_from = 0.0
        self._lock = threading.Lock()

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                with self._lock:
                    begin = max(time.monotonic(), self._free_from)
                    self._free_from = begin + len(data) * self._seconds_per_byte
                    until = self._free_from
                time.sleep(max(0.0, until - time.monotonic()))
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def main(port: int, bits: float) -> None:
    """Carry until the process is ended."""
    there, back = _Direction(bits), _Direction(bits)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        print(listener.getsockname()[1], flush=True)
        while True:
            client = listener.accept()[0]
            server = socket.create_connection(("127.0.0.1", port))
            for each in (client, server):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for way, source, sink in ((there, client, server), (back, server, client)):
                threading.Thread(target=way.carry, args=(source, sink), daemon=True).start()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    main(int(sys.argv[1]), float(sys.argv[2]))
