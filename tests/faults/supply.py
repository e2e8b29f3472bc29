"""10. Supply: what comes with LaMa Fill."""

from __future__ import annotations

import hashlib
import shutil

from tests.faults.row import Bench, Section
from tests.installers.licences import ALLOWED, licences, required
from tests.installers.new_user import copy_of_the_project
from tests.installers.release import build_release
from tests.installers.supply import advisories, hashed_pins, pinned, vulnerable

SECTION = Section(10, "Supply")

_PACKAGES = len(list(required()))
_PINS = len(pinned()) + _PACKAGES


@SECTION.row(
    "licences",
    "packages that come with LaMa Fill, and all that those bring",
    short=_PACKAGES,
    soak=_PACKAGES,
    figure="under a licence that is not allowed",
)
def _licences(bench: Bench, count: int) -> float:
    found = list(required())[:count]
    return sum(not all(ALLOWED.fullmatch(part.strip()) for part in licences(one)) for one in found)


@SECTION.row(
    "known vulnerabilities",
    "versions, pinned and installed, held against the dated list in installers/advisories.toml",
    short=_PINS,
    soak=_PINS,
    figure="vulnerable",
)
def _vulnerable(bench: Bench, count: int) -> float:
    known = advisories()
    versions = [*pinned(), *((one.name, one.version) for one in required())][:count]
    bench.record(f"list of {known.date}")
    return len(vulnerable(versions, known))


@SECTION.row(
    "what a release is built with",
    "packages of requirements-release.txt: a version, and the hashes of its files",
    short=len(hashed_pins()),
    soak=len(hashed_pins()),
    figure="without a hash",
)
def _hashes(bench: Bench, count: int) -> float:
    return sum(not hashes for _, _, hashes in hashed_pins()[:count])


@SECTION.row(
    "archives of a release",
    "builds of the same sources in another folder: wheel, sources, plug-ins, bill of materials",
    short=0,  # tests/installers/test_release.py does that once
    soak=1,
    figure="files that differ",
)
def _reproducible(bench: Bench, count: int) -> float:
    project = copy_of_the_project(bench.folder / "sources")
    digests: list[dict[str, str]] = []
    for number in range(count + 1):
        place = shutil.copytree(project, bench.folder / f"place {number}", copy_function=shutil.copy)
        out = bench.folder / f"out{number}"
        done = build_release(place, out)
        assert done.returncode == 0, done.stderr
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in out.iterdir()})
    assert len(digests[0]) >= 10
    return sum(other.get(name) != digest for other in digests[1:] for name, digest in digests[0].items())
