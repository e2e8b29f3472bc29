"""The checks. Each one looks at one thing, and says either how it is or what to do."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lama_cli.autostart.discovery_files import record_command
from lama_core.client.connection import connect
from lama_core.client.connection.launch import SAFE_PATH
from lama_core.client.errors import LamaFillError
from lama_core.client.places import state_folder
from lama_core.client.protocol.auth import LOOPBACK
from lama_core.client.protocol.messages import Fill
from lama_server import __version__
from lama_server.instance import find_server
from lama_server.settings import Settings, config_path, load_settings

_DEVICE_SECONDS = 180.0
_ROOM = 500e6
"""Bytes that a downloaded model takes, twice over while it is installed."""
_SIDE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one thing is."""

    name: str
    about: str
    remedy: str = ""
    """What to do; empty when all is well."""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy


def examine(*, fill: bool = True) -> Iterator[Finding]:
    """One finding after the other, the causes of others first.

    `fill`: also start the server, if it does not run, and have it fill a hole.
    """
    yield _environment()
    settings = Settings()
    try:
        settings = load_settings()
        path, _ = config_path(os.environ)
        yield Finding(name="settings", about=f"{path}{'' if path.exists() else ' (there is none)'}")
    except LamaFillError as error:
        yield Finding(name="settings", about=str(error), remedy="mend that line, or take it out")
    for name in settings.device.split(","):
        yield _device(name)
    yield _guarded("model", lambda: _model(settings))
    yield _guarded("ports", _ports)
    yield _guarded("autostart", _autostart)
    yield from _plugins()
    if fill:
        yield _guarded("fill", _fill)


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """A check that itself goes wrong is a finding too."""
    try:
        return check()
    except LamaFillError as error:
        return Finding(name=name, about=str(error), remedy="do what it says; `lama-fill logs` has more")


def _environment() -> Finding:
    about = (
        f"lama-fill {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.release()} {platform.machine()}, in {sys.prefix}"
    )
    if sys.prefix == sys.base_prefix:
        return Finding(
            name="environment",
            about=about + ", which other programs share",
            remedy="install it with the installer, which makes an environment for it alone",
        )
    return Finding(name="environment", about=about)


def _device(name: str) -> Finding:
    command = [sys.executable, "-m", "lama_cli.doctor.device", name]
    try:
        # In an empty folder: Python looks for modules where it is started.
        with tempfile.TemporaryDirectory(prefix="lama-fill-", ignore_cleanup_errors=True) as folder:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_DEVICE_SECONDS,
                check=False,
                env=os.environ | SAFE_PATH,
                cwd=folder,
            )
    except subprocess.TimeoutExpired:
        return Finding(
            name="device",
            about=f"{name}: no answer within {_DEVICE_SECONDS:g} s",
            remedy='restart the machine; if it stays so, set device = "cpu" in config.toml',
        )
    if done.returncode:
        words = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1].strip()
        remedy = (
            "run the installer again" if "No module named" in words else 'set device = "cpu" in config.toml'
        )
        return Finding(name="device", about=f"{name}: {words}", remedy=remedy)
    found = json.loads(done.stdout.splitlines()[-1])
    memory = f", {found['memory_bytes'] / 2**30:.1f} GiB" if found["memory_bytes"] else ""
    about = (
        f"{found['device']} ({found['name']}{memory}), torch {found['torch']}, "
        f"matrix product in {found['seconds'] * 1000:.1f} ms"
    )
    if found["device"] == "cpu":
        about += f", kernels for {found['kernels']}" if found["kernels"] else ", no compiled kernels"
    if found["error"] > 1:
        return Finding(
            name="device",
            about=f"{about}, and wrong by {found['error']:g}",
            remedy='update the driver; until then set device = "cpu" in config.toml',
        )
    if found["device"] == "cpu" and name == "auto" and shutil.which("nvidia-smi"):
        return Finding(
            name="device",
            about=f"{about}; there is an NVIDIA driver, but this torch cannot use it",
            remedy="run the installer again with --torch cuda",
        )
    return Finding(name="device", about=about)


