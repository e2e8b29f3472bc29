"""systemd's user manager: a socket that it holds, and a service that it starts at a connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lama_cli.autostart import discovery_files
from lama_cli.autostart.base import MARK, Launch, Run, State, demand, is_ours, remove_ours, write_ours

SOCKET, SERVICE = "lama-fill.socket", "lama-fill.service"

# systemd takes no program whose path has a quote in it, and people are called O'Brien. The shell is replaced
# by the program, which so keeps the process number that the socket is passed to.
_SHELL = """/bin/sh -c 'exec "$$0" "$$@"'"""


class Systemd:
    """A socket unit and a service unit of the user's own. Nothing runs before the first fill."""

    kind = "systemd"

    def __init__(self, units: Path, state_folder: Path, run: Run, port: int = 0) -> None:
        """`units`: the folder of the user's units. `port`: to hold; 0: any free one, chosen once."""
        self._socket, self._service = units / SOCKET, units / SERVICE
        self._state_folder = state_folder
        self._run = run
        self._port = port

    def plan(self, launch: Launch) -> Mapping[Path, bytes]:
        """The two units."""
        port = self._port or self._chosen_port()
        if not port or not (self._port or self._is_active() or discovery_files.is_free(port)):
            port = discovery_files.free_port()
        socket = [
            f"# {MARK}",
            "[Unit]",
            "Description=LaMa Fill: starts the server when an editor asks for it",
            "",
            "[Socket]",
            f"ListenStream=127.0.0.1:{port}",
            "",
            "[Install]",
            "WantedBy=sockets.target",
        ]
        service = [
            f"# {MARK}",
            "[Unit]",
            "Description=LaMa Fill: the server that fills",
            f"Requires={SOCKET}",
            f"After={SOCKET}",
            "",
            "[Service]",
            "Type=exec",
            "ExecStart=" + " ".join([_SHELL, *(quoted(word, command=True) for word in launch.command)]),
            *(f"Environment={quoted(f'{name}={value}')}" for name, value in launch.environment.items()),
            "NoNewPrivileges=yes",
            "TimeoutStopSec=15",
        ]
        return {
            self._socket: "\n".join([*socket, ""]).encode(),
            self._service: "\n".join([*service, ""]).encode(),
        }

    def install(self, launch: Launch) -> None:
        files = self.plan(launch)
        write_ours(files)
        demand(self._run, "systemctl", "--user", "daemon-reload")
        demand(self._run, "systemctl", "--user", "enable", SOCKET)
        # A socket cannot be had again while its service runs with it; the service goes on with the new one
        # at the next connection.
        self._run(["systemctl", "--user", "stop", SOCKET, SERVICE])
        self.start()
        discovery_files.write_door(self._state_folder, self._chosen_port())

    def uninstall(self) -> bool:
        if not (is_ours(self._socket) or is_ours(self._service)):
            return False
        self._run(["systemctl", "--user", "disable", "--now", SOCKET])
        self._run(["systemctl", "--user", "stop", SERVICE])
        removed = remove_ours([self._socket, self._service])
        self._run(["systemctl", "--user", "daemon-reload"])
        discovery_files.remove_door(self._state_folder)
        return removed

    def state(self) -> State:
        if not is_ours(self._socket) or not is_ours(self._service):
            return State(
                installed=False, active=False, about="not set up; set it up with `lama-fill service install`"
            )
        active = self._is_active()
        about = f"waits for a connection to port {self._chosen_port()}"
        if not active:
            about = f"not active; see `systemctl --user status {SOCKET}`, then `lama-fill service start`"
        return State(installed=True, active=active, about=about)

    def start(self) -> None:
        self._run(["systemctl", "--user", "reset-failed", SOCKET, SERVICE])
        demand(self._run, "systemctl", "--user", "start", SOCKET)

    def stop(self) -> None:
        demand(self._run, "systemctl", "--user", "stop", SOCKET, SERVICE)

    def _is_active(self) -> bool:
        return self._run(["systemctl", "--user", "is-active", SOCKET]).returncode == 0

    def _chosen_port(self) -> int:
        """What our socket unit says; 0 when there is none."""
        if not is_ours(self._socket):
            return 0
        found = re.search(r"^ListenStream=127\.0\.0\.1:(\d{1,5})$", self._socket.read_text(), re.MULTILINE)
        return int(found.group(1)) if found else 0


def quoted(word: str, *, command: bool = False) -> str:
    """A word as systemd reads it back: `%` begins a specifier, and in a `command` line `$` a variable."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return '"' + (word.replace("$", "$$") if command else word) + '"'
