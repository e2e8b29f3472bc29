"""The LaMa generator.

What is named here is imported when it is first asked for: `lama_core.model.installed.registry` lists the
installed models for the server's parent process, which must not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lama_core.model.config import GeneratorConfig
    from lama_core.model.generator import Generator

__all__ = ["Generator", "GeneratorConfig"]

_HOMES = {
    "Generator": "lama_core.model.generator",
    "GeneratorConfig": "lama_core.model.config",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