def _model(settings: Settings) -> Finding:
    from lama_core.model.installed import registry

    name = settings.model or registry.default_model()
    model = registry.find_model(name)
    folder = registry.models_folder()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    about = f"{name}, {model.size / 1e6:.0f} MB; {free / 1e9:.1f} GB free where models are kept"
    if model.problem:
        remedy = "run the installer again" if model.built_in else f"`lama-fill models remove {name}`"
        return Finding(name="model", about=f"{name} is {model.problem}", remedy=remedy)
    if free < _ROOM:
        return Finding(name="model", about=about, remedy=f"make room in {folder} before you download another")
    return Finding(name="model", about=about)


def _ports() -> Finding:
    """Whether a program of this user can talk to another one over loopback."""
    try:
        with socket.create_server((LOOPBACK, 0)) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection((LOOPBACK, port), timeout=5):
                pass
    except OSError as error:
        return Finding(
            name="ports",
            about=f"nothing can be reached at {LOOPBACK} ({error.strerror or error})",
            remedy="let programs talk to 127.0.0.1 in the firewall or security software",
        )
    return Finding(name="ports", about=f"{LOOPBACK} can be reached")


def _autostart() -> Finding:
    from lama_cli.autostart import autostart_here
    from lama_cli.editors.finding import find_editors, flatpaks, roots_here

    here = autostart_here()
    state = here.state()
    about = f"{here.kind}: {state.about}"
    if state.installed and not state.active:
        return Finding(name="autostart", about=about, remedy="`lama-fill service install`")
    roots = roots_here(os.environ)
    snaps = [editor.about for editor in find_editors(roots) if "(Snap)" in editor.about]
    confined = [*flatpaks(roots), *snaps]
    if confined and not state.installed:
        return Finding(
            name="autostart",
            about=f"{about}; {' and '.join(confined)} cannot start the server",
            remedy="`lama-fill service install`",
        )
    return Finding(name="autostart", about=about)


def _plugins() -> Iterator[Finding]:
    from lama_cli.editors.finding import find_editors, has_extension, roots_here, unstarted
    from lama_cli.editors.installing import find_installed

    roots = roots_here(os.environ)
    editors = find_editors(roots)
    for editor in editors:
        found = find_installed(editor)
        about = f"{editor.about}: no plug-in"
        remedy = "run the installer again"
        if found is not None:
            about = f"{editor.about}: plug-in {found.version or 'put there by hand'}, in {editor.plugins}"
            if not found.whole:
                about += ", with files missing"
            elif found.version in (__version__, ""):
                remedy = ""
        elif editor.kind == "gimp" and has_extension(roots):
            about, remedy = f"{editor.about}: plug-in as an extension of its Flatpak", ""
        yield Finding(name="plug-in", about=about, remedy=remedy)
    for name in unstarted(roots):
        yield Finding(
            name="plug-in",
            about=f"{name}: was never started",
            remedy="start it once, then run the installer again",
        )
    if not editors and not unstarted(roots):
        yield Finding(name="plug-in", about="no GIMP and no Krita was found")


def _fill() -> Finding:
    """A hole in a small gray picture, filled as a plug-in would have it filled."""
    hole = bytearray(_SIDE * _SIDE)
    for row in range(_SIDE // 4, _SIDE // 2):
        hole[row * _SIDE + _SIDE // 4 : row * _SIDE + _SIDE // 2] = b"\xff" * (_SIDE // 4)
    began = time.monotonic()
    if find_server(state_folder()) is None:
        record_command(state_folder())
    with connect(client="lama-fill doctor", client_version=__version__) as server:
        result = server.fill(
            Fill(
                width=_SIDE,
                height=_SIDE,
                format="rgb",
                depth="u8",
                pixels=b"\x80" * (_SIDE * _SIDE * 3),
                hole=bytes(hole),
            )
        )
        about = (
            f"by {result.model} on {result.device} in {time.monotonic() - began:.1f} s; "
            f"server {server.welcome.server_version}, in {state_folder()}"
        )
        if server.welcome.server_version != __version__:
            return Finding(
                name="fill",
                about=f"{about}, which is not this version",
                remedy="`lama-fill stop`, then try again",
            )
    return Finding(name="fill", about=about)
