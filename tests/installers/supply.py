"""Reads the pinned sets of versions, and the list of known vulnerabilities."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.installers.new_user import PROJECT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Advisories:
    """The list, by the names of packages: the first good version, and what it is called."""

    date: datetime.date
    known: dict[str, list[tuple[Version, str]]]


def advisories() -> Advisories:
    """installers/advisories.toml."""
    content = tomllib.loads((PROJECT / "installers" / "advisories.toml").read_text(encoding="utf-8"))
    known: dict[str, list[tuple[Version, str]]] = {}
    for one in content["advisory"]:
        known.setdefault(canonicalize_name(one["package"]), []).append((Version(one["fixed"]), one["id"]))
    return Advisories(content["date"], known)


def pinned(name: str = "requirements-dev.txt") -> list[tuple[str, str]]:
    """Names and versions of a set of pinned packages."""
    found = re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[\w+\])?==([^\s;\\]+)", (PROJECT / name).read_text(), re.MULTILINE
    )
    return [(canonicalize_name(package), version) for package, version in found]


def hashed_pins() -> list[tuple[str, str, list[str]]]:
    """What a release is built with: name, version, and SHA-256 of the files that may be it."""
    text = (PROJECT / "requirements-release.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = []
    for line in lines:
        match = re.match(r"([A-Za-z0-9._-]+)==(\S+)", line)
        assert match, line
        found.append(
            (canonicalize_name(match[1]), match[2], re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
        )
    return found


def vulnerable(versions: Iterable[tuple[str, str]], against: Advisories) -> list[str]:
    """Those of the versions that are known to be vulnerable, each with what."""
    return [
        f"{name} {version}: {identity}"
        for name, version in versions
        for fixed, identity in against.known.get(canonicalize_name(name), ())
        if Version(version) < fixed
    ]
