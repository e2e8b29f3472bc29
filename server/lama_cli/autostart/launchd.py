"""launchd on macOS: an agent of the user's own, started at login."""

from __future__ import annotations

import plistlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lama_cli.autostart.base import (
    MARK,
    STAY,
    Launch,
    Run,
    State,
    demand,
    is_ours,
    remove_ours,
    write_ours,
)

LABEL = "lama-fill.server"
_TRIES, _PAUSE = 20, 0.5


class Launchd:
    """One property list in ~/Library/LaunchAgents."""

    kind = "launchd"

    def __init__(
        self, agents: Path, user: int, run: Run, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`agents`: the folder of the user's agents. `user`: the number of the user."""
        self._file = agents / f"{LABEL}.plist"
        self._domain = f"gui/{user}"
        self._run = run
        self._sleep = sleep

    def plan(self, launch: Launch) -> Mapping[Path, bytes]:
        """The property list."""
        content = plistlib.dumps(
            {
                "Label": LABEL,
                "ProgramArguments": [*launch.command, *STAY],
                "EnvironmentVariables": dict(launch.environment),
                "RunAtLoad": True,
                # Again after a crash, not after `lama-fill stop`.
                "KeepAlive": {"SuccessfulExit": False},
                "ThrottleInterval": 30,
            }
        )
        return {self._file: content.replace(b"<plist ", f"<!-- {MARK} -->\n<plist ".encode(), 1)}

    def install(self, launch: Launch) -> None:
        write_ours(self.plan(launch))
        self._run(["launchctl", "bootout", f"{self._domain}/{LABEL}"])
        self.start()

    def uninstall(self) -> bool:
        if not is_ours(self._file):
            return False
        self._run(["launchctl", "bootout", f"{self._domain}/{LABEL}"])
        return remove_ours([self._file])

    def state(self) -> State:
        if not is_ours(self._file):
            return State(
                installed=False, active=False, about="not set up; set it up with `lama-fill service install`"
            )
        active = self._is_loaded()
        about = "starts the server at login" if active else "not loaded; run `lama-fill service start`"
        return State(installed=True, active=active, about=about)

    def start(self) -> None:
        if self._is_loaded():
            demand(self._run, "launchctl", "kickstart", f"{self._domain}/{LABEL}")
            return
        command = ("launchctl", "bootstrap", self._domain, str(self._file))
        # After a bootout it is refused until the old process is gone.
        for _ in range(_TRIES):
            if self._run(command).returncode == 0:
                return
            self._sleep(_PAUSE)
        demand(self._run, *command)

    def _is_loaded(self) -> bool:
        return self._run(["launchctl", "print", f"{self._domain}/{LABEL}"]).returncode == 0

    def stop(self) -> None:
        demand(self._run, "launchctl", "bootout", f"{self._domain}/{LABEL}")
