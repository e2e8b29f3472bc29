"""What is written for each operating system, held against that system's own rules."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lama_cli.autostart import Autostart, AutostartError, Launch
from lama_cli.autostart.launchd import Launchd
from lama_cli.autostart.systemd import Systemd
from lama_cli.autostart.windows import Windows
from lama_cli.autostart.xdg import XdgAutostart
from lama_core.client.connection import launch
from lama_core.client.text import one_line

HARD = 'Zoë\'s 100% $HOME "new" \\ 絵'
SERVE = ("-m", "lama_cli", "serve", "--started-by-client")


class System:
    """Stands for the operating system's own commands: notes them, and answers as it is told."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.fails: Mapping[str, str] = {
            "schtasks /Query": "no such task",
            "launchctl print": "no such service",
        }
        self.says: Mapping[str, str] = {}

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        line = " ".join(command)
        self.commands.append(line)
        failure = next((text for start, text in self.fails.items() if line.startswith(start)), None)
        said = next((text for start, text in self.says.items() if line.startswith(start)), "")
        return subprocess.CompletedProcess(command, 0 if failure is None else 1, said, failure or "")

    def start(self) -> None:
        self.commands.append("start")

    def stop(self) -> None:
        self.commands.append("stop")


@pytest.fixture
def system() -> System:
    return System()


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python at a path with every character that some system gives a meaning."""
    path = tmp_path / HARD / "python"
    path.parent.mkdir()
    path.symlink_to(sys.executable)
    return path


@pytest.fixture
def how(python: Path) -> Launch:
    return Launch(command=(str(python), *SERVE), environment={"LAMA_FILL_DATA_DIR": f"/data/{HARD}"})


@pytest.fixture(params=["systemd", "launchd", "windows", "xdg"])
def kind(request: pytest.FixtureRequest, tmp_path: Path, system: System) -> Autostart:
    folder = tmp_path / "system's"
    kinds: dict[str, Autostart] = {
        "systemd": Systemd(folder, tmp_path / "state", system.run),
        "launchd": Launchd(folder, 501, system.run),
        "windows": Windows(folder, "PC\\Zoë", system.run),
        "xdg": XdgAutostart(folder, system.start, system.stop),
    }
    return kinds[request.param]


def test_all_of_it_comes_and_goes(kind: Autostart, how: Launch, tmp_path: Path) -> None:
    assert not kind.state().installed
    assert not kind.uninstall()
    kind.install(how)
    assert kind.state().installed
    before = {path: path.read_bytes() for path in kind.plan(how)}
    assert before == kind.plan(how)
    kind.install(how)
    assert before == kind.plan(how), "the same again, with the same port"
    assert kind.uninstall()
    assert not kind.state().installed
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "python"]
    assert left == []


def test_what_somebody_else_wrote_is_left(kind: Autostart, how: Launch) -> None:
    path = next(iter(kind.plan(how)))
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(AutostartError, match="was not written by lama-fill"):
        kind.install(how)
    assert not kind.uninstall()
    assert path.read_text() == "mine"
    assert list(path.parent.iterdir()) == [path], "not even one of several files is written"


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\udcff"])
def test_what_no_line_can_hold_is_refused(character: str) -> None:
    path = f"/home/ada{character}ExecStartPre=evil"
    for command, environment in (((path, *SERVE), {}), (SERVE, {"LAMA_FILL_DATA_DIR": path})):
        with pytest.raises(AutostartError, match="rename that folder") as refused:
            Launch(command=command, environment=environment)
        assert one_line(str(refused.value)) == str(refused.value)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_nobody_else_may_change_what_the_system_starts(kind: Autostart, how: Launch) -> None:
    old = os.umask(0)
    try:
        kind.install(how)
    finally:
        os.umask(old)
    for path in kind.plan(how):
        assert path.stat().st_mode & 0o022 == 0
        assert path.parent.stat().st_mode & 0o022 == 0


def test_what_the_system_says_is_passed_on(tmp_path: Path, system: System, how: Launch) -> None:
    system.fails = {"systemctl --user enable": "Reloading...\nFailed to enable: no bus\n"}
    with pytest.raises(
        AutostartError, match=r"^`systemctl --user enable lama-fill.socket` failed: Failed to"
    ):
        Systemd(tmp_path, tmp_path, system.run).install(how)


def test_a_port_that_was_taken_meanwhile(tmp_path: Path, system: System, how: Launch) -> None:
    kind = Systemd(tmp_path, tmp_path, system.run)
    kind.install(how)
    system.fails = {"systemctl --user is-active": ""}
    unit = tmp_path / "lama-fill.socket"
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        unit.write_text(re.sub(r"(?<=127.0.0.1:)\d+", str(port), unit.read_text()))
        kind.install(how)
        assert f":{port}\n" not in unit.read_text()
    again = unit.read_text()
    kind.install(how)
    assert unit.read_text() == again, "a free one is kept"


def test_launchd_needs_a_moment(tmp_path: Path, system: System, how: Launch) -> None:
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            system.fails = {}

    system.fails = {"launchctl print": "", "launchctl bootstrap": "Bootstrap failed: 5: Input/output error"}
    kind = Launchd(tmp_path, 501, system.run, sleep)
    kind.install(how)
    assert len(slept) == 2
    assert system.commands[-1] == f"launchctl bootstrap gui/501 {tmp_path / 'lama-fill.server.plist'}"
    kind.start()
    assert system.commands[-1] == "launchctl kickstart gui/501/lama-fill.server"
    system.fails = {"launchctl print": "", "launchctl bootstrap": "Bootstrap failed: 5: Input/output error"}
    with pytest.raises(AutostartError, match="Bootstrap failed: 5"):
        kind.start()


def test_a_task_that_is_not_ours(tmp_path: Path, system: System, how: Launch) -> None:
    system.fails, system.says = {}, {"schtasks /Query": "<Task/>"}
    with pytest.raises(AutostartError, match="did not make"):
        Windows(tmp_path, "PC\\Zoë", system.run).install(how)
    assert len(system.commands) == 1


def test_a_socket_that_is_not_active(tmp_path: Path, system: System, how: Launch) -> None:
    kind = Systemd(tmp_path, tmp_path, system.run)
    kind.install(how)
    assert kind.state().active
    system.fails = {"systemctl --user is-active": ""}
    state = kind.state()
    assert (state.installed, state.active) == (True, False)
    assert "service start" in state.about


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze checks the units")
def test_systemd_takes_the_units(tmp_path: Path, system: System, how: Launch) -> None:
    kind = Systemd(tmp_path / "units", tmp_path / "state", system.run)
    kind.install(how)
    units = [str(path) for path in kind.plan(how)]
    command = ["systemd-analyze", "verify", "--user", *units]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "lama-fill" in line]
    # It would have found a mistake.
    broken = tmp_path / "units" / "lama-fill.service"
    broken.write_text(broken.read_text().replace("ExecStart=", "ExecBegin="))
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def test_the_door_is_where_the_socket_is(tmp_path: Path, system: System, how: Launch) -> None:
    kind = Systemd(tmp_path / "units", tmp_path / "state", system.run, port=23456)
    kind.install(how)
    assert "ListenStream=127.0.0.1:23456\n" in (tmp_path / "units" / "lama-fill.socket").read_text()
    door = tmp_path / "state" / launch.ACTIVATION_FILE
    assert door.read_text() == '{"port": 23456}'
    assert door.stat().st_mode & 0o777 == 0o600


def test_launchd_reads_the_list(tmp_path: Path, system: System, how: Launch) -> None:
    ((path, content),) = Launchd(tmp_path, 501, system.run).plan(how).items()
    assert path.name == "lama-fill.server.plist"
    values = plistlib.loads(content)
    assert values["Label"] == path.stem
    assert values["ProgramArguments"][: len(how.command)] == list(how.command)
    assert values["ProgramArguments"][-4:] == ["--preload", "false", "--exit-after", "0"]
    assert values["EnvironmentVariables"] == how.environment
    assert values["RunAtLoad"] is True


def test_windows_takes_the_task(tmp_path: Path, system: System, how: Launch) -> None:
    ((_, content),) = Windows(tmp_path, "PC\\Zoë", system.run).plan(how).items()
    assert content.startswith(b"\xff\xfe"), "schtasks reads UTF-16 with its mark"
    task = ElementTree.fromstring(content.decode("utf-16"))
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert task.tag == f"{space}Task"
    assert task.get("version") == "1.2"
    # The elements of the schema's taskType, and no others.
    assert [child.tag.removeprefix(space) for child in task] == [
        "RegistrationInfo",
        "Triggers",
        "Principals",
        "Settings",
        "Actions",
    ]
    assert task.find(f"{space}Actions").get("Context") == task.find(f"*/{space}Principal").get("id")
    assert task.findtext(f".//{space}RunLevel") == "LeastPrivilege"
    assert task.findtext(f".//{space}LogonTrigger/{space}UserId") == "PC\\Zoë"
    assert task.findtext(f".//{space}Command") == how.command[0]
    assert task.findtext(f".//{space}Arguments") == " ".join(
        [*SERVE, "--preload", "false", "--exit-after", "0"]
    )


def test_desktops_read_the_entry(tmp_path: Path, system: System, how: Launch) -> None:
    ((_, content),) = XdgAutostart(tmp_path, system.start, system.stop).plan(how).items()
    line = next(line for line in content.decode().splitlines() if line.startswith("Exec="))
    # What the Desktop Entry Specification has a reader do: the escapes of strings, then those of Exec.
    read = line.removeprefix("Exec=").replace("\\\\", "\\").replace("%%", "%")
    words = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', read)]
    variable = f"LAMA_FILL_DATA_DIR={how.environment['LAMA_FILL_DATA_DIR']}"
    assert words == ["env", variable, *how.command, "--preload", "false", "--exit-after", "0"]


@pytest.mark.skipif(shutil.which("desktop-file-validate") is None, reason="desktop-file-validate checks it")
def test_the_entry_is_valid(tmp_path: Path, system: System, how: Launch) -> None:
    kind = XdgAutostart(tmp_path, system.start, system.stop)
    kind.install(how)
    subprocess.run(["desktop-file-validate", str(tmp_path / "lama-fill.desktop")], check=True)
