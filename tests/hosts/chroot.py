"""The editors that the tests drive, each in a small Debian of its own.

A suite of Debian is unpacked once into a folder of the cache and used again as long as nothing in its recipe
changes. The cache is `$LAMA_FILL_CACHE`, else `~/.cache/lama-fill-tests`: outside the checkout, which stays
clean.

    python -m tests.hosts.chroot trixie          # builds it if it is missing, prints where it is

Nothing is mounted into the folder: the editors run without /proc and /dev being the host's, and network and
X displays are shared by themselves. Removing the folder is therefore always safe.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGES = (
    # The editors, and the parts of them that are only recommended.
    *("gimp", "python3-gi-cairo", "krita", "python3-pyqt5"),
    # A window without a person: display, window manager, accessibility.
    *("xvfb", "openbox", "xauth", "x11-utils", "xdotool"),
    *("dbus", "dbus-x11", "at-spi2-core", "python3-pyatspi"),
    *("fonts-dejavu-core", "adwaita-icon-theme", "locales"),
)

#: The languages that tests start the editors in, beside C.UTF-8.
LOCALES = ("de_DE", "fr_FR", "ja_JP")


class ChrootUnavailable(Exception):
    """The folder cannot be made on this machine; the message is one line that says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """A suite of Debian and what is installed in it."""

    name: str
    packages: tuple[str, ...] = PACKAGES
    locales: tuple[str, ...] = LOCALES

    @property
    def key(self) -> str:
        recipe = repr(("1", self.name, self.packages, self.locales))
        return f"{self.name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


#: GIMP 2.10 and what gimpfu is compiled with, see `pygimp`.
PACKAGES_210 = (
    *("gimp", "libgimp2.0-dev", "libgegl-dev", "python2.7", "python2.7-dev", "python-setuptools"),
    *("gcc", "libc6-dev", "dpkg-dev", "pkg-config", "libgirepository1.0-dev", "libffi-dev"),
    *("xvfb", "openbox", "xauth", "x11-utils", "x11-apps", "xdotool", "fonts-dejavu-core"),
    *("adwaita-icon-theme", "locales"),
)

SUITES = {
    # GIMP 2.10.22.
    "bullseye": Suite(name="bullseye", packages=PACKAGES_210, locales=()),
    # GIMP 3.0.4, Krita 5.2.9.
    "trixie": Suite(name="trixie"),
    # GIMP 3.2.6, Krita 5.3.4: optional, because it changes every day.
    "forky": Suite(name="forky"),
}


def cache_folder() -> Path:
    chosen = os.environ.get("LAMA_FILL_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "lama-fill-tests"


def chroot(suite: Suite) -> Path:
    """The folder of a suite, built when it is missing.

    Raises:
        ChrootUnavailable: not root, no debootstrap, or a package could not be had.
    """
    if os.geteuid() != 0:
        raise ChrootUnavailable("the editors are tested in a chroot, which only root can make and enter")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / suite.key
    with locked(cache / f"{suite.key}.lock"):
        if not root.exists():
            _build(suite, root)
    return root


def run(
    root: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
    check: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command inside, with an environment of its own; what it prints comes back as text."""
    return subprocess.run(
        ["chroot", str(root), *command],
        env=inside_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=check,
    )


def inside_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program inside sees: nothing of the caller's environment but a proxy."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    own = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/root",
    }
    return {**proxies, **own, **(more or {})}


def debian_mirror() -> str | None:
    """Where this machine's own apt gets Debian from; None leaves the choice to debootstrap."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Identifier: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in asked.stdout.splitlines():
        origin, label, address = line.split("|", 2)
        if origin == label == "Debian":
            return address
    return None


def _build(suite: Suite, root: Path) -> None:
    for name in ("chroot", "apt-get"):
        if shutil.which(name) is None:
            raise ChrootUnavailable(f"there is no {name} here: the editors' chroot needs a Debian or Ubuntu")
    if shutil.which("debootstrap") is None:
        step("apt-get", "update", "-q")
        step("apt-get", "install", "-q", "-y", "--no-install-recommends", "debootstrap")
    building = root.with_suffix(".part")
    _remove(building)
    mirror = debian_mirror()
    # A debootstrap older than the suite does not know its name; how to unpack one has not changed for long.
    where = [mirror, "sid"] if mirror else []
    step("debootstrap", "--variant=minbase", suite.name, str(building), *where)
    # Nothing here has to survive a power cut; waiting for the disk would be most of the time.
    (building / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
    # Testing suites are used past the date of their list.
    (building / "etc/apt/apt.conf.d/90tests").write_text(
        'Acquire::Check-Valid-Until "false";\nAPT::Install-Recommends "false";\n'
    )
    policy = building / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    # What GIMP itself recommends (its Python interpreter among it) is wanted, for a plug-in depends on it.
    for command in (
        ("apt-get", "update", "-q"),
        ("apt-get", "install", "-q", "-y", "-o", "APT::Install-Recommends=true", "gimp"),
        ("apt-get", "install", "-q", "-y", *suite.packages),
        *(("localedef", "-i", name, "-f", "UTF-8", f"{name}.UTF-8") for name in suite.locales),
        ("apt-get", "clean"),
    ):
        step("chroot", str(building), *command)
    building.rename(root)


def _remove(folder: Path) -> None:
    """Remove what an interrupted build left: debootstrap mounts /proc and /sys there while it works."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for place in sorted((place for place in mounts if Path(place).is_relative_to(folder)), reverse=True):
        step("umount", place)
    shutil.rmtree(folder, ignore_errors=True)


def step(*command: str) -> None:
    environment = inside_environment({"DEBIAN_FRONTEND": "noninteractive"})
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        last = "; ".join(done.stdout.strip().splitlines()[-2:])
        raise ChrootUnavailable(f"{' '.join(command[:6])} ended with {done.returncode}: {last}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Two test runs build it once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    names = sys.argv[1:]
    if not names or any(name not in SUITES for name in names):
        print(f"usage: python -m tests.hosts.chroot {'|'.join(SUITES)}", file=sys.stderr)
        return 2
    try:
        for name in names:
            print(chroot(SUITES[name]))
    except ChrootUnavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
