"""Something on a port that speaks before it is asked, as SSH, FTP and SMTP do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from websockets.client import ClientProtocol
from websockets.http11 import Request


@contextlib.contextmanager
def speaking_first() -> Iterator[int]:
    """Its port. What it says is read before the request is sent, which is otherwise a race."""
    connect = ClientProtocol.connect

    def late(protocol: ClientProtocol) -> Request:
        time.sleep(0.3)
        return connect(protocol)

    over = threading.Event()

    def run(listener: socket.socket) -> None:
        with listener.accept()[0] as peer:
            peer.sendall(b"SSH-2.0-x\r\n")
            over.wait(30)  # not even when the client has ended its half

    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listener:
        patch.setattr(ClientProtocol, "connect", late)
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()
