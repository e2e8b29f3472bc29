"""What comes with LaMa Fill: its licences, known vulnerabilities of it, and versions pinned with hashes."""

from __future__ import annotations

import datetime

import pytest

from tests.installers.licences import ALLOWED, licences, required
from tests.installers.supply import advisories, hashed_pins, pinned, vulnerable


def test_what_pip_fetches_beside_us_may_be_used() -> None:
    found = {one.name: [part.strip() for part in licences(one)] for one in required()}
    assert {"torch", "numpy", "websockets", "msgpack", "PyYAML", "cffi"} <= set(found)
    wrong = {name: parts for name, parts in found.items() if not all(map(ALLOWED.fullmatch, parts))}
    assert not wrong


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-or-later", "AGPL-3.0", "unknown", "Proprietary", "MIT; but not for you"]
)
def test_others_would_be_found(licence: str) -> None:
    assert not ALLOWED.fullmatch(licence)


def test_no_pinned_or_installed_version_is_known_to_be_vulnerable() -> None:
    known = advisories()
    assert datetime.date(2025, 1, 1) < known.date
    assert vulnerable(pinned(), known) == []
    assert vulnerable([(one.name, one.version) for one in required()], known) == []
    assert vulnerable([("PyYAML", "5.3")], known) == ["PyYAML 5.3: CVE-2020-14343"]


def test_what_a_release_is_built_with_is_pinned_with_hashes() -> None:
    pins = hashed_pins()
    assert {"hatchling", "setuptools", "babel", "ziglang", "pathspec"} <= {name for name, _, _ in pins}
    assert [name for name, _, hashes in pins if not hashes] == []
    # The same versions as in development, where both have one.
    ours = dict(pinned())
    assert [name for name, version, _ in pins if ours.get(name, version) != version] == []
