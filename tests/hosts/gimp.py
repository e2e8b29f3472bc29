"""GIMP in its chroot: a profile with the plug-in as it is shipped, and scripts that run inside."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.hosts import chroot
from tests.hosts.remote import Remote

#: Asks nothing, remembers nothing, and does not look for a newer GIMP.
GIMPRC = """\
(config-version "{version}")
(show-welcome-dialog no)
(check-updates no)
(save-session-info no)
(edit-non-visible yes)
"""

SCRIPT = Path(__file__).with_name("in_gimp.py")


class Gimp(Remote):
    """A profile of GIMP, and a GIMP that answers calls of the functions in `in_gimp.py`."""

    @classmethod
    def install(
        cls,
        root: Path,
        folder: Path,
        archive: Path,
        environment: Mapping[str, str],
        *,
        picture: Path | None = None,
    ) -> Gimp:
        """Make the profile and unpack the plug-in's archive into it, as an artist does.

        Without a picture GIMP has no window. With one (inside the chroot) it has, with that picture open.
        """
        plugins = folder / "profile" / "plug-ins"
        plugins.mkdir(parents=True)
        unpack(archive, plugins)
        write_settings(root, folder / "profile")
        return cls.with_profile(root, folder, folder / "profile", environment, picture=picture)

    @classmethod
    def with_profile(
        cls,
        root: Path,
        folder: Path,
        profile: Path,
        environment: Mapping[str, str],
        *,
        picture: Path | None = None,
    ) -> Gimp:
        """A profile that is there already."""
        (folder / SCRIPT.name).write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
        inside = "/" + folder.relative_to(root).as_posix()
        batch = f"import sys; sys.path.insert(0, {inside!r}); import in_gimp; in_gimp.serve({inside!r})"
        start = ["gimp-console", "--no-interface", "--quit"]
        if picture is not None:
            start = ["gimp", "--new-instance", "/" + picture.relative_to(root).as_posix()]
        directory = "/" + profile.relative_to(root).as_posix()
        return cls(
            root=root,
            folder=folder,
            command=[*start, "--batch-interpreter=python-fu-eval", f"--batch={batch}"],
            environment=chroot.inside_environment(
                {"GIMP3_DIRECTORY": directory, "HOME": inside, **environment}
            ),
        )


def write_settings(root: Path, profile: Path, *more: str) -> None:
    """The profile's gimprc, with these lines in it too."""
    lines = [GIMPRC.format(version=version(root)), *(f"{line}\n" for line in more)]
    (profile / "gimprc").write_text("".join(lines))


def version(root: Path) -> str:
    """The GIMP in a chroot, as it calls itself."""
    said = chroot.run(root, ["dpkg-query", "-W", "-f", "${Version}", "gimp"], check=True).stdout
    return said.partition("-")[0].partition("+")[0]


def unpack(archive: Path, into: Path) -> None:
    """As unzip does, modes included, which Python's zipfile leaves out."""
    with zipfile.ZipFile(archive) as files:
        for entry in files.infolist():
            path = Path(files.extract(entry, into))
            if not entry.is_dir():
                path.chmod((entry.external_attr >> 16) & 0o777 or 0o644)
