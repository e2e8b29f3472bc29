"""What a pickle can be made to call, if it is run."""

from __future__ import annotations

import builtins
import os
from pathlib import Path

import torch


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self._call


def attacks(witness: Path) -> list[object]:
    touch = f"touch {witness}"
    return [
        Calls(os.system, touch),
        Calls(builtins.exec, f"open({str(witness)!r}, 'w')"),
        Calls(builtins.eval, f"open({str(witness)!r}, 'w')"),
        Calls(builtins.open, str(witness), "w"),
        Calls(builtins.getattr, Calls(builtins.__import__, "os"), "mkdir"),
        Calls(builtins.map, Calls(os.system, touch), []),
        Calls(torch.load, str(witness)),
        Calls(torch._utils._rebuild_tensor_v2, Calls(os.mkdir, str(witness)), 0, (1,), (1,), False, {}),
        Calls(torch._tensor._rebuild_from_type_v2, os.mkdir, torch.Tensor, (str(witness),), {}),
    ]
