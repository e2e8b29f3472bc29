"""Which kind of autostart this machine has, and what it is to start."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from lama_cli.autostart import discovery_files
from lama_cli.autostart.base import Autostart, Launch, run_command
from lama_cli.autostart.launchd import Launchd
from lama_cli.autostart.systemd import Systemd
from lama_cli.autostart.windows import Windows
from lama_cli.autostart.xdg import XdgAutostart
from lama_core.client.connection import launch
from lama_core.client.places import (
    CACHE_DIR_VARIABLE,
    CONFIG_VARIABLE,
    DATA_DIR_VARIABLE,
    RUNTIME_DIR_VARIABLE,
    home_folder,
    state_folder,
)
from lama_server.settings import load_settings


def autostart_here() -> Autostart:
    """The best kind that works for this user on this machine."""
    if sys.platform == "win32":
        user = f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"
        return Windows(state_folder(), user, run_command)
    if sys.platform == "darwin":
        return Launchd(home_folder() / "Library" / "LaunchAgents", os.getuid(), run_command)
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or home_folder() / ".config")
    if shutil.which("systemctl") and not run_command(["systemctl", "--user", "show-environment"]).returncode:
        return Systemd(configuration / "systemd" / "user", state_folder(), run_command, load_settings().port)
    return XdgAutostart(configuration / "autostart", _start, _stop)


def launch_here() -> Launch:
    """This installation's server, with what this shell has set for it."""
    names = (RUNTIME_DIR_VARIABLE, DATA_DIR_VARIABLE, CONFIG_VARIABLE, CACHE_DIR_VARIABLE)
    environment = {name: os.environ[name] for name in names if os.environ.get(name)} | launch.SAFE_PATH
    return Launch(command=(_python(), "-m", "lama_cli", *launch.SERVE), environment=environment)


def _python() -> str:
    """This Python; on Windows the one that opens no window."""
    python = Path(sys.executable)
    windowless = python.with_name("pythonw.exe")
    return str(windowless if sys.platform == "win32" and windowless.is_file() else python)


def _start() -> None:
    """Start the server as a plug-in would, unless it runs."""
    from lama_core.client.connection import connect

    discovery_files.record_command(state_folder())
    connect(client="lama-fill service").close()


def _stop() -> None:
    from lama_cli.stopping import stop_server

    stop_server()
