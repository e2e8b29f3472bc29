"""Krita, this machine's own or that of a chroot: a profile, and scripts run with and without a window."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.hosts import chroot

PROBE = Path(__file__).with_name("krita_probe")
SETUP = Path(__file__).with_name("install_krita.sh")


class KritaUnavailable(Exception):
    """There is no Krita on this machine, and none could be installed; the message is one line on why."""


def install_on_this_machine() -> None:
    """Have the distribution's Krita, and what shows a window without a screen.

    Raises:
        KritaUnavailable
    """
    done = subprocess.run(["sh", str(SETUP)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "; ".join((done.stdout + done.stderr).strip().splitlines()[-2:])
        raise KritaUnavailable(f"Krita could not be installed: {last}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What scenarios returned."""

    found: Mapping[str, Mapping[str, Any]]
    status: int
    output: str

    def __getitem__(self, name: str) -> Any:
        """What one scenario returned.

        Raises:
            AssertionError: it failed, or Krita ended before it was through.
        """
        answer = self.found.get(name)
        if answer is None:
            raise AssertionError(
                f"Krita ended with {self.status} before or in {name}:\n{self.output[-4000:]}"
            )
        if "error" in answer:
            raise AssertionError(f"{name}: {answer['error']}\n{self.output[-2000:]}")
        return answer["value"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Krita:
    """One profile of Krita. `root`: of its system. `folder`: the profile's, seen from outside of that."""

    root: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path, folder: Path, environment: Mapping[str, str]) -> Krita:
        """A profile with nothing but the probe in it, which has never been used."""
        krita = cls(root=root, folder=folder, environment=environment)
        shutil.copytree(PROBE, krita.resources / "pykrita")
        (folder / ".config").mkdir()
        (folder / "runtime").mkdir(mode=0o700)
        (folder / ".config" / "kritarc").write_text("[python]\nenable_lama_fill_probe=true\n")
        return krita

    @property
    def resources(self) -> Path:
        return self.folder / ".local" / "share" / "krita"

    def inside(self, path: Path) -> str:
        """A path as a program inside sees it."""
        return "/" + path.relative_to(self.root).as_posix()

    def unpack(self, archive: Path) -> None:
        """Put the plug-in where Krita's importer puts it, and switch it on."""
        with zipfile.ZipFile(archive) as files:
            names = [name for name in files.namelist() if not name.startswith("actions/")]
            files.extractall(self.resources / "pykrita", names)
            files.extract("actions/lama_fill_krita.action", self.resources)
        with (self.folder / ".config" / "kritarc").open("a") as file:
            file.write("enable_lama_fill_krita=true\n")

    def in_window(
        self,
        script: Path,
        scenarios: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = 600,
    ) -> Answers:
        """Run generators of a script in Krita's window, one after the other."""
        command, own = self._window(script, scenarios)
        done = self._run(command, {**own, **(environment or {})}, timeout)
        answers = self.folder / "answers.json"
        found = json.loads(answers.read_text()) if answers.exists() else {}
        return Answers(found=found, status=done.returncode, output=done.stdout)

    @contextmanager
    def opened(
        self, script: Path, scenario: str, environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[str]]:
        """Krita's window while a generator of a script runs in it. At the end all of it is killed."""
        command, own = self._window(script, [scenario])
        command, environment = self._inside(command, {**own, **environment})
        with (self.folder / "output.txt").open("wb") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                kill_krita(process)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)  # the display is taken down
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def _window(self, script: Path, scenarios: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """A command for Krita with a window, and what it needs in its environment."""
        answers = self._fresh_answers(script)
        own = {
            "PROBE_SCRIPT": self.inside(self.folder / script.name),
            "PROBE_SCENARIOS": ",".join(scenarios),
            "PROBE_ANSWERS": self.inside(answers),
        }
        # A server for this window alone, and a manager, without which no window gets the focus.
        command = "xvfb-run -a -s '-screen 0 1400x1000x24' sh -c 'openbox & exec krita --nosplash'"
        return ["sh", "-c", command], own

    def without_window(self, script: Path, function: str, *, timeout: float = 400) -> Any:
        """Call a function of a script by kritarunner; what it returns comes back.

        Raises:
            AssertionError: Krita or the script failed; the message is all that they wrote.
        """
        answers = self._fresh_answers(script)
        environment = {
            "QT_QPA_PLATFORM": "offscreen",
            "PYTHONPATH": f"{self.inside(self.folder)}:{self.inside(self.resources / 'pykrita')}",
            "PROBE_ANSWERS": self.inside(answers),
            "PROBE_FUNCTION": function,
        }
        done = self._run(["kritarunner", "-s", script.stem, "-f", "__main__"], environment, timeout)
        if not answers.exists():
            raise AssertionError(f"kritarunner ended with {done.returncode}:\n{done.stdout[-4000:]}")
        return json.loads(answers.read_text())

    def _fresh_answers(self, script: Path) -> Path:
        shutil.copyfile(script, self.folder / script.name)
        answers = self.folder / "answers.json"
        answers.unlink(missing_ok=True)
        return answers

    def _run(
        self, command: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        limited = ["timeout", "--kill-after=5", str(timeout - 10), *command]
        inside, environment = self._inside(limited, environment)
        return subprocess.run(
            inside,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def _inside(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """A command as it is started from outside, and all of its environment."""
        home = self.inside(self.folder)
        own = {"HOME": home, "XDG_RUNTIME_DIR": f"{home}/runtime", "PYTHONIOENCODING": "utf-8"}
        environment = chroot.inside_environment({**own, **self.environment, **environment})
        if self.root != Path("/"):
            return ["chroot", str(self.root), *command], environment
        return [*command], {**environment, "PATH": os.environ.get("PATH", "/usr/bin:/bin")}


def kill_krita(process: subprocess.Popen[str]) -> None:
    """Kill the Krita that a command has started, and it alone."""
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.name() == "krita":
                child.kill()
