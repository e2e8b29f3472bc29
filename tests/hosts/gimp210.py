"""GIMP 2.10 in its chroot: a profile with the plug-in as it is shipped, and functions that run inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.hosts import chroot
from tests.hosts.gimp import unpack
from tests.hosts.remote import Remote

#: Looks for no newer GIMP, and remembers nothing.
GIMPRC = """\
(check-updates no)
(save-session-info no)
(save-document-history no)
"""

SCRIPT = Path(__file__).with_name("in_gimp_210.py")


class Gimp210(Remote):
    """A GIMP 2.10 that answers calls of the functions in `in_gimp_210.py`, which is a plug-in of its own."""

    def messages(self) -> list[str]:
        """What GIMP has shown as messages since it was started: without a window it prints them."""
        said = re.findall(r"^LaMa Fill-Warning: (.*)$", self.output, re.MULTILINE)
        return [str(message) for message in said]

    @classmethod
    def install(
        cls,
        root: Path,
        modules: str,
        folder: Path,
        archive: Path,
        environment: Mapping[str, str],
        *,
        picture: Path | None = None,
    ) -> Gimp210:
        """Make the profile and unpack the plug-in's archive into it, as an artist does.

        Args:
            root: of the chroot.
            modules: the folder of gimpfu in there.
            folder: the profile's, which is made.
            archive: of the plug-in.
            environment: more variables for GIMP.
            picture: to be opened in a window; without one GIMP has no window.
        """
        plugins = folder / "profile" / "plug-ins"
        plugins.mkdir(parents=True)
        unpack(archive, plugins)
        (folder / "profile" / "gimprc").write_text(GIMPRC)
        own = plugins / "lama_fill_tests" / "lama_fill_tests.py"
        own.parent.mkdir()
        own.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
        own.chmod(0o755)
        inside = "/" + folder.relative_to(root).as_posix()
        start = ["gimp-console-2.10", "--no-interface"]
        if picture is not None:
            start = ["gimp-2.10", "--new-instance", "--no-splash", "/" + picture.relative_to(root).as_posix()]
        return cls(
            root=root,
            folder=folder,
            command=[
                *start,
                f'--batch=(python-fu-lama-fill-tests RUN-NONINTERACTIVE "{inside}")',
                "--batch=(gimp-quit 0)",
            ],
            environment=chroot.inside_environment(
                {
                    "GIMP2_DIRECTORY": f"{inside}/profile",
                    "HOME": inside,
                    "PYTHONPATH": modules,
                    **environment,
                }
            ),
        )
