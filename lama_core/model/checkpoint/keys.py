"""The names of the generator's tensors: the official ones, ours, and the one mapping between them.

The official generator is one `nn.Sequential` named `model`, so its names are numbers: 0 pads, 1 is the stem,
then come the downsamplings, the blocks, one layer that joins the branches, three layers for each upsampling
(convolution, norm, activation), a pad, and the head.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_BRANCHES: Mapping[str, str] = {
    "ffc.local_to_local": "ffc.convl2l",
    "ffc.local_to_global": "ffc.convl2g",
    "ffc.global_to_local": "ffc.convg2l",
    "ffc.global_to_global.conv_in": "ffc.convg2g.conv1.0",
    "ffc.global_to_global.norm_in": "ffc.convg2g.conv1.1",
    "ffc.global_to_global.fourier_unit.conv": "ffc.convg2g.fu.conv_layer",
    "ffc.global_to_global.fourier_unit.norm": "ffc.convg2g.fu.bn",
    "ffc.global_to_global.local_fourier_unit.conv": "ffc.convg2g.lfu.conv_layer",
    "ffc.global_to_global.local_fourier_unit.norm": "ffc.convg2g.lfu.bn",
    "ffc.global_to_global.conv_out": "ffc.convg2g.conv2",
    "norm_local": "bn_l",
    "norm_global": "bn_g",
}
"""Modules of one FFC with its norms, ours to official."""

# Before the blocks there is no global branch to come from, and only the last downsampling makes one.
_LOCAL_ONLY = ("ffc.local_to_local", "norm_local")
_MAKES_GLOBAL = (*_LOCAL_ONLY, "ffc.local_to_global", "norm_global")

MAX_DOWNSAMPLINGS = 6
MAX_BLOCKS = 100

# Group 1 is where a generator's own names begin.
_OFFICIAL = re.compile(r"(?:^|\.)((\d{1,9})\.(conv[12]\.)?(?:ffc\.conv[lg]2[lg]|bn_l|bn_g)\.)", re.ASCII)
_OURS = re.compile(
    r"(?:^|\.)((?:stem|downs\.(\d{1,9})|blocks\.(\d{1,9})\.conv[12])\.(?:ffc|norm_local|norm_global)\.)",
    re.ASCII,
)


def official_modules(*, downsamplings: int, blocks: int) -> dict[str, str]:
    """Every module of a generator that has tensors: our name to the official one, `model.` left out."""
    modules = {f"stem.{ours}": f"1.{_BRANCHES[ours]}" for ours in _LOCAL_ONLY}
    for level in range(downsamplings):
        kept = _MAKES_GLOBAL if level == downsamplings - 1 else _LOCAL_ONLY
        modules |= {f"downs.{level}.{ours}": f"{2 + level}.{_BRANCHES[ours]}" for ours in kept}
    for block in range(blocks):
        for conv in ("conv1", "conv2"):
            modules |= {
                f"blocks.{block}.{conv}.{ours}": f"{2 + downsamplings + block}.{conv}.{official}"
                for ours, official in _BRANCHES.items()
            }
    first_up = 3 + downsamplings + blocks
    for level in range(downsamplings):
        modules[f"ups.{level}.conv"] = f"{first_up + 3 * level}"
        modules[f"ups.{level}.norm"] = f"{first_up + 3 * level + 1}"
    modules["head"] = f"{first_up + 3 * downsamplings + 1}"
    return modules


def is_batchnorm_counter(name: str) -> bool:
    """Whether it is a BatchNorm's count of training steps, which no prediction depends on."""
    return name.endswith(".num_batches_tracked")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMapping:
    """Between the names of tensors in a file and ours."""

    prefix: str
    """What stands before the generator's own names: `generator.model.`, say."""
    official: bool
    """The official names, or ours."""
    downsamplings: int
    blocks: int

    def to_ours(self, names: Iterable[str]) -> tuple[dict[str, str], list[str]]:
        """Translate the names in a file.

        Returns:
            Our names to those in the file, for what can be a part of a generator, and those in the file for
            what lies beside it under the same prefix.
        """
        modules = official_modules(downsamplings=self.downsamplings, blocks=self.blocks)
        known = (
            {official: ours for ours, official in modules.items()}
            if self.official
            else {m: m for m in modules}
        )
        ours: dict[str, str] = {}
        others: list[str] = []
        for name in names:
            if not name.startswith(self.prefix):
                continue
            module, _, leaf = name[len(self.prefix) :].rpartition(".")
            if module in known:
                ours[f"{known[module]}.{leaf}"] = name
            else:
                others.append(name)
        return ours, others

    def in_file(self, ours: str) -> str:
        """What the file would call the tensor that we call `ours`."""
        if not self.official:
            return self.prefix + ours
        module, _, leaf = ours.rpartition(".")
        modules = official_modules(downsamplings=self.downsamplings, blocks=self.blocks)
        return f"{self.prefix}{modules[module]}.{leaf}"


def find_key_mapping(names: Iterable[str]) -> KeyMapping | None:
    """Find the generator among the tensors of a file: under whatever prefix, in the official names or ours.

    Where there are several (a training checkpoint may hold an average too), the one that is called
    `generator` counts, then the one with the most tensors. None when there is no FFC generator.
    """
    names = list(names)
    for official, pattern in ((True, _OFFICIAL), (False, _OURS)):
        found = [match for match in map(pattern.search, names) if match]
        if not found:
            continue
        counts = Counter(match.string[: match.start(1)] for match in found)
        prefix = max(counts, key=lambda p: ("generator" in p.split("."), counts[p], p))
        matches = [match for match in found if match.string[: match.start(1)] == prefix]
        if official:
            downsamplings = max((int(m[2]) for m in matches if not m[3]), default=1) - 1
            blocks = max((int(m[2]) for m in matches if m[3]), default=0) - 1 - downsamplings
        else:
            downsamplings = max((int(m[2]) for m in matches if m[2]), default=-1) + 1
            blocks = max((int(m[3]) for m in matches if m[3]), default=-1) + 1
        return KeyMapping(prefix=prefix, official=official, downsamplings=downsamplings, blocks=blocks)
    return None
