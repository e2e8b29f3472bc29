"""The listening socket that systemd made and passes on, by the rules of sd_listen_fds(3)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping

from lama_core.client.protocol.auth import LOOPBACK
from lama_server.app import PortError

_FIRST = 3


def take_passed_socket(environ: MutableMapping[str, str]) -> socket.socket | None:
    """The socket that was passed to this very process; None when none was.

    What says so is taken out of `environ`, so that no child takes the socket for its own.

    Raises:
        PortError: what was passed is not one listening socket on the loopback address.
    """
    process, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    environ.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not count.isdigit() or int(count) == 0:
        return None
    problem = PortError(
        f"what systemd passed is not one listening socket on {LOOPBACK}: see lama-fill.socket"
    )
    if int(count) != 1:
        raise problem
    try:
        passed = socket.socket(fileno=_FIRST)
    except OSError:
        raise problem from None
    listening = passed.type == socket.SOCK_STREAM and passed.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    )
    if passed.family != socket.AF_INET or not listening or passed.getsockname()[0] != LOOPBACK:
        passed.close()
        raise problem
    passed.set_inheritable(False)
    return passed


def drain(passed: socket.socket) -> None:
    """Close the connections that wait at a socket that this process does not serve after all.

    Else systemd would see them, and start the server again and again.
    """
    passed.setblocking(False)
    with passed, contextlib.suppress(OSError):
        while True:
            passed.accept()[0].close()
