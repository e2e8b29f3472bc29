"""Windows: a scheduled task of the user's own, at logon. No administrator is needed."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from lama_cli.autostart.base import (
    MARK,
    STAY,
    AutostartError,
    Launch,
    Run,
    State,
    demand,
    is_ours,
    remove_ours,
    write_ours,
)

TASK = "LaMa Fill"
_SPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"


class Windows:
    """A task made from an XML file, which is kept beside the server's own files."""

    kind = "Windows task"

    def __init__(self, folder: Path, user: str, run: Run) -> None:
        """Describe it.

        Args:
            folder: where the XML is kept.
            user: the domain, a backslash and the name.
            run: runs commands of the system.
        """
        self._file = folder / "autostart-task.xml"
        self._user = user
        self._run = run

    def plan(self, launch: Launch) -> Mapping[Path, bytes]:
        """The task's XML. It has no place for variables: at logon there are those of the user's account."""
        return {self._file: task_xml((*launch.command, *STAY), self._user)}

    def install(self, launch: Launch) -> None:
        found = self._run(["schtasks", "/Query", "/TN", TASK, "/XML"])
        if found.returncode == 0 and MARK not in found.stdout:
            raise AutostartError(f"there is a task {TASK!r} that lama-fill did not make: rename it first")
        write_ours(self.plan(launch))
        demand(self._run, "schtasks", "/Create", "/TN", TASK, "/XML", str(self._file), "/F")
        self.start()

    def uninstall(self) -> bool:
        if not is_ours(self._file):
            return False
        self._run(["schtasks", "/End", "/TN", TASK])
        self._run(["schtasks", "/Delete", "/TN", TASK, "/F"])
        return remove_ours([self._file])

    def state(self) -> State:
        if not is_ours(self._file):
            return State(
                installed=False, active=False, about="not set up; set it up with `lama-fill service install`"
            )
        active = self._run(["schtasks", "/Query", "/TN", TASK]).returncode == 0
        about = (
            "starts the server at logon" if active else "the task is gone; run `lama-fill service install`"
        )
        return State(installed=True, active=active, about=about)

    def start(self) -> None:
        demand(self._run, "schtasks", "/Run", "/TN", TASK)

    def stop(self) -> None:
        self._run(["schtasks", "/End", "/TN", TASK])  # fails when it does not run


def task_xml(command: tuple[str, ...], user: str) -> bytes:
    """A task by the rules of the Task Scheduler's schema 1.2, in the encoding that schtasks wants."""
    task = ElementTree.Element("Task", {"version": "1.2", "xmlns": _SPACE})

    def add(parent: ElementTree.Element, *texts: tuple[str, str]) -> None:
        for name, text in texts:
            ElementTree.SubElement(parent, name).text = text

    add(ElementTree.SubElement(task, "RegistrationInfo"), ("Description", MARK))
    trigger = ElementTree.SubElement(ElementTree.SubElement(task, "Triggers"), "LogonTrigger")
    add(trigger, ("Enabled", "true"), ("UserId", user))
    principal = ElementTree.SubElement(
        ElementTree.SubElement(task, "Principals"), "Principal", {"id": "Author"}
    )
    add(principal, ("UserId", user), ("LogonType", "InteractiveToken"), ("RunLevel", "LeastPrivilege"))
    add(
        ElementTree.SubElement(task, "Settings"),
        ("MultipleInstancesPolicy", "IgnoreNew"),
        ("DisallowStartIfOnBatteries", "false"),
        ("StopIfGoingOnBatteries", "false"),
        ("ExecutionTimeLimit", "PT0S"),  # none: by default a task is ended after three days
        ("Hidden", "true"),
    )
    execute = ElementTree.SubElement(ElementTree.SubElement(task, "Actions", {"Context": "Author"}), "Exec")
    add(execute, ("Command", command[0]), ("Arguments", subprocess.list2cmdline(command[1:])))
    ElementTree.indent(task)
    text = '<?xml version="1.0" encoding="UTF-16"?>\n' + ElementTree.tostring(task, encoding="unicode")
    return text.encode("utf-16")
