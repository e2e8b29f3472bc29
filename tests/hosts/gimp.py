"""GIMP in its chroot: a profile with the plug-in as it is shipped, and scripts run inside."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hosts import chroot

#: Asks nothing, remembers nothing, and does not look for a newer GIMP.
GIMPRC = """\
(config-version "{version}")
(show-welcome-dialog no)
(check-updates no)
(save-session-info no)
(edit-non-visible yes)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gimp:
    """One profile of GIMP. `folder` is its folder outside of the chroot, `inside` the same inside."""

    root: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

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
        return gimp

    def version(self) -> str:
        said = chroot.run(self.root, ["dpkg-query", "-W", "-f", "${Version}", "gimp"], check=True).stdout
        return said.partition("-")[0].partition("+")[0]

    def all_environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        own = {"GIMP3_DIRECTORY": f"{self.inside}/profile", "HOME": self.inside}
        return {**own, **self.environment, **(more or {})}

    def run(
        self,
        script: Path,
        function: str,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = 280,
        **arguments: Any,
    ) -> Any:
        """Call a function of a script inside GIMP without a window; what it returns comes back.

        Raises:
            AssertionError: GIMP or the script failed; the message is all that they wrote.
        """
        (self.folder / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        command = (
            f"import sys, json; sys.path.insert(0, {self.inside!r}); import {script.stem} as script; "
            f"answer = script.{function}(**json.loads({json.dumps(arguments)!r})); "
            f"open({self.inside + '/answer.json'!r}, 'w').write(json.dumps(answer))"
        )
        done = chroot.run(
            self.root,
            [
                "timeout",
                "--kill-after=5",
                str(timeout - 10),
                "gimp-console-3.0",
                "--no-interface",
                "--quit",
                "--batch-interpreter=python-fu-eval",
                f"--batch={command}",
            ],
            environment=self.all_environment(environment),
            timeout=timeout,
        )
        if done.returncode != 0 or not answer.exists():
            raise AssertionError(f"GIMP ended with {done.returncode}:\n{done.stdout}")
        return json.loads(answer.read_text())


def unpack(archive: Path, into: Path) -> None:
    """As unzip does, modes included, which Python's zipfile leaves out."""
    with zipfile.ZipFile(archive) as files:
        for entry in files.infolist():
            path = Path(files.extract(entry, into))
            path.chmod((entry.external_attr >> 16) & 0o777 or 0o644)


def kill(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait(timeout=10)
