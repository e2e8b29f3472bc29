"""11. Installing where package indexes differ."""

from __future__ import annotations

import shlex

from tests.faults.row import Bench, Section
from tests.installers.no_index import install_without

SECTION = Section(11, "Installing where indexes differ")

_TORCH = "*index-url*"
_ANY = "*torch*"


@SECTION.row(
    "the installer, where torch's own index cannot be reached",
    "runs without that index, which takes the user's own, and without any, which names the options",
    short=2,
    soak=2,
    figure="without a torch, or a line that says what to do",
)
def _no_torch(bench: Bench, count: int) -> float:
    wrong = 0
    for number, refused in enumerate((_TORCH, _ANY)[:count]):
        folder = bench.folder / str(number)
        folder.mkdir()
        done, asked = install_without(folder, refused)
        installs = [shlex.split(line) for line in asked if "torch>=2.4" in line]
        fell_back = len(installs) == 2 and "--index-url" in installs[0] and "--index-url" not in installs[1]
        if refused == _TORCH:
            wrong += not fell_back or "torch could not be installed" in done.stderr
        else:
            named = "--torch" in done.stderr and "PIP_INDEX_URL" in done.stderr
            wrong += not fell_back or not named or done.returncode != 2
    return wrong
