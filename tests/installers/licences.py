"""Which packages come with LaMa Fill, and under which licences they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Licences of what we carry, and of what pip fetches beside us. LGPL and MPL are those of libraries that stay
#: files of their own, and that anybody may replace.
ALLOWED = re.compile(
    r"Apache-2\.0|Apache Software License|LLVM-exception|MIT|MIT-0|MIT-CMU|MIT License|BSD-[23]-Clause"
    r"|BSD License|0BSD|BSL-1\.0|PSF-2\.0|Python Software Foundation License|ISC|Zlib|Unlicense"
    r"|CC0-1\.0|MPL-2\.0"
    r"|GNU Lesser General Public License v3 or later \(LGPLv3\+\)"
)


def required(name: str = "lama-fill") -> Iterator[metadata.Distribution]:
    """The distributions that pip installs with one, itself left out: all that is required, and by that."""
    seen: set[str] = set()
    waiting = [Requirement(name)]
    while waiting:
        requirement = waiting.pop()
        key = canonicalize_name(requirement.name)
        if key in seen:
            continue
        seen.add(key)
        try:
            found = metadata.distribution(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # of another system, or of a GPU
        if key != canonicalize_name(name):
            yield found
        for line in found.requires or ():
            more = Requirement(line)
            wanted = [{"extra": extra} for extra in ("", *requirement.extras)]
            if more.marker is None or any(more.marker.evaluate(one) for one in wanted):
                waiting.append(more)


def licences(distribution: metadata.Distribution) -> list[str]:
    """What a distribution says of its licence: parts of an expression, classifiers, or its text."""
    about = distribution.metadata
    expression = about.get("License-Expression")
    if expression:
        return [part for part in re.split(r"\s+(?:AND|OR|WITH)\s+|[()]", expression) if part.strip()]
    classified = [
        line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if line.startswith("License")
    ]
    classified = [line for line in classified if line != "OSI Approved"]
    return classified or [(about.get("License") or "unknown").strip().partition("\n")[0]]
