"""A shared server behind nginx: a path of its own, TLS that ends at the proxy, connections that are quiet."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lama_core.client.connection import TokenRefusedError
from lama_core.client.connection.server_address import parse_address
from lama_core.client.protocol import auth
from tests.server.harness import fill_with, make_fill, wait_until
from tests.server.shared_harness import Authority, Certificate, Shared, Start, add_user

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not there: apt install nginx-light")

IDLE_SECONDS = 60
"""In place of the 60 s that proxies have; the server's pings come as much more often."""

Proxy = Callable[[str], int]


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """Starts nginx with a `location`; returns its port. TLS is by `certificate`."""
    folder = tmp_path / "nginx"
    (folder / "tls").mkdir(parents=True)
    started: list[subprocess.Popen[bytes]] = []
    certificate = Authority(folder / "tls").issue("127.0.0.1")

    def begin(location: str) -> int:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"""
            daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
            events {{}}
            http {{
                access_log off; {temporary}
                server {{
                    listen 127.0.0.1:{port} ssl;
                    ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};
                    location /lama-fill/ {{
                        {location}
                        proxy_http_version 1.1;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection "upgrade";
                        proxy_set_header X-Forwarded-For $remote_addr;
                        proxy_read_timeout {IDLE_SECONDS}s;
                        proxy_buffering off;
                    }}
                }}
            }}
            """
        )
        assert NGINX is not None
        started.append(
            subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)], cwd=folder)
        )

        def answers() -> bool:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                return False
            return True

        wait_until(answers, seconds=20, what="nginx")
        return port

    begin.certificate = certificate  # type: ignore[attr-defined]
    yield begin
    for process in started:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("passes_prefix_on", [False, True])
def test_fills_go_through_a_proxy(start: Start, tmp_path: Path, proxy: Proxy, passes_prefix_on: bool) -> None:
    """As docs/shared-server.md has it for nginx; and with the path passed on, as Traefik does it."""
    folder = tmp_path / "run"
    token = add_user(folder, "anna")
    prefix = ("--path-prefix", "/lama-fill") if passes_prefix_on else ()
    shared = Shared(start, folder, *prefix)
    end = "" if passes_prefix_on else "/"
    port = proxy(f"proxy_pass http://127.0.0.1:{shared.port}{end};")
    certificate: Certificate = proxy.certificate  # type: ignore[attr-defined]
    account = replace(
        shared.account("anna", token),
        address=parse_address(f"wss://127.0.0.1:{port}/lama-fill"),
        fingerprint=certificate.fingerprint,
    )
    with shared.connect(account) as client:
        fill_with(client, make_fill(width=900, height=700))
        connection = client._connection
        if passes_prefix_on:
            return
        # Quiet for longer than the proxy suffers: pings keep it open.
        time.sleep(2 * IDLE_SECONDS)
        fill_with(client, make_fill())
        assert client._connection is connection, "the same one, never made again"
        # And a fill that says nothing of its own for as long.
        fill_with(client, make_fill(milliseconds=2000 * IDLE_SECONDS))
    with pytest.raises(TokenRefusedError):
        shared.connect(replace(account, token=auth.new_token()))
    assert json.loads(shared.audit().splitlines()[0])["address"] == "127.0.0.1"
