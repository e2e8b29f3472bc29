"""The process in the cluster, by itself."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from lama_server.cluster.engine import GATEWAY_COMMAND
from lama_server.cluster.head import GONE_SECONDS
from lama_server.ipc import HEADER_BYTES, body_length, unpack_message
from tests.server.cluster.cluster import PROJECT

pytest.importorskip("ray", reason="needs ray: pip install 'lama-fill[ray]'")


def test_a_head_that_goes_while_it_is_connected_to(tmp_path: Path) -> None:
    """Ray would wait for it for minutes, and every fill with it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        gateway = subprocess.Popen(
            [*GATEWAY_COMMAND, "--address", address, "--parent", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        dialled = listener.accept()[0]
        connected = listener.accept()[0]
    dialled.close()
    connected.close()
    try:
        answer, _ = gateway.communicate(timeout=GONE_SECONDS + 60)
    finally:
        gateway.kill()
    message = unpack_message(answer[HEADER_BYTES : HEADER_BYTES + body_length(answer[:HEADER_BYTES])])
    assert message["type"] == "unreachable"
    assert f"no Ray cluster answers at {address}" in message["message"]
    assert "start its head (ray start --head)" in message["message"]
    assert gateway.returncode == 1
