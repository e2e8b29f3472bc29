"""GIMP in its chroot: a profile with the plug-in as it is shipped, and scripts run inside."""

from __future__ import annotations

import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.hosts import chroot

#: Asks nothing, remembers nothing, and does not look for a newer GIMP.
GIMPRC = """\
(config-version "{version}")
(show-welcome-dialog no)
(check-updates no)
(save-session-info no)
(edit-non-visible yes)
"""


SCRIPT = Path(__file__).with_name("in_gimp.py")


@dataclass(kw_only=True)
class Gimp:
    """One profile of GIMP. `folder` is its folder outside of the chroot, `inside` the same inside.

    A GIMP without a window is started at the first `call` and answers all others too.
    """

    root: Path
    folder: Path
    environment: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = None
    _requests: IO[str] | None = None

    @property
    def inside(self) -> str:
        return "/" + self.folder.relative_to(self.root).as_posix()

    @classmethod
    def install(cls, root: Path, folder: Path, archive: Path, environment: Mapping[str, str]) -> Gimp:
        """Make the profile and unpack the plug-in's archive into it, as an artist does."""
        plugins = folder / "profile" / "plug-ins"
        plugins.mkdir(parents=True)
        unpack(archive, plugins)
        gimp = cls(root=root, folder=folder, environment=environment)
        (folder / "profile" / "gimprc").write_text(GIMPRC.format(version=gimp.version()))
        (folder / SCRIPT.name).write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
        os.mkfifo(folder / "requests")
        return gimp

    def version(self) -> str:
        said = chroot.run(self.root, ["dpkg-query", "-W", "-f", "${Version}", "gimp"], check=True).stdout
        return said.partition("-")[0].partition("+")[0]

    def all_environment(self) -> dict[str, str]:
        own = {"GIMP3_DIRECTORY": f"{self.inside}/profile", "HOME": self.inside}
        return chroot.inside_environment({**own, **self.environment})

    def call(self, function: str, *, timeout: float = 250, **arguments: Any) -> Any:
        """Call a function of `in_gimp.py` inside GIMP; what it returns comes back.

        Raises:
            AssertionError: it raised, or GIMP ended or took too long; the message says what it wrote.
        """
        self._begin(function, arguments)
        return self._end(timeout)

    @contextmanager
    def calling(
        self, function: str, *, timeout: float = 250, **arguments: Any
    ) -> Iterator[Callable[[], Any]]:
        """As `call`, with time to do something meanwhile; what is given waits for the answer."""
        self._begin(function, arguments)
        answered = False

        def answer() -> Any:
            nonlocal answered
            answered = True
            return self._end(timeout)

        try:
            yield answer
        finally:
            if not answered:
                self.close()

    def close(self) -> None:
        """End the GIMP without a window, if there is one."""
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(timeout=10)
        self._process = self._requests = None

    @property
    def output(self) -> str:
        """What GIMP wrote since it was started."""
        return (self.folder / "output.txt").read_text(errors="replace")

    def _begin(self, function: str, arguments: Mapping[str, Any]) -> None:
        (self.folder / "answer.json").unlink(missing_ok=True)
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._start()
        assert self._requests is not None
        self._requests.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
        self._requests.flush()

    def _start(self) -> None:
        batch = (
            f"import sys; sys.path.insert(0, {self.inside!r}); import in_gimp; in_gimp.serve({self.inside!r})"
        )
        with (self.folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                [
                    *("chroot", str(self.root), "gimp-console-3.0", "--no-interface", "--quit"),
                    *("--batch-interpreter=python-fu-eval", f"--batch={batch}"),
                ],
                env=self.all_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        # Both ways, so that opening waits for nobody.
        self._requests = os.fdopen(os.open(self.folder / "requests", os.O_RDWR), "w", encoding="utf-8")

    def _end(self, timeout: float) -> Any:
        answer = self.folder / "answer.json"
        assert self._process is not None
        deadline = time.monotonic() + timeout
        while not answer.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                self.close()
                raise AssertionError(f"GIMP gave no answer:\n{self.output}")
            time.sleep(0.02)
        said = json.loads(answer.read_text())
        if "error" in said:
            raise AssertionError(f"{said['error']}\n{self.output}")
        return said["result"]


def unpack(archive: Path, into: Path) -> None:
    """As unzip does, modes included, which Python's zipfile leaves out."""
    with zipfile.ZipFile(archive) as files:
        for entry in files.infolist():
            path = Path(files.extract(entry, into))
            path.chmod((entry.external_attr >> 16) & 0o777 or 0o644)
