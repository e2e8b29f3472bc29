"""What compiling found out, kept in the user's cache folder: folded weights, and what is fastest here.

Everything here may be deleted at any time, and nothing of it is believed without a check: an entry that is
cut short, changed or of another version counts as none. Entries are named by their model's file, so a model
that is replaced has new ones; the oldest are deleted when there are more than a few.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lama_core import kernels
from lama_core.client.files import OWN_FILE, make_own_folder, write_atomically
from lama_core.client.places import cache_folder
from lama_core.inference.kernel_use import CONVOLUTION_FORMS, SIDES, KernelUse
from lama_core.model.safetensors_header import read_start

_VERSION = "2"
"""Of what is written here; entries of another one are left alone, and then deleted."""
_MAX_ENTRIES = 4
_MAX_NOTES = 64
"""Of one file: a folder that many machines share has one for each."""
_MAX_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class Cache:
    """The entries of one model's file."""

    key: str

    @classmethod
    def of(cls, path: Path) -> Cache | None:
        """The cache for a file of weights; None where the file's identity is not to be had.

        The identity is the file's place, size and time of change, and its first bytes, which in our own files
        hold a hash of all weights.
        """
        try:
            state = path.stat()
            head = read_start(path, _MAX_HEADER)
        except OSError:  # a folder, say
            return None
        identity = f"{_VERSION} {path.resolve()} {state.st_size} {state.st_mtime_ns}\n"
        return cls(hashlib.sha256(os.fsencode(identity) + head).hexdigest()[:32])

    def read_weights(self, precision: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Folded weights, mapped from the file, and what was written with them; None: there are none."""
        path = self._weights(precision)
        try:
            with path.open("rb") as stream:
                sum_now = 0
                while chunk := stream.read(1 << 22):
                    sum_now = zlib.crc32(chunk, sum_now)
            if path.with_suffix(".crc").read_text("ascii") != f"{sum_now:08x}":
                return None
            with cast(Any, safe_open(str(path), framework="pt")) as file:
                facts: dict[str, Any] = json.loads(file.metadata()["facts"])
                folded: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            os.utime(path)  # the one that is used last is deleted last
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            return None
        return folded, facts

    def write_weights(self, precision: str, folded: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Keep folded weights, and what is needed to use them; where that fails nothing is kept."""
        data = save(dict(folded), metadata={"facts": json.dumps(facts)})
        path = self._weights(precision)
        if _write(path, data):
            _write(path.with_suffix(".crc"), f"{zlib.crc32(data):08x}".encode())
            _delete_oldest(path.parent)

    def read_choice(self, device: str) -> str | None:
        """The precision that was chosen for a device of this machine."""
        choice = _read_notes(self._choice()).get(_place(device))
        return choice if isinstance(choice, str) else None

    def write_choice(self, device: str, precision: str) -> None:
        """Remember the precision that was chosen for a device of this machine."""
        _write_note(self._choice(), _place(device), precision)

    def _weights(self, precision: str) -> Path:
        return _folder() / f"{self.key}-{precision}.safetensors"

    def _choice(self) -> Path:
        return _folder() / f"{self.key}.json"


def read_kernel_use(device: str, layers: str) -> KernelUse | None:
    """What the kernels were found to be good for on a device of this machine; None: that was not measured.

    `layers`: the precision and sizes of the layers, in words.
    """
    note = _read_notes(_kernel_uses()).get(f"{_place(device)} {layers}")
    if not isinstance(note, dict):
        return None
    try:
        use = KernelUse(**{name: tuple(values) for name, values in note.items()})
    except TypeError:  # what somebody else wrote
        return None
    is_known = (
        len(use.convolutions) == len(use.fourier) == len(SIDES)
        and all(form in CONVOLUTION_FORMS for form in use.convolutions)
        and all(isinstance(value, bool) for value in use.fourier)
    )
    return use if is_known else None


def write_kernel_use(device: str, layers: str, use: KernelUse) -> None:
    """Remember it; arguments as of `read_kernel_use`."""
    _write_note(_kernel_uses(), f"{_place(device)} {layers}", asdict(use))


def processor_name() -> str:
    """What the processor calls itself, such as "AMD EPYC 9B14"; "" where that is not to be had."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _kernel_uses() -> Path:
    return _folder() / "kernels.json"


def _read_notes(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        notes = json.loads(path.read_text("utf-8"))
        if isinstance(notes, dict):
            return notes
    return {}


def _write_note(path: Path, name: str, value: object) -> None:
    notes = _read_notes(path)
    notes.pop(name, None)
    kept = dict([*notes.items(), (name, value)][-_MAX_NOTES:])
    _write(path, json.dumps(kept).encode())


def _folder() -> Path:
    return cache_folder() / "fast"


def _place(device: str) -> str:
    """What speed depends on: the machine, its processor, the device and what computes on it."""
    parts = (platform.node(), processor_name(), platform.machine(), device, torch.__version__)
    isas = (str(kernels.best_isa("fp32")), torch.backends.cpu.get_cpu_capability())
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return " ".join((*parts, *isas, limit, str(torch.get_num_threads())))


def _write(path: Path, data: bytes) -> bool:
    """All of it or nothing; False for nothing: the cache is only there to save time."""
    try:
        make_own_folder(path.parent)
        write_atomically(path, data, mode=OWN_FILE)
    except OSError:
        return False
    return True


def _delete_oldest(folder: Path) -> None:
    with contextlib.suppress(OSError):
        paths = sorted(folder.glob("*.safetensors"), key=lambda p: p.stat().st_mtime, reverse=True)
        for path in paths[_MAX_ENTRIES:]:
            path.unlink(missing_ok=True)
            path.with_suffix(".crc").unlink(missing_ok=True)
